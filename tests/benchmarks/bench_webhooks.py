"""
What a webhook and a command cost on a real api-server, with SQLite and with PostgreSQL, beside a run that is started by
Airflow's own trigger route, with one sender and with many; and whether the time of a refusal says how much of a token
or of a signature was right.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from support import function_calls
from support.burst import SENDERS, Burst, command, webhook
from support.servers import PostgresServer

from airflow_channel_provider.contract.signing import SIGNATURE_HEADER, signature_of, signing_key_of
from tools.demo.airflow_home import AirflowHome
from tools.demo.connections import INBOUND_CONNECTION
from tools.demo.local_airflow import LocalAirflow
from tools.demo.ports import free_port
from tools.demo.progress import Progress

DAGS = Path(__file__).parents[1] / "system" / "dags_bursting"
COUNT = 240
REFUSALS = 300
PARTS = 4
OWN = "Airflow's trigger route"
WRONG: dict[str, Callable[[str], str]] = {
    "nothing right": lambda right: "x" * len(right),
    # Of a signature, the last one is padding.
    "all but one character": lambda right: right[:-2] + ("x" if right[-2] != "x" else "y") + right[-1],
    "too short": lambda right: right[:-1],
    "empty": lambda right: "",
}


class Measured(LocalAirflow):
    """An Airflow without tasks to run, so that what is measured has the machine for itself."""

    def routes(self) -> dict[str, Callable[[requests.Session, int], int]]:
        """Return what sends a request of each kind."""
        url, keys = self.home.api_url, self.canaries
        return {
            "webhook": webhook(url, INBOUND_CONNECTION, keys.webhook_token),
            "command": command(url, INBOUND_CONNECTION, keys.signing_key),
            OWN: self.trigger,
        }

    def trigger(self, session: requests.Session, number: int) -> int:
        """Start a run by Airflow's own route."""
        body = {"dag_run_id": f"run-{number}", "logical_date": None}
        url = f"{self.home.api_url}/api/v2/dags/by_trigger/dagRuns"
        status = session.post(url, json=body, headers=self.rest.headers(), timeout=30).status_code
        # What failed on SQLite may have been done all the same, and is a conflict then.
        return requests.codes.ok if status == requests.codes.conflict else status


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:8.1f} ms"


def compared(measured: Measured, senders: int, *, is_sqlite: bool) -> None:
    """
    Measure the routes, each with a part of its requests by turns, since the machine's speed varies.

    :param senders: how many send at once.
    :param is_sqlite: whether many at once make Airflow's own route fail: its two transactions wait for each other.
    """
    print(f"{COUNT} requests of each kind, {senders} senders")
    routes = measured.routes()
    bursts = {route: Burst() for route in routes}
    # Numbers of their own: one that was there before is known, and stored no second time.
    first = random.randrange(10**9)
    part = COUNT // PARTS
    for start in range(first, first + COUNT, part):
        for route, request in routes.items():
            numbers = range(start, start + part)
            if route == OWN and is_sqlite and senders > 1:
                numbers = numbers[:senders] if start == first else numbers[:0]
            bursts[route].send(numbers, request, senders=senders)
    own = bursts[OWN].p95_seconds()
    for route, burst in bursts.items():
        figures = f"{milliseconds(statistics.median(burst.took_seconds))} median{milliseconds(burst.p95_seconds())} p95"
        repeated = sum(burst.tries.values()) - burst.taken
        print(
            f"  {route:<24}{figures}{burst.p95_seconds() / own:8.2f} of its p95{burst.taken:5} taken{repeated:4} again"
        )


def status_of(url: str, body: bytes, headers: dict[str, str], session: requests.Session, number: int) -> int:
    return session.put(url, data=body, headers=headers, timeout=30).status_code


def refusals(measured: Measured) -> None:
    """Measure refusals, the kinds by turns, since the machine's speed varies."""
    url, body = measured.home.api_url, function_calls.body_of("airflow.run.by_command")
    calls = f"{url}/channel-talk/functions/{INBOUND_CONNECTION}"
    token = measured.canaries.webhook_token
    signature = signature_of(signing_key_of(measured.canaries.signing_key), body)
    wrong: dict[str, Callable[[requests.Session, int], int]] = {}
    for kind, change in WRONG.items():
        wrong[f"token: {kind}"] = webhook(url, INBOUND_CONNECTION, change(token))
        headers = {SIGNATURE_HEADER: change(signature)}
        wrong[f"signature: {kind}"] = partial(status_of, calls, body, headers)
    took: dict[str, list[float]] = {kind: [] for kind in wrong}
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(REFUSALS):
            for kind, send in wrong.items():
                started = time.perf_counter()
                assert send(session, 1) == requests.codes.unauthorized
                took[kind].append(time.perf_counter() - started)
    print(f"{REFUSALS} refusals of each kind, by what is right in the proof")
    for kind, seconds in took.items():
        quarter, half, three = statistics.quantiles(seconds, n=4)
        print(f"  {kind:<34}{milliseconds(half)} median{milliseconds(three - quarter)} between the quartiles")


def measure(name: str, database_url: str | None = None) -> None:
    """
    Bring an Airflow up and measure it.

    :param database_url: of its metadata database; default: SQLite.
    """
    print(f"{name}:")
    with TemporaryDirectory() as folder:
        home = AirflowHome(
            Path(folder) / "home", dags_folder=DAGS, api_port=free_port(), database_url=database_url
        )
        with Measured(home, Progress()) as measured:
            measured.add_connections()
            measured.wait_for("by_event", "by_command", "by_trigger")
            # Of a DAG that is switched off, no event counts and no command.
            measured.rest.unpause("by_event")
            measured.rest.unpause("by_command")
            for senders in (1, SENDERS):
                compared(measured, senders, is_sqlite=database_url is None)
            refusals(measured)


def main() -> None:
    """Measure both."""
    measure("SQLite")
    with PostgresServer(durable=True) as server:
        measure("PostgreSQL", server.url)


if __name__ == "__main__":
    main()
