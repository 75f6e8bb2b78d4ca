"""Many senders at once that do not give up: what they send to a server, and how long each answer took."""

from __future__ import annotations

import json
import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests

from airflow_channel_provider.contract.signing import SIGNATURE_HEADER, signature_of, signing_key_of
from support import function_calls

SENDERS = 12
PAUSE_SECONDS = 0.2
GIVE_UP_SECONDS = 300.0
STARTED = re.compile(r'"(Started run\.|run was started already;)')
URI = "channeltalk://ch-1/userChat.opened"


def opened_chat(number: int) -> dict[str, Any]:
    """Return the webhook of a chat that is opened."""
    entity = {"id": f"chat-{number}", "channelId": "ch-1", "userId": "u-1", "version": 1}
    return {"event": "userChat.opened", "entity": entity}


@dataclass
class Burst:
    """
    What became of it.

    :param took_seconds: of each request that was answered with a success.
    :param tries: how often something was answered, by status; 0: not at all.
    :param given_up: numbers of what was never taken.
    """

    took_seconds: list[float] = field(default_factory=list)
    tries: Counter[int] = field(default_factory=Counter)
    given_up: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def taken(self) -> int:
        return len(self.took_seconds)

    def p95_seconds(self) -> float:
        return statistics.quantiles(self.took_seconds, n=20)[-1]

    def send(
        self,
        numbers: Iterable[int],
        request: Callable[[requests.Session, int], int],
        *,
        senders: int = SENDERS,
    ) -> None:
        """
        Send a request for each number, each until it is taken.

        :param request: sends it once, and returns the status of its answer.
        :param senders: how many send at once.
        """
        local = threading.local()

        def until_taken(number: int) -> None:
            if not hasattr(local, "session"):
                local.session = requests.Session()
                local.session.trust_env = False
            until = time.monotonic() + GIVE_UP_SECONDS
            while time.monotonic() < until:
                started = time.monotonic()
                try:
                    status = request(local.session, number)
                except requests.RequestException:
                    status = 0
                with self.lock:
                    self.tries[status] += 1
                    if status < requests.codes.bad_request and status:
                        self.took_seconds.append(time.monotonic() - started)
                        return
                time.sleep(PAUSE_SECONDS)
            with self.lock:
                self.given_up.append(number)

        with ThreadPoolExecutor(senders) as pool:
            list(pool.map(until_taken, numbers))


def webhook(url: str, conn_id: str, token: str) -> Callable[[requests.Session, int], int]:
    """Return what sends a webhook to an Airflow."""

    def send(session: requests.Session, number: int) -> int:
        address = f"{url}/channel-talk/webhooks/{conn_id}"
        content = json.dumps(opened_chat(number)).encode()
        return session.post(address, params={"token": token}, data=content, timeout=30).status_code

    return send


def command(url: str, conn_id: str, key: str) -> Callable[[requests.Session, int], int]:
    """
    Return what sends a command to an Airflow, as the App Store does; an answer that names no run is one of no content.

    :param key: signing key of the connection.
    """
    address = f"{url}/channel-talk/functions/{conn_id}/v1"

    def send(session: requests.Session, number: int) -> int:
        content = function_calls.command("airflow.run.by_command", number=number)
        headers = {SIGNATURE_HEADER: signature_of(signing_key_of(key), content)}
        answer = session.put(address, data=content, headers=headers, timeout=30)
        has_run = not answer.ok or STARTED.search(answer.text)
        return answer.status_code if has_run else requests.codes.no_content

    return send
