"""
A real Airflow in which watchers of user chats share one feed in a triggerer, which is killed again and again.

Invariant: the run is over when a test sees it. No chat changes before each watcher has stored where it begins, and the
triggerer dies at four different moments in turn: when a poll has begun, when events of it are stored, when one cursor
has moved behind them, and when all have. What Airflow has stored is read from its database, for asking for thousands of
events again and again would make it slower.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.contract.open_api import CHAT_STATES
from airflow_channel_provider.triggers.open_api import CURSORS
from system.leaks import Leak, find_leaks
from tools.demo.airflow_home import AirflowHome
from tools.demo.local_airflow import LocalAirflow
from tools.demo.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.demo.progress import Progress

JSON = Any
COUNT = int(os.environ.get("WATCHED_ASSETS") or 4)
KILLS = int(os.environ.get("TRIGGERER_KILLS") or 3)
DAGS = Path(__file__).with_name("dags_watching")
DAG_ID = "watching"
CHATS = 1_000
CHANGES = max(1, 12 // COUNT)
"""How many chats change before each death of the triggerer, and while none runs; each is an event for every asset."""
TRIGGERER = "triggerer"


class WatchingHome(AirflowHome):
    """A home whose DAG knows how many assets it has, and where a dead triggerer is soon given up."""

    def environment(self) -> dict[str, str]:
        """Return what every process of this Airflow is started with."""
        return {
            **super().environment(),
            "WATCHED_ASSETS": str(COUNT),
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6",
            # The watchers of a DAG that has been switched on begin when its file is parsed the next time.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
        }


class Watching(LocalAirflow):
    """
    Changes chats, kills the triggerer while it tells of them, and waits until all is told.

    :param path: home directory.
    :param progress: where to say what is going on.
    :ivar wanted: the keys of the events that each asset is to be told.
    :ivar told: how often each asset was told each key, by (asset id, key).
    :ivar chats: what all events tell of them.
    :ivar states: which lists were read when nothing changed any more, in this order.
    """

    wait_seconds = 1_800.0

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(WatchingHome(path, dags_folder=DAGS, api_port=free_port()), progress)
        self.wanted: set[str] = set()
        self.told: Counter[tuple[int, str]] = Counter()
        self.chats: list[dict[str, JSON]] = []
        self.states: list[str] = []
        self.leaks: list[Leak] = []
        self._seen = 0

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*exc_info)
        self.leaks = find_leaks(self.home.path, self.canaries.named())

    def emulator_settings(self) -> dict[str, object]:
        """Return what the emulator is started with: chats that can change, and no limit that polls would meet."""
        return {**super().emulator_settings(), "generated_chats": CHATS, "open_api_rate_limit": 1_000_000}

    def _start(self) -> None:
        super()._start()
        self.add_connections()
        self.wait_for(DAG_ID)
        self.rest.unpause(DAG_ID)

    def run(self) -> None:
        """Do all of it."""
        self.wait_until("all watchers have begun", lambda: len(self._cursors()) == COUNT)
        self.progress.step(f"{COUNT} watchers have begun")
        before = self._keys()
        moments = (self._begins_a_poll, self._stores_an_event, self._moves_a_cursor, self._moves_all_cursors)
        for number in range(KILLS):
            happened = moments[number % len(moments)]()
            self.emulator.change_generated(CHANGES)
            self.wait_until("the moment of a kill", happened)
            self.components.kill(TRIGGERER)
            self.emulator.change_generated(CHANGES)
            self.components.start_all(TRIGGERER)
            self.progress.step(
                f"the triggerer was killed, {number + 1} of {KILLS}; {self._event_count()} events"
            )
        self.wanted = self._keys() - before
        self.wait_until("all is told", self._is_all_told)
        self.progress.step(
            f"{len(self.wanted)} changes are told {COUNT} assets in {self._event_count()} events"
        )
        self.wait_until("a run by the events", lambda: "success" in self.rest.run_states().values())
        self._new_looks()
        self.wait_until("three quiet polls", self._has_seen_three_polls)

    def _begins_a_poll(self) -> Callable[[], bool]:
        self._new_looks()
        return lambda: bool(self._new_looks())

    def _stores_an_event(self) -> Callable[[], bool]:
        known = self._event_count()
        return lambda: self._event_count() > known

    def _moves_a_cursor(self) -> Callable[[], bool]:
        known = self._cursors()
        return lambda: self._cursors() != known

    def _moves_all_cursors(self) -> Callable[[], bool]:
        known = set(self._cursors())
        return lambda: known.isdisjoint(self._cursors())

    def _keys(self) -> set[str]:
        """Return the key of the newest change of each chat."""
        chats = self.emulator.open_api_state("userChats")
        return {f"{chat['id']}:changed:{chat['updatedAt']}" for chat in chats}

    def _is_all_told(self) -> bool:
        events = self._rows("SELECT asset_id, extra FROM asset_event")
        told = [(asset, chat) for asset, extra in events for chat in json.loads(extra)["payload"]["chats"]]
        self.chats = [chat for _, chat in told]
        self.told = Counter((asset, chat["key"]) for asset, chat in told)
        there = sum(key in self.wanted for _, key in self.told)
        self.progress.update(f"{there} of {COUNT * len(self.wanted)} events are stored")
        return there == COUNT * len(self.wanted)

    def _has_seen_three_polls(self) -> bool:
        self.states += [entry["params"]["state"] for entry in self._new_looks()]
        return len(self.states) >= 3 * len(CHAT_STATES)

    def _new_looks(self) -> list[JSON]:
        entries = self.emulator.journal(since=self._seen)
        self._seen = entries[-1]["n"] if entries else self._seen
        return [entry for entry in entries if entry["method"] == "GET /user-chats"]

    def _event_count(self) -> int:
        return int(self._rows("SELECT count(*) FROM asset_event")[0][0])

    def _cursors(self) -> list[JSON]:
        stored = "SELECT asset_id, value FROM asset_state_store WHERE key LIKE ? ORDER BY asset_id"
        return self._rows(stored, f"{CURSORS}%")

    def _rows(self, query: str, *values: str) -> list[JSON]:
        with closing(
            sqlite3.connect(f"{self.home.database.as_uri()}?mode=ro", uri=True, timeout=60)
        ) as database:
            return database.execute(query, values).fetchall()
