from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_channel_provider.exceptions import ChannelPermissionError
from airflow_channel_provider.tokens import errors, validation
from airflow_channel_provider.tokens.budget import Quota
from airflow_channel_provider.tokens.record import KEPT_FAILURES, KEPT_TOKENS, AppRecord, Failure, TokenFacts
from airflow_channel_provider.tokens.seal import Sealer, is_blob_name
from airflow_channel_provider.tokens.stores import document as document_format
from airflow_channel_provider.tokens.types import Token

pytestmark = pytest.mark.promise(name="plausible")

HUGE: list[Any] = [1e300, -1e300, math.nan, math.inf, 10**400, -(10**400), 32_503_680_001]
NO_NUMBERS: list[Any] = [None, True, "1", [], {}]
DOCUMENT_FORMAT = "airflow_channel_provider.tokens.stores.document"


@pytest.mark.parametrize("value", [*HUGE, *NO_NUMBERS])
def test_what_no_clock_shows_is_no_time(value: Any) -> None:
    assert not validation.is_time(value)
    with pytest.raises((ValueError, TypeError)):
        validation.check_times([1.0, value])


@pytest.mark.parametrize("value", [-1, 1.0, 1_000_001, 10**400, *NO_NUMBERS])
def test_what_nobody_has_counted_is_no_count(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        validation.check_counts([1, value])


def test_counting_comes_to_an_end() -> None:
    assert validation.increment(1) == 2
    assert validation.increment(1_000_000) == 1_000_000
    validation.check_counts([validation.increment(1_000_000)])


@pytest.mark.parametrize("value", ["\ud800", "\x00", "a\nb", None, 1, b"name"])
def test_what_cannot_be_printed_is_no_name(value: Any) -> None:
    assert not validation.is_name(value, 100)
    assert not validation.is_name("x" * 101, 100)
    with pytest.raises((ValueError, TypeError)):
        validation.check_names(["app", value])


@given(st.text(st.characters(), max_size=300))
def test_what_is_shown_can_be_written_anywhere_and_is_short(text: str) -> None:
    shown = validation.repaired(text, 100)
    assert len(shown) <= 100
    assert shown.encode().decode() == shown
    assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in shown)
    assert validation.repaired(shown, 100) == shown


def test_a_refusal_is_remembered_short_and_without_control_characters() -> None:
    error = ChannelPermissionError(
        "no\x1b[31m\r\n" + "x" * 5000,
        method="issueToken",
        http_status=403,
        code="E\x00",
        service_message="half \ud83d of a face",
    )
    document = errors.as_json(error)
    assert document["message"] == "no [31m " + "x" * 491 + "…"
    assert document["service_message"] == "half ? of a face"
    again = errors.as_error(json.loads(json.dumps(document)), "It is remembered.")
    assert (type(again), again.http_status, again.code) == (ChannelPermissionError, 403, "E ")
    assert again.message == f"{document['message']} It is remembered."


def test_an_older_refusal_is_put_right_when_it_is_read() -> None:
    error = {
        "class": ["x"],
        "message": "a\nb",
        "http_status": "403",
        "code": 10**400,
        "method": 5,
        "more": {},
    }
    state = AppRecord(failures={"app|m": Failure(1, 10.0, error)}).to_json()
    record = AppRecord.from_json(json.loads(json.dumps(state)))
    assert record is not None
    read = record.failures["app|m"].error
    assert read is not None
    raised = errors.as_error(read, "")
    assert (raised.message, raised.http_status, raised.code, raised.method) == ("a b", None, None, None)


def test_a_name_is_put_right_and_a_history_cut() -> None:
    state = AppRecord().to_json()
    state["name"] = {"app_id": "a\x07\ud800", "base_url": 7, "connections": ["c\n", 1], "unlimited": "yes"}
    state["history"] = [["id"]] * 20_000 + [5]
    record = AppRecord.from_json(state)
    assert record is not None
    assert (record.name.app_id, record.name.base_url, record.name.unlimited) == ("a ?", "", False)
    assert record.name.connections == ("c ", "")
    assert len(record.history) == 499


def test_more_than_a_record_may_hold_is_none_of_ours() -> None:
    facts = {"fingerprint": "f", "issued_at": 1.0, "expires_at": 2.0}
    charge = {"id": "c", "at": 1.0, "scope": "app", "kind": "issue"}
    for change in (
        {"tokens": {f"channel:{n}": facts for n in range(10_001)}},
        {"ledger": {"charges": [charge] * 10_001, "blocked_until": 0.0, "refusals": 0}},
    ):
        assert AppRecord.from_json({**AppRecord().to_json(), **change}) is None


def test_no_more_is_written_than_can_be_read() -> None:
    long = {"class": "ChannelPermissionError", "message": "한" * 500, "service_message": "한" * 500}
    record = AppRecord(
        tokens={f"channel:{n:0400}": TokenFacts("f" * 16, n, n + 1800.0) for n in range(6_000)},
        failures={f"channel:{n:0400}|{'m' * 16}": Failure(1, float(n), long) for n in range(2_000)},
    ).forgetting(5_000.0)
    assert (len(record.tokens), len(record.failures)) == (KEPT_TOKENS, KEPT_FAILURES)
    assert "channel:" + f"{5_999:0400}" in record.tokens
    content = document_format.pack(record.to_json(), 5_000.0)
    assert len(content) < validation.MOST_BYTES
    assert document_format.read(content, clock=5_000.0).state is not None


