"""
What is in the files equals the service, by the documented rule: 0 missing, 0 stale, 0 twice.

First a window of all the past is extracted while chats change with each request, requests fail in every way, and the
process is killed. Then the same past is extracted in many windows, in random order. ``EXTRACT_CHATS`` sets how many
chats there are: CI takes 120 with ten messages each, ``make fuzz`` 1,000, ``make test-extract`` 100,000.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from select import select
from typing import Any

import pytest
from support import extract_run, fleet
from support.fuzzing import THOROUGH
from support.open_api import connection

from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.exceptions import ChannelError

CHATS = int(os.environ.get("EXTRACT_CHATS", "1000" if THOROUGH else "120"))
KILLS, WINDOWS = (10, 30) if CHATS >= 300 else (4, 10)
DAY_MS = 86_400_000
STREAMS = {"user_chats": "userChats", "messages": "messages", "users": "users"}
FAULTS: dict[str, dict[str, Any]] = {
    "close_before": {},
    "close_after": {},
    "http_500": {},
    "http_500_after": {},
    "rate_limit": {"shape": "header", "reset_after_seconds": 0.05},
    "slow": {"seconds": 0.01},
    "truncated": {},
    "html": {"status": 502},
    "empty": {},
    "unauthorized": {},
    "first_page": {},
}

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.timeout(36_000 if CHATS > 10_000 else 900),
    pytest.mark.usefixtures("errors_as_they_are"),
]


@pytest.fixture(params=["updatedAt", "none"])
def emulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorProcess]:
    settings = {
        "generated_chats": CHATS,
        "open_api_chat_order": request.param,
        "open_api_rate_limit": 1_000_000,
        "changes_per_request": 0.2,
    }
    with EmulatorProcess(settings=settings) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_OPEN_API_DEFAULT", connection(emulator.url))
        monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__CALL_WAIT_MAX_SECONDS", "0.05")
        monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__CALL_ATTEMPTS", "8")
        yield emulator


def inject(emulator: EmulatorProcess) -> None:
    emulator.clear_faults()
    for fault, options in FAULTS.items():
        # What ends a try is rarer, so that a try gets on at all.
        share = 0.0005 if fault in ("unauthorized", "first_page") else 0.02 / len(FAULTS)
        emulator.inject(fault, count=1_000_000, share=share, **options)


def is_killed(arguments: dict[str, Any], emulator: EmulatorProcess, requests: int) -> bool:
    """Kill a try after so many requests, wherever it is then; return False if it has come to its end before."""
    killed_at = emulator.stats()["calls"] + requests
    child = fleet.fork(lambda: extract_run.run(arguments))
    while emulator.stats()["calls"] < killed_at and not select([child.reader], [], [], 0.005)[0]:
        pass
    child.kill()
    return not isinstance(child.join(), dict)


def to_its_end(arguments: dict[str, Any]) -> dict[str, Any]:
    """Try until it succeeds."""
    for _ in range(200):
        try:
            return extract_run.run(arguments)
        except ChannelError:
            continue
    raise AssertionError("no try came to its end")


def records(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each record of a stream with the name of its window."""
    for manifest in folder.glob("*/_manifest.json"):
        files = json.loads(manifest.read_text("utf-8"))["files"]
        names = {path.name for path in manifest.parent.iterdir()}
        assert names == {"_manifest.json", *(file["name"] for file in files)}, "nothing else is left"
        for file in files:
            with manifest.with_name(file["name"]).open(encoding="utf-8") as lines:
                for line in lines:
                    yield manifest.parent.name, json.loads(line)


def differences(folder: Path, state: Iterator[dict[str, Any]]) -> dict[str, int]:
    """Compare the records that count with what the service has."""
    latest: dict[str, tuple[str, int]] = {}
    times: Counter[tuple[str, str]] = Counter()
    for window, row in records(folder):
        own = {name: row.pop(name) for name in [name for name in row if name.startswith("_")]}
        times[window, row["id"]] += 1
        seen = latest.get(row["id"])
        if seen is None or own["_extracted_at"] >= seen[0]:
            latest[row["id"]] = own["_extracted_at"], hash(json.dumps(row, sort_keys=True))
    missing = stale = 0
    for thing in state:
        found = latest.pop(thing["id"], None)
        missing += found is None
        stale += found is not None and found[1] != hash(json.dumps(thing, sort_keys=True))
    return {
        "missing": missing,
        "stale": stale,
        "twice": sum(number - 1 for number in times.values()),
        "unknown": len(latest),
    }


def test_files_equal_the_service_by_the_rule(emulator: EmulatorProcess, tmp_path: Path) -> None:
    dice = random.Random(CHATS)
    inject(emulator)
    begin_ms = int(time.time() * 1000) - 31 * DAY_MS
    for stream in STREAMS:
        arguments = {
            "stream": stream,
            "path": str(tmp_path),
            "window": [begin_ms, int(time.time() * 1000)],
            "part_rows": max(200, CHATS // 20),
            "lookback": 0,
        }
        # The messages of each chat are a request of their own.
        most = CHATS // 2 if stream == "messages" else 5
        for _ in range(KILLS if stream == "messages" else 1):
            if not is_killed(arguments, emulator, dice.randint(1, most)):
                break
        to_its_end(arguments)
    emulator.configure(changes_per_request=0)
    end_ms = int(time.time() * 1000) + 1
    borders = sorted({begin_ms, end_ms, *(dice.randrange(begin_ms, end_ms) for _ in range(WINDOWS - 1))})
    windows = [[start, end] for start, end in pairwise(borders)]
    dice.shuffle(windows)
    time.sleep(0.01)
    for window in windows:
        for stream in STREAMS:
            to_its_end(
                {
                    "stream": stream,
                    "path": str(tmp_path),
                    "window": window,
                    "part_rows": max(200, CHATS // 20),
                    "lookback": 0,
                }
            )
    emulator.clear_faults()
    for stream, kind in STREAMS.items():
        found = differences(tmp_path / stream, emulator.open_api_state(kind, "ch-1"))
        assert found == {"missing": 0, "stale": 0, "twice": 0, "unknown": 0}, stream
