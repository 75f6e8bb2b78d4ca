"""Days of conversations are extracted into files, whose asset events start a DAG that loads them into a table."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from airflow_channel_provider.extract.windows import change_ms
from airflow_channel_provider.times import to_ms
from tools.demo.result import Story
from tools.demo.scenarios.base import Scenario

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.jsontypes import JSONObject

CHANNEL = "ch-1"
GENERATED: JSONObject = {"generated_chats": 60, "generated_days": 3}
"""What the emulator is asked for, so that there is something in each of the days."""
_COMPARED = (
    ("SELECT id, record FROM channel_talk_user_chats", "userChats", "chats"),
    ("SELECT id, record FROM channel_talk_messages", "messages", "messages"),
)


_ENDED = frozenset({"success", "failed"})


class Extraction(Scenario):
    """
    The first DAG catches up on the days before as soon as it is switched on.

    When all else has ended, a run by hand extracts the last 24 hours, so that what other DAGs have done is among it.
    """

    dag_id = "example_channel_talk_extract"
    _last_run_id = ""
    _has_begun_last = False

    def start(self, run_id: str) -> None:
        """Switch it on, and before it the DAG that waits for its events."""
        self._last_run_id = run_id
        self.rest.unpause(Warehouse.dag_id)
        self.rest.unpause(self.dag_id)

    def act(self) -> None:
        """Start the run by hand as soon as no DAG runs any more."""
        if self._has_begun_last:
            return
        states = self.rest.run_states()
        loaded = [state for (dag_id, _), state in states.items() if dag_id == Warehouse.dag_id]
        if loaded and set(states.values()) <= _ENDED:
            self.rest.trigger(self.dag_id, self._last_run_id)
            self._has_begun_last = True

    def story(self) -> Story:
        """Say how many windows there are."""
        states = [state for (dag_id, _), state in self.rest.run_states().items() if dag_id == self.dag_id]
        problem = f"{states.count('failed')} runs failed" if "failed" in states else None
        done = f"{states.count('success')} of {len(states)} windows of a day are extracted"
        return Story("Conversations of each day become files", [done], problem)


class Warehouse(Scenario):
    """The second DAG is started by each event of the first."""

    dag_id = "example_channel_talk_warehouse"

    def start(self, run_id: str) -> None:
        """Switch it on before there are events."""
        self.rest.unpause(self.dag_id)

    def story(self) -> Story:
        """Compare the tables with the emulator: all is there, and as it was at the end of the last window."""
        title = "The files are loaded by the asset events"
        lines, problems, later = [], [], set[object]()
        with closing(sqlite3.connect(self.airflow.home.warehouse)) as database:
            for query, kind, what in _COMPARED:
                rows = _rows(database, query)
                there = {row["id"]: row for row in self.emulator.open_api_state(kind, CHANNEL)}
                loaded_until_ms = max((to_ms(row["_window_end"]) or 0 for row in rows.values()), default=0)
                # What changed later belongs to a later window, with all messages of its chat.
                later |= {name for name, row in there.items() if (change_ms(row) or 0) >= loaded_until_ms > 0}
                missing = [
                    name
                    for name in there.keys() - rows.keys()
                    if name not in later and there[name].get("chatId") not in later
                ]
                old = [
                    name
                    for name in there.keys() & rows.keys()
                    if there[name].get("version") != rows[name].get("version")
                    and (change_ms(there[name]) or 0) < loaded_until_ms
                ]
                lines.append(
                    f"{len(there) - len(missing)} of {len(there)} {what} of the channel are in the table"
                )
                if missing or old or not rows:
                    problems.append(
                        f"of {len(there)} {what}, {len(missing)} are missing and {len(old)} out of date"
                    )
        return Story(title, lines, "; ".join(problems) or None)


def _rows(database: sqlite3.Connection, query: str) -> dict[str, JSONObject]:
    try:
        return {name: json.loads(record) for name, record in database.execute(query)}
    except sqlite3.OperationalError:  # not made yet
        return {}