@pytest.mark.parametrize("blob", ["../../etc/x", "a" * 31, "A" * 32, "a" * 32 + "\n", 5, None])
def test_the_name_of_a_blob_names_nothing_else(blob: Any) -> None:
    assert not is_blob_name(blob)
    assert is_blob_name(Sealer("app", "secret").blob_name("app"))


@pytest.mark.parametrize(
    "plain",
    [
        "7",
        "{}",
        "[]",
        '["a", "r", 1, 2, 3]',
        '["a", "r", 1, 1e300]',
        '["a", "r", NaN, 2]',
        '["a", "r", "1", 2]',
        '["a", "r", 2, 1]',
        '["a\\n", "r", 1, 2]',
        '["", "r", 1, 2]',
        '["a", null, 1, 2]',
        '["a", "\\ud800", 1, 2]',
        '["a", "r", 1, ' + "9" * 5000 + "]",
        "[" * 5000,
    ],
    ids=range(14),
)
def test_a_sealed_token_with_anything_else_in_it_is_none(plain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sealer = Sealer("app", "secret")
    monkeypatch.setattr("airflow_channel_provider.tokens.seal.json.dumps", lambda value: plain)
    blob = sealer.seal(Token("a", "r", 1.0, 2.0, "app"))
    monkeypatch.undo()
    assert sealer.open(blob, "app") is None
    assert sealer.open(sealer.seal(Token("a", "", 1.0, 2.0, "app")), "app") is not None


def packed(**clock: Any) -> str:
    return json.dumps({"format": document_format.FORMAT, "clock": clock, "state": {"n": 1}})


@pytest.mark.parametrize(
    ("saved_at", "now", "lost"),
    [(900.0, 1000.0, False), (1600.0, 1600.0, False), (1600.1, 1000.0, True), (-5.0, 1000.0, False)],
)
def test_a_clock_of_the_store_waits_for_what_was_written_a_little_ahead(
    saved_at: float, now: float, lost: bool
) -> None:
    found = document_format.read(packed(now=saved_at, boot=None, steady=0.0), clock=1000.0)
    assert (found.now, found.lost, found.state) == (now, lost, {"n": 1})


@pytest.mark.parametrize("value", HUGE + NO_NUMBERS)
@pytest.mark.parametrize("which", ["now", "steady"])
def test_a_clock_that_none_can_show_is_lost(which: str, value: Any) -> None:
    clock = {"now": 900.0, "boot": None, "steady": 0.0, which: value}
    for looked_at in (None, 5.0):
        found = document_format.read(packed(**clock), clock=1000.0, looked_at=looked_at)
        assert (found.state, found.now, found.lost) == (None, 1000.0, True)


@pytest.mark.parametrize(
    ("boot", "steady", "passed", "lost"),
    [
        ("this", 40.0, 10.0, False),
        ("this", 60.0, 0.0, False),
        ("this", 651.0, None, True),
        ("this", -1.0, None, True),
        ("another", 651.0, 0.0, False),
    ],
)
def test_the_hosts_own_clock_is_carried_on_by_its_boot(
    boot: str, steady: float, passed: float | None, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{DOCUMENT_FORMAT}.boot_id", lambda: "this")
    wall = time.time()
    found = document_format.read(packed(now=wall + 300, boot=boot, steady=steady), looked_at=50.0)
    assert found.lost is lost
    if passed is not None:
        assert found.now == pytest.approx(wall + 300 + passed, abs=1e-3)
    else:
        assert found.now == pytest.approx(wall, abs=60)


def test_a_year_ahead_on_this_boot_goes_on_and_on_another_one_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"{DOCUMENT_FORMAT}.boot_id", lambda: "this")
    ahead = time.time() + 365 * 86_400.0
    assert document_format.read(packed(now=ahead, boot="this", steady=1.0), looked_at=2.0).now == ahead + 1.0
    found = document_format.read(packed(now=ahead, boot="another", steady=1.0), looked_at=2.0)
    assert (found.lost, found.state) == (True, {"n": 1})


def test_a_document_larger_than_any_of_ours_is_not_even_looked_into() -> None:
    found = document_format.read(
        " " * validation.MOST_BYTES + packed(now=1.0, boot=None, steady=0.0), clock=5.0
    )
    assert (found.state, found.lost) == (None, True)


def test_a_record_fits_what_the_policy_may_write_and_no_more() -> None:
    now, quota = 10_000.0, Quota()
    lease = {"leases": {"app": lease_until(now + 600)}}
    record = AppRecord.from_json({**AppRecord().to_json(), **lease})
    assert record is not None
    assert record.fits(now, quota)
    assert not record.fits(now - 1, quota)
    paused = AppRecord()._replace(outage=Failure(1, now + 4200))
    assert paused.fits(now, quota)
    assert not paused.fits(now - 1, quota)
    day = paused._replace(outage=None, ledger=paused.ledger._replace(blocked_until=now + 86_400.0))
    assert not day.fits(now, quota)
    assert day.fits(now, Quota(window_seconds=86_400.0))


def lease_until(until: float) -> dict[str, Any]:
    return {"owner": "o", "host": "h", "until": until}
