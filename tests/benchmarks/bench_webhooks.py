"""
What a webhook costs on a real api-server with SQLite, beside a run that is started by Airflow's own trigger route, one
sender and many; and whether the time of a refusal says how much of a token was right.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from support.burst import SENDERS, Burst, webhook

from tools.demo.airflow_home import AirflowHome
from tools.demo.connections import INBOUND_CONNECTION
from tools.demo.local_airflow import LocalAirflow
from tools.demo.ports import free_port
from tools.demo.progress import Progress

DAGS = Path(__file__).parents[1] / "system" / "dags_bursting"
COUNT = 200
# Fewer at once: SQLite lets the trigger route wait for its lock, and fail.
AT_ONCE = 48
REFUSALS = 300
WEBHOOK, TRIGGER = "webhook", "Airflow's trigger route"


class Measured(LocalAirflow):
    """An Airflow without tasks to run, so that what is measured has the machine for itself."""

    def send_webhook(self) -> Callable[[requests.Session, int], int]:
        """Return what sends one."""
        return webhook(self.home.api_url, INBOUND_CONNECTION, self.canaries.webhook_token)

    def trigger(self, session: requests.Session, number: int) -> int:
        """Start a run by Airflow's own route."""
        body = {"dag_run_id": f"run-{number}", "logical_date": None}
        url = f"{self.home.api_url}/api/v2/dags/by_trigger/dagRuns"
        status = session.post(url, json=body, headers=self.rest.headers(), timeout=30).status_code
        # What failed on SQLite may have been done all the same, and is a conflict then.
        return requests.codes.ok if status == requests.codes.conflict else status


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:8.1f} ms"


def show(what: str, burst: Burst) -> float:
    """Print the figures of a burst; return its 95th percentile, seconds."""
    p95 = burst.p95_seconds()
    print(f"  {what:<34}{milliseconds(statistics.median(burst.took_seconds))} median{milliseconds(p95)} p95")
    return p95


def compared(measured: Measured, what: str, count: int, send: Callable[..., None]) -> None:
    """
    Measure both routes.

    :param what: says how the requests are sent.
    """
    print(f"{count} requests, {what}")
    p95 = {}
    for route, request in ((WEBHOOK, measured.send_webhook()), (TRIGGER, measured.trigger)):
        burst = Burst()
        # Numbers of their own: one that was there before is known, and stored no second time.
        first = random.randrange(10**9)
        send(burst, range(first, first + count), request)
        p95[route] = show(route, burst)
    print(f"  {'ratio of both p95':<34}{p95[WEBHOOK] / p95[TRIGGER]:8.2f}")


def one_by_one(burst: Burst, numbers: range, request: Callable[[requests.Session, int], int]) -> None:
    """Send one after the other."""
    with requests.Session() as session:
        session.trust_env = False
        for number in numbers:
            started = time.monotonic()
            request(session, number)
            burst.took_seconds.append(time.monotonic() - started)


def refusals(measured: Measured) -> None:
    """Measure refusals, the kinds by turns, since the machine's speed varies."""
    right = measured.canaries.webhook_token
    wrong = {
        "nothing right": "x" * len(right),
        "all but the last character": right[:-1] + ("x" if right[-1] != "x" else "y"),
        "too short": right[:-1],
        "empty": "",
    }
    took: dict[str, list[float]] = {kind: [] for kind in wrong}
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(REFUSALS):
            for kind, token in wrong.items():
                send = webhook(measured.home.api_url, INBOUND_CONNECTION, token)
                started = time.perf_counter()
                assert send(session, 1) == requests.codes.unauthorized
                took[kind].append(time.perf_counter() - started)
    print(f"{REFUSALS} refusals of each kind, by what is right in the token")
    for kind, seconds in took.items():
        quarter, half, three = statistics.quantiles(seconds, n=4)
        print(f"  {kind:<34}{milliseconds(half)} median{milliseconds(three - quarter)} between the quartiles")


def main() -> None:
    """Bring an Airflow up and measure it."""
    with TemporaryDirectory() as folder:
        home = AirflowHome(Path(folder) / "home", dags_folder=DAGS, api_port=free_port())
        with Measured(home, Progress()) as measured:
            measured.add_connections()
            measured.wait_for("by_event", "by_trigger")
            measured.rest.unpause("by_event")
            # Runs of a DAG that is switched off wait, and disturb nothing.
            compared(measured, "one sender", COUNT, one_by_one)
            refusals(measured)
            compared(measured, f"{SENDERS} senders", AT_ONCE, Burst.send)


if __name__ == "__main__":
    main()
