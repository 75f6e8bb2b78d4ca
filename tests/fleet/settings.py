"""The options that all hosts of the fleet share, as a deployment would set them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tools.demo.environment import Keys, api_settings

if TYPE_CHECKING:
    from pathlib import Path

    from support.servers import PostgresServer, RedisServer

# Modules that every task would import otherwise; a task process is a fork of the worker's.
PRELOADED = [
    "airflow_channel_provider.operators.channel_talk",
    "airflow_channel_provider.hooks.channel_talk",
    "airflow_channel_provider.api.client",
    "requests",
]
REDIS_DATABASE_OF_BROKER, REDIS_DATABASE_OF_TOKENS = 0, 1
AIRFLOW_DATABASE, TOKENS_DATABASE = "airflow", "tokens"
PROCESSES_PER_WORKER = 4
# After the death of a worker: what it ran is given up after this long without a heartbeat (and retried), what it had
# only taken from the broker goes to another worker after that long.
HEARTBEAT_TIMEOUT_SECONDS = 20
VISIBILITY_TIMEOUT_SECONDS = 15


def fleet_settings(
    redis: RedisServer, postgres: PostgresServer, keys: Keys, api_port: int, passwords: Path
) -> dict[str, str]:
    """
    Return options by ``SECTION__KEY``.

    :param api_port: of the api-server.
    :param passwords: file with the passwords of the users.
    """
    metadata = f"postgresql+psycopg2://{postgres.user}@127.0.0.1:{postgres.port}/{AIRFLOW_DATABASE}"
    return {
        "CORE__EXECUTOR": "CeleryExecutor",
        "CORE__PARALLELISM": "24",
        "CORE__MAX_ACTIVE_TASKS_PER_DAG": "24",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "DATABASE__SQL_ALCHEMY_CONN": metadata,
        "CELERY__BROKER_URL": redis.url(REDIS_DATABASE_OF_BROKER),
        "CELERY__RESULT_BACKEND": f"db+{metadata}",
        "CELERY__WORKER_CONCURRENCY": str(PROCESSES_PER_WORKER),
        "CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": str(VISIBILITY_TIMEOUT_SECONDS),
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT_SECONDS),
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "4",
        "CELERY__EXTRA_CELERY_CONFIG": json.dumps({"imports": PRELOADED}),
        **keys.settings(),
        **api_settings(api_port),
    }
