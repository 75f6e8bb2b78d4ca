"""
Webhooks in a burst, while the api-server is killed and started again, twice; their senders try again.

How many is said by WEBHOOK_BURST (2,000).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.burst import URI, Burst, webhook

from tools.demo.airflow_home import AirflowHome
from tools.demo.connections import INBOUND_CONNECTION
from tools.demo.local_airflow import LocalAirflow
from tools.demo.ports import free_port
from tools.demo.progress import Progress

COUNT = int(os.environ.get("WEBHOOK_BURST") or 2_000)
KILLS = 2
SERVER = "api-server"
# Each of them is sent again after it was taken, as by a sender who did not see the answer.
REPEATED = range(0, COUNT, 20)
DAGS = Path(__file__).with_name("dags_bursting")


class Bursting(LocalAirflow):
    """
    Sends the burst.

    :param path: home directory.
    """

    def __init__(self, path: Path) -> None:
        home = AirflowHome(path, dags_folder=DAGS, api_port=free_port())
        super().__init__(home, Progress())
        self.burst = Burst()
        self.killed_at: list[int] = []

    def run(self) -> None:
        """Do all of it."""
        self.add_connections()
        self.wait_for("by_event")
        # An event of a DAG that is switched off is no event.
        self.rest.unpause("by_event")
        send = webhook(self.home.api_url, INBOUND_CONNECTION, self.canaries.webhook_token)
        sending = threading.Thread(target=self.burst.send, args=([*range(COUNT), *REPEATED], send))
        sending.start()
        for number in range(1, KILLS + 1):
            self._wait_for_taken(number * COUNT // (KILLS + 1))
            self.components.kill(SERVER)
            self.killed_at.append(self.burst.taken)
            self.progress.step(f"the api-server was killed after {self.burst.taken} webhooks")
            self.components.start_all(SERVER)
        sending.join()
        self.progress.step(f"answers by status: {dict(self.burst.tries)}")

    def _wait_for_taken(self, count: int) -> None:
        until = time.monotonic() + self.wait_seconds
        while self.burst.taken < count and time.monotonic() < until:
            time.sleep(self.poll_seconds)


@pytest.fixture(scope="module")
def bursting(tmp_path_factory: pytest.TempPathFactory) -> Bursting:
    with Bursting(tmp_path_factory.mktemp("bursting") / "home") as bursting:
        bursting.run()
    return bursting


def rows(bursting: Bursting, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(bursting.home.database)) as connection:
        return connection.execute(query, values).fetchall()


def test_the_server_was_killed_in_the_midst_of_it(bursting: Bursting) -> None:
    assert len(bursting.killed_at) == KILLS
    assert all(0 < taken < COUNT for taken in bursting.killed_at)
    assert bursting.burst.tries[0] > 0


def test_each_webhook_is_taken_in_the_end(bursting: Bursting) -> None:
    assert bursting.burst.given_up == []
    assert bursting.burst.taken == COUNT + len(REPEATED)


def test_no_answer_is_an_error_of_ours(bursting: Bursting) -> None:
    assert set(bursting.burst.tries) <= {0, 200, 503}


def test_each_is_one_event_in_the_metadata_database(bursting: Bursting) -> None:
    query = (
        "SELECT json_extract(event.extra, '$.user_chat_id') FROM asset_event event JOIN asset ON asset.id = "
        "event.asset_id WHERE asset.uri = ?"
    )
    found = Counter(chat for (chat,) in rows(bursting, query, URI))
    assert found == Counter(f"chat-{number}" for number in range(COUNT))
