"""What is sent to others is sent until it is taken, in growing pauses, and no more after that."""

from __future__ import annotations

from typing import Any

import pytest
from support.app_endpoint import AppEndpoint
from support.webhook_receiver import WebhookReceiver

from airflow_channel_provider.emulator.app_calls import AppCall, Endpoint
from airflow_channel_provider.emulator.outbox import Outbox, OutboxEntry, Outcome, attempt, pause_seconds
from airflow_channel_provider.emulator.outgoing import OutgoingRequest

NOW = 1_700_000_000.0
KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
REQUEST = OutgoingRequest("POST", "http://127.0.0.1:1/hook?token=t0p", b"{}")
TAKEN, AWAY, BUSY, REFUSED = Outcome(200), Outcome(None, "away"), Outcome(503, "HTTP 503"), Outcome(401, "no")


def fill(outbox: Outbox, count: int = 1, target: str = "w") -> None:
    for _ in range(count):
        outbox.add("webhook", target, "userChat.opened", REQUEST, NOW)


def take(outbox: Outbox, now: float) -> OutboxEntry:
    entry = outbox.take(now)
    assert entry is not None
    return entry


def states(outbox: Outbox) -> list[str]:
    return [entry["state"] for entry in outbox.listing()]


def test_the_pauses_double_up_to_a_minute() -> None:
    assert [pause_seconds(n) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pause_seconds(10_000) == 60
    assert pause_seconds(2, 0.25) == 0.5


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        (TAKEN, False),
        (AWAY, True),
        (BUSY, True),
        (Outcome(429, "slow"), True),
        (REFUSED, False),
        (Outcome(301, "moved"), False),
    ],
)
def test_only_what_may_change_is_tried_again(outcome: Outcome, again: bool) -> None:
    assert outcome.is_to_be_repeated is again


def test_a_request_is_sent_until_it_is_taken() -> None:
    outbox = Outbox()
    fill(outbox)
    now = NOW
    for number, outcome in enumerate([AWAY, BUSY, BUSY], start=1):
        entry = take(outbox, now)
        assert outbox.take(now + 1_000) is None  # it is under way
        outbox.settle(entry, outcome, now)
        assert outbox.take(now + pause_seconds(number) - 0.01) is None
        now += pause_seconds(number)
    outbox.settle(take(outbox, now), TAKEN, now)
    assert outbox.take(now + 1_000) is None
    (listed,) = outbox.listing()
    assert (listed["state"], listed["attempts"], listed["http_status"], listed["error"]) == (
        "delivered",
        4,
        200,
        None,
    )
    assert (listed["made_at"], listed["ended_at"], listed["due_at"]) == (NOW, NOW + 7, None)
    assert listed["url"] == "http://127.0.0.1:1/hook"


def test_a_refusal_is_the_end() -> None:
    outbox = Outbox()
    fill(outbox)
    outbox.settle(take(outbox, NOW), REFUSED, NOW)
    assert outbox.take(NOW + 1_000) is None
    assert states(outbox) == ["refused"]


def test_a_webhook_is_blocked_after_so_many_failures_in_a_row() -> None:
    outbox = Outbox()
    outbox.blocks_after = 3
    fill(outbox, 4)
    fill(outbox, 1, "other")
    for outcome in (BUSY, REFUSED, TAKEN, BUSY):
        outbox.settle(take(outbox, NOW), outcome, NOW)
    assert outbox.blocked_at("w") is None
    for later in (1, 4):
        outbox.settle(take(outbox, NOW + later), AWAY, NOW + later)
    # The second one is the other webhook's: its failures are its own.
    outbox.settle(take(outbox, NOW + 4), BUSY, NOW + 4)
    outbox.settle(take(outbox, NOW + 4 + 4), BUSY, NOW + 8)
    assert outbox.blocked_at("w") is not None
    assert outbox.blocked_at("other") is None
    fill(outbox)
    assert set(states(outbox)[:1] + states(outbox)[-1:]) == {"blocked"}
    outbox.unblock("w")
    fill(outbox)
    assert states(outbox)[-1] == "waiting"


def test_it_may_be_set_to_block_nobody() -> None:
    outbox = Outbox()
    outbox.blocks_after = None
    fill(outbox)
    now = NOW
    for _ in range(300):
        outbox.settle(take(outbox, now), AWAY, now)
        now += 60
    assert (states(outbox), outbox.blocked_at("w")) == (["waiting"], None)


def test_what_is_forgotten_comes_to_nothing() -> None:
    outbox = Outbox()
    fill(outbox)
    entry = take(outbox, NOW)
    outbox.clear()
    outbox.settle(entry, AWAY, NOW)
    assert outbox.listing() == []
    assert outbox.take(NOW + 1_000) is None


def test_what_waits_is_kept_and_what_has_ended_falls_off() -> None:
    outbox = Outbox(kept=2)
    fill(outbox, 3)
    assert len(outbox.listing()) == 3
    outbox.settle(take(outbox, NOW), TAKEN, NOW)
    fill(outbox, 1)
    assert [entry["n"] for entry in outbox.listing()] == [2, 3, 4]
    assert [entry["n"] for entry in outbox.listing(3)] == [4]


def entry_to(kind: str, request: OutgoingRequest) -> OutboxEntry:
    return OutboxEntry(1, kind, "w", "hooks.receive", request, NOW, NOW)


@pytest.mark.parametrize(
    ("status", "error"), [(200, None), (204, None), (301, "HTTP 301"), (401, "HTTP 401"), (503, "HTTP 503")]
)
def test_any_200_takes_a_webhook(status: int, error: str | None) -> None:
    with WebhookReceiver() as receiver:
        receiver.statuses = [status]
        outcome = attempt(entry_to("webhook", OutgoingRequest("POST", receiver.url, b'{"a":1}')))
    assert outcome == Outcome(status, error)
    assert receiver.received[0].body == {"a": 1}


def test_a_receiver_that_drops_or_is_gone_has_not_taken_it() -> None:
    with WebhookReceiver() as receiver:
        receiver.statuses = [None]
        request = OutgoingRequest("POST", receiver.url, b"{}")
        dropped = attempt(entry_to("webhook", request))
    assert dropped == Outcome(None, "not reached: RemoteDisconnected")
    assert attempt(entry_to("webhook", request)) == Outcome(None, "not reached: ConnectionRefusedError")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((200, b'{"result": {}}'), Outcome(200)),
        (
            (200, b'{"error": {"message": "no"}}'),
            Outcome(200, "hooks.receive was refused: no"),
        ),
        ((503, b""), Outcome(503, "hooks.receive was answered with HTTP 503")),
    ],
)
def test_a_hook_is_taken_by_a_result(answer: Any, outcome: Outcome) -> None:
    with AppEndpoint(KEY) as app:
        app.raw_answer = answer
        request = AppCall("app", Endpoint.build(app.url, KEY), "hooks.receive").request()
        assert attempt(entry_to("hook", request)) == outcome
