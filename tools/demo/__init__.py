"""A real Airflow and the emulator, brought up on 127.0.0.1, put to work with the example DAGs, and taken down."""
