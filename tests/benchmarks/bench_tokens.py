"""How long it takes to have a token: in a running process, in a new one, and for 200 that start together."""

from __future__ import annotations

import logging
import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"

from support.fleet import file_manager, together

from airflow_channel_provider.emulator import EmulatorProcess

TOKEN_LATENCY_SECONDS = 0.15


def running_process(url: str, directory: Path) -> None:
    task = file_manager(url, directory)
    task.get()
    times = []
    for _ in range(2000):
        began = time.perf_counter()
        task.get()
        times.append((time.perf_counter() - began) * 1e6)
    print(f"warm, running process            {statistics.median(times):9.1f} us  (aim: under 50)")


def new_process(url: str, directory: Path) -> None:
    """In forked processes, as Airflow's are: what this package and cryptography import is imported already."""

    def first_get(_: int) -> float:
        task = file_manager(url, directory)
        began = time.perf_counter()
        task.get()
        return (time.perf_counter() - began) * 1e3

    def bare_read(_: int) -> float:
        began = time.perf_counter()
        for path in sorted(directory.glob("*.json")) + sorted(directory.glob("*.token")):
            path.read_bytes()
        return (time.perf_counter() - began) * 1e3

    file_manager(url, directory).get()
    token = [together(1, first_get).results[0] for _ in range(40)]
    bare = [together(1, bare_read).results[0] for _ in range(40)]
    ratio = statistics.median(token) / statistics.median(bare)
    print(f"warm, new process                {statistics.median(token):9.2f} ms  (aim: under 2)")
    print(f"  reading its two files          {statistics.median(bare):9.2f} ms  ratio {ratio:.1f}")


def herd(url: str, directory: Path, emulator: EmulatorProcess) -> None:
    def get(_: int) -> str:
        return file_manager(url, directory).get("ch-1").fingerprint

    before = emulator.stats()["token_requests"]
    cold = together(200, get)
    requests = emulator.stats()["token_requests"] - before
    warm = together(200, get)
    assert cold.errors() == warm.errors() == []
    cold_ms, warm_ms = cold.seconds * 1e3, warm.seconds * 1e3
    print(f"200 processes, cold              {cold_ms:9.0f} ms  token requests: {requests}")
    print(f"200 processes, warm              {warm_ms:9.0f} ms  ratio cold to warm {cold_ms / warm_ms:.1f}")


def main() -> None:
    logging.disable(logging.INFO)
    settings = {"token_latency_seconds": TOKEN_LATENCY_SECONDS}
    with EmulatorProcess(settings) as emulator, TemporaryDirectory() as home:
        running_process(emulator.url, Path(home) / "running")
        new_process(emulator.url, Path(home) / "running")
        herd(emulator.url, Path(home) / "herd", emulator)


if __name__ == "__main__":
    main()
