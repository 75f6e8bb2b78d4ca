"""
Commands and webhooks in one burst, while the api-server is killed and started again, twice; their senders try again.

How many webhooks is said by BURST; a tenth as many commands come among them. `make test-burst` makes it 2,000 and 200.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.burst import URI, Burst, command, webhook

from tools.demo.airflow_home import AirflowHome
from tools.demo.connections import INBOUND_CONNECTION
from tools.demo.local_airflow import LocalAirflow
from tools.demo.ports import free_port
from tools.demo.progress import Progress

if TYPE_CHECKING:
    import requests

WEBHOOKS = int(os.environ.get("BURST") or 400)
COMMANDS = max(1, WEBHOOKS // 10)
KILLS = 2
SERVER = "api-server"
DAGS = Path(__file__).with_name("dags_bursting")

pytestmark = pytest.mark.timeout(0)  # at full size; each wait in it has an end


def in_which_order() -> list[int]:
    """
    Return the numbers of all that is sent: those of the webhooks, then those of the commands, mixed.

    Each twentieth is sent again soon after, as by a sender who did not see the answer.
    """
    mixed = random.Random(15)
    place = {number: mixed.random() for number in range(WEBHOOKS + COMMANDS)}
    again = [(place[number] + 0.02, number) for number in range(0, WEBHOOKS + COMMANDS, 20)]
    return [number for _, number in sorted([*((at, number) for number, at in place.items()), *again])]


class Bursting(LocalAirflow):
    """
    Sends the burst.

    :param path: home directory.
    """

    def __init__(self, path: Path) -> None:
        home = AirflowHome(path, dags_folder=DAGS, api_port=free_port())
        super().__init__(home, Progress())
        self.burst = Burst()
        self.order = in_which_order()
        self.killed_at: list[int] = []

    def run(self) -> None:
        """Do all of it."""
        self.add_connections()
        self.wait_for("by_event", "by_command")
        # An event of a DAG that is switched off is no event, and its command is refused.
        self.rest.unpause("by_event")
        self.rest.unpause("by_command")
        url, keys = self.home.api_url, self.canaries
        send_webhook = webhook(url, INBOUND_CONNECTION, keys.webhook_token)
        send_command = command(url, INBOUND_CONNECTION, keys.signing_key)

        def send(session: requests.Session, number: int) -> int:
            if number < WEBHOOKS:
                return send_webhook(session, number)
            return send_command(session, number - WEBHOOKS)

        sending = threading.Thread(target=self.burst.send, args=(self.order, send))
        sending.start()
        for number in range(1, KILLS + 1):
            self._wait_for_taken(number * len(self.order) // (KILLS + 1))
            self.components.kill(SERVER)
            self.killed_at.append(self.burst.taken)
            self.progress.step(f"the api-server was killed after {self.burst.taken} of {len(self.order)}")
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
    assert all(0 < taken < len(bursting.order) for taken in bursting.killed_at)
    assert bursting.burst.tries[0] > 0


def test_each_is_taken_in_the_end(bursting: Bursting) -> None:
    assert bursting.burst.given_up == []
    assert bursting.burst.taken == len(bursting.order)


def test_no_answer_is_an_error_of_ours(bursting: Bursting) -> None:
    assert set(bursting.burst.tries) <= {0, 200, 503}


def test_each_webhook_is_one_event_in_the_metadata_database(bursting: Bursting) -> None:
    query = (
        "SELECT json_extract(event.extra, '$.user_chat_id') FROM asset_event event JOIN asset ON asset.id = "
        "event.asset_id WHERE asset.uri = ?"
    )
    found = Counter(chat for (chat,) in rows(bursting, query, URI))
    assert found == Counter(f"chat-{number}" for number in range(WEBHOOKS))


def test_each_command_is_one_run_in_the_metadata_database(bursting: Bursting) -> None:
    query = "SELECT json_extract(conf, '$.number') FROM dag_run WHERE dag_id = 'by_command'"
    found = Counter(number for (number,) in rows(bursting, query))
    assert found == Counter(range(COMMANDS))


def test_each_command_is_one_entry_of_the_audit_log(bursting: Bursting) -> None:
    query = (
        "SELECT json_extract(extra, '$.channel_talk.input.number') FROM log "
        "WHERE event = 'trigger_dag_run' AND dag_id = 'by_command' AND owner = 'Channel Talk manager m-1'"
    )
    found = Counter(number for (number,) in rows(bursting, query))
    assert found == Counter(range(COMMANDS))
