"""How close four processes that share a rate limit come to the time that it allows, on each store: 1.00 is the best."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"

from support.backends import Backend, FileBackend, RedisBackend, S3Backend, SqlBackend
from support.open_api import connection
from support.s3_server import S3Server
from support.servers import PostgresServer, RedisServer

from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook

PROCESSES = 4
LIMIT, WINDOW_SECONDS = 400, 20
REQUESTS = int(os.environ.get("PACE_REQUESTS", "1200"))


def read(requests: int) -> None:
    with ChannelTalkOpenApiHook() as hook:
        for _ in range(requests):
            hook.get("/channel")


def stores(folder: Path, stack: ExitStack) -> Iterator[tuple[str, Backend]]:
    """Yield name and store of each kind."""
    yield "file", FileBackend(folder / "store")
    yield "redis", RedisBackend(stack.enter_context(RedisServer()))
    yield "postgres", SqlBackend(stack.enter_context(PostgresServer()).url)
    yield "s3", S3Backend(stack.enter_context(S3Server()))


def measure(name: str, backend: Backend) -> None:
    """Print how close one store comes."""
    os.environ["AIRFLOW__CHANNEL_TALK__STORE"], fields = backend.option("pace_store")
    os.environ["AIRFLOW_CONN_PACE_STORE"] = json.dumps(fields)
    settings = {"open_api_rate_limit": LIMIT, "open_api_rate_limit_window_seconds": WINDOW_SECONDS}
    with EmulatorProcess(settings) as emulator:
        os.environ["AIRFLOW_CONN_CHANNEL_TALK_OPEN_API_DEFAULT"] = connection(emulator.url)
        context = multiprocessing.get_context("spawn")
        each = REQUESTS // PROCESSES
        processes = [context.Process(target=read, args=(each,)) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        journal = emulator.journal()
    statuses = Counter(entry["http_status"] for entry in journal)
    if statuses != {200: each * PROCESSES}:
        raise SystemExit(f"{name}: not all requests were let through: {dict(statuses)}")
    ideal_seconds = len(journal) * WINDOW_SECONDS / LIMIT
    seconds = journal[-1]["at"] - journal[0]["at"]
    print(
        f"{name}: {len(journal)} requests: {seconds:.1f} s, ideal {ideal_seconds:.1f} s, "
        f"ratio {seconds / ideal_seconds:.2f}",
        flush=True,
    )


def main() -> None:
    with TemporaryDirectory() as folder, ExitStack() as stack:
        for name, backend in stores(Path(folder), stack):
            measure(name, backend)


if __name__ == "__main__":
    main()
