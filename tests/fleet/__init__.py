"""
A real Airflow as large deployments run it, on 127.0.0.1: PostgreSQL, Redis, CeleryExecutor, several workers.

Built on the parts of tools/demo. What the workers share is what hosts share: the network, nothing else.
"""
