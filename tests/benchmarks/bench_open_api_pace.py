"""How close four processes that share a rate limit come to the time that it allows: 1.00 is as fast as may be."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from tempfile import TemporaryDirectory

os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"

from support.open_api import connection

from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook

PROCESSES = 4
LIMIT, WINDOW_SECONDS = 400, 20
REQUESTS = int(os.environ.get("PACE_REQUESTS", "2400"))


def read(requests: int) -> None:
    with ChannelTalkOpenApiHook() as hook:
        for _ in range(requests):
            hook.get("/channel")


def main() -> None:
    settings = {"open_api_rate_limit": LIMIT, "open_api_rate_limit_window_seconds": WINDOW_SECONDS}
    with TemporaryDirectory() as folder, EmulatorProcess(settings) as emulator:
        os.environ["AIRFLOW__CHANNEL_TALK__STORE"] = f"file://{folder}/store"
        os.environ["AIRFLOW_CONN_CHANNEL_TALK_OPEN_API_DEFAULT"] = connection(emulator.url)
        context = multiprocessing.get_context("fork")
        each = REQUESTS // PROCESSES
        processes = [context.Process(target=read, args=(each,)) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        journal = emulator.journal()
    statuses = Counter(entry["http_status"] for entry in journal)
    if statuses != {200: each * PROCESSES}:
        raise SystemExit(f"not all requests were let through: {dict(statuses)}")
    ideal_seconds = len(journal) * WINDOW_SECONDS / LIMIT
    seconds = journal[-1]["at"] - journal[0]["at"]
    print(
        f"{len(journal)} requests: {seconds:.1f} s, ideal {ideal_seconds:.1f} s, ratio {seconds / ideal_seconds:.2f}"
    )


if __name__ == "__main__":
    main()
