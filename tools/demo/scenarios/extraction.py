"""Days of conversations are extracted into files, whose asset events start a DAG that loads them into a table."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tools.demo.result import Story
from tools.demo.scenarios.base import Scenario

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.jsontypes import JSONObject

CHANNEL = "ch-1"
GENERATED: JSONObject = {"generated_chats": 60, "generated_days": 3}
"""What the emulator is asked for, so that there is something in each of the days."""


class Extraction(Scenario):
    """The first DAG catches up on the days before as soon as it is switched on."""

    dag_id = "example_channel_talk_extract"

    def start(self, run_id: str) -> None:
        """Switch it on, and before it the DAG that waits for its events."""
        self.rest.unpause(Warehouse.dag_id)
        self.rest.unpause(self.dag_id)

    def story(self) -> Story:
        """Say how many windows there are."""
        states = [state for (dag_id, _), state in self.rest.run_states().items() if dag_id == self.dag_id]
        problem = f"{states.count('failed')} runs failed" if "failed" in states else None
        done = f"{states.count('success')} of {len(states)} windows of a day are extracted"
        return Story("Conversations of each day become files", [done], problem)


class Warehouse(Scenario):
    """The second DAG is started by the events of the first."""

    dag_id = "example_channel_talk_warehouse"

    def start(self, run_id: str) -> None:
        """Switch it on before there are events."""
        self.rest.unpause(self.dag_id)

    def story(self) -> Story:
        """Compare the table with the emulator, as far as the windows reach."""
        title = "The files are loaded by the asset event"
        with closing(sqlite3.connect(self.airflow.home.warehouse)) as database:
            try:
                rows = dict(database.execute("SELECT id, record FROM channel_talk_user_chats"))
            except sqlite3.OperationalError:
                return Story(title, [], "no table was made")
        chats = {chat["id"]: chat for chat in self.emulator.open_api_state("userChats", CHANNEL)}
        wrong = [
            name for name, record in rows.items() if json.loads(record)["version"] != chats[name]["version"]
        ]
        problem = None if rows and not wrong else f"{len(rows)} chats are loaded, {len(wrong)} of them wrong"
        return Story(title, [f"{len(rows)} chats in the table, of {len(chats)} in the channel"], problem)
