"""Many commands at once at two servers, with repeats: each is one run in the metadata database."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest
from support import command_dags
from support.function_calls import KEY, command, put

from tools.demo.ports import free_port

if TYPE_CHECKING:
    from support.site import Site


COMMANDS = int(os.environ.get("COMMAND_BURST") or 60)
SERVER = """
import sys, uvicorn
from airflow_channel_provider.plugins.channel_talk import application
uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""


@pytest.fixture(scope="module")
def addresses(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Two processes that serve the route on one database."""
    command_dags.write(tmp_path_factory.mktemp("dags"))
    fields = {
        "conn_type": "channel_talk",
        "password": "a-secret-of-these-tests",
        "extra": {"signing_secret": KEY},
    }
    environment = {**os.environ, "AIRFLOW_CONN_APP": json.dumps(fields), "_AIRFLOW_PROCESS_CONTEXT": "server"}
    with ExitStack() as stack:
        ports = [free_port() for _ in range(2)]
        for port in ports:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", SERVER, str(port)], env=environment
            )
            stack.callback(process.wait, 30)
            stack.callback(process.kill)
        found = [f"http://127.0.0.1:{port}/functions/app" for port in ports]
        for address in found:
            _wait_for(address)
        yield found


def _wait_for(address: str) -> None:
    for _ in range(600):
        try:
            if httpx.put(address, timeout=10).status_code == 401:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"{address} does not answer")


def test_each_command_is_one_run(addresses: list[str]) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import delete, select

    with create_session() as session:
        session.execute(delete(DagRun))
    # Each is sent three times, in an order that mixes them, to either server.
    bodies = [command("airflow.run.daily.2dreport", f"chat-{n}", days=n % 7 + 1) for n in range(COMMANDS)]
    sent = bodies * 3
    random.Random(7).shuffle(sent)
    left, lock, answers = list(enumerate(sent)), threading.Lock(), Counter[str]()

    def send() -> None:
        with httpx.Client(timeout=60) as client:
            while True:
                with lock:
                    if not left:
                        return
                    number, body = left.pop()
                answer = put(client, body, route=addresses[number % 2])
                if answer.status_code == 503:  # as the sender: again
                    with lock:
                        left.append((number + 1, body))
                    continue
                message = answer.json()["result"]["attributes"]["message"]
                with lock:
                    answers[message.split(" http", 1)[0]] += 1

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {
        "Started report.": COMMANDS,
        "report was started already; the same command counts once in ten minutes.": 2 * COMMANDS,
    }
    with create_session() as session:
        confs = session.scalars(select(DagRun.conf).where(DagRun.dag_id == "daily-report")).all()
    chats = Counter(conf["channel_talk"]["chat"]["id"] for conf in confs)
    assert chats == {f"chat-{n}": 1 for n in range(COMMANDS)}
