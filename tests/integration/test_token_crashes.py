"""``kill -9`` of the process that renews, at every step: no charge is lost, nobody waits for the dead, ten stay ten."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from support import backends
from support.backends import Backend, die
from support.fleet import fork, together

from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.emulator.control import EmulatorControl
from airflow_channel_provider.exceptions import ChannelTokenQuotaError
from airflow_channel_provider.tokens import policy
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.stores import document as document_format

pytestmark = [pytest.mark.any_airflow, pytest.mark.crowd]

LATENCY_SECONDS = 0.15
LAST_MOMENT_SECONDS = 0.2
"""How long the one that leads goes on before it dies: the others come and wait."""
LEASE_SECONDS = 3.0
"""Where a store does not see a death; far longer than a request here takes on a busy machine."""
ENDLESS_LEASE_SECONDS = 300.0
"""Where a store sees a death; a process that waited for the lease would give up first, with an error."""


def die_writing_the_charge(task: TokenManager) -> None:
    document_format.pack = die


def die_charged(task: TokenManager) -> None:
    task.context.exchange.issue = die  # type: ignore[method-assign]


def die_sent(task: TokenManager) -> None:
    url = task.context.exchange._client._transport.base_url  # type: ignore[attr-defined]
    service, port = EmulatorControl(url), urlsplit(url).port
    answer = urllib3.connection.HTTPConnection.getresponse

    def die_when_counted(connection: Any, *args: Any, **options: Any) -> Any:
        if connection.port != port:
            return answer(connection, *args, **options)  # of the store
        while not service.stats()["token_requests"]:
            time.sleep(0.005)
        return die()

    urllib3.connection.HTTPConnection.getresponse = die_when_counted  # type: ignore[method-assign, assignment]


def die_answered(task: TokenManager) -> None:
    task.repository.write_token = die  # type: ignore[method-assign]


def die_stored(task: TokenManager) -> None:
    write = task.repository.write_token

    def write_and_die(token: Any) -> None:
        write(token)
        die()

    task.repository.write_token = write_and_die  # type: ignore[method-assign]


def die_half_written(task: TokenManager) -> None:
    """Each store has its own way of being interrupted; see :meth:`.Backend.die_half_written`."""


STEPS: list[tuple[Callable[[TokenManager], None], int, int]] = [
    # step, charges that must be in the ledger in the end, requests that the service may have counted
    (die_writing_the_charge, 1, 1),
    (die_charged, 2, 1),
    (die_sent, 2, 2),
    (die_answered, 2, 2),
    (die_half_written, 2, 2),
    (die_stored, 1, 1),
]


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorProcess]:
    with EmulatorProcess({"token_latency_seconds": LATENCY_SECONDS}) as emulator:
        yield emulator


@pytest.fixture
def service(running: EmulatorProcess) -> EmulatorProcess:
    running.reset()
    return running


@pytest.mark.parametrize(
    ("step", "charges", "counted"), STEPS, ids=lambda value: getattr(value, "__name__", None)
)
def test_followers_go_on_when_the_leader_is_killed(
    step: Callable[[TokenManager], None],
    charges: int,
    counted: int,
    service: EmulatorProcess,
    crowded: Backend,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lease_seconds = ENDLESS_LEASE_SECONDS if crowded.sees_death else LEASE_SECONDS
    monkeypatch.setattr(policy, "LEASE_SECONDS", lease_seconds)

    def lead() -> None:
        task = crowded.manager(service.url)
        step(task)
        if step is die_half_written:
            crowded.die_half_written(task)
        task.get()

    leads = multiprocessing.Event()

    def last_moment() -> None:
        leads.set()
        time.sleep(LAST_MOMENT_SECONDS)

    monkeypatch.setattr(backends, "last_moment", last_moment)
    leader = fork(lead)
    assert leads.wait(60)
    outcome = together(4, lambda i: crowded.manager(service.url).get().fingerprint)
    leader.join()
    assert leader.status == signal.SIGKILL

    assert outcome.errors() == []
    assert len(set(outcome.results)) == 1
    assert service.stats()["token_requests"] == counted
    used = crowded.manager(service.url).status().charges_used
    assert used == charges
    assert used >= counted


@pytest.mark.promise(name="quota")
def test_when_every_leader_dies_the_quota_still_holds(
    service: EmulatorProcess, crowded: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not crowded.sees_death:
        monkeypatch.setattr(policy, "LEASE_SECONDS", 0.5)

    def lead(index: int) -> None:
        task = crowded.manager(service.url)
        die_answered(task)
        task.get()

    outcome = together(15, lead)
    died = [result for result in outcome.results if result is None]
    assert len(died) == 10
    assert {type(error) for error in outcome.errors()} == {ChannelTokenQuotaError}
    assert service.stats()["token_requests"] == 10
    assert service.stats()["quota_refusals"] == 0


def test_others_go_on_while_the_leader_is_stopped(
    service: EmulatorProcess, crowded: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of 1 s, a clock of whole seconds may leave nothing.
    monkeypatch.setattr("airflow_channel_provider.tokens.policy.LEASE_SECONDS", 3.0)

    leads = multiprocessing.Event()

    def lead() -> str:
        task = crowded.manager(service.url)
        issue = task.context.exchange.issue

        def stopped(channel_id: str | None) -> Any:
            leads.set()
            os.kill(os.getpid(), signal.SIGSTOP)
            return issue(channel_id)

        task.context.exchange.issue = stopped  # type: ignore[method-assign]
        return task.get().fingerprint

    leader = fork(lead)
    assert leads.wait(60)
    outcome = together(4, lambda i: crowded.manager(service.url).get().fingerprint)
    assert outcome.errors() == []
    os.kill(leader.pid, signal.SIGCONT)
    assert isinstance(leader.join(), str)
    assert crowded.manager(service.url).status().charges_used == service.stats()["token_requests"] == 2
