from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.tokens.budget import Charge, Ledger, Quota
from airflow_channel_provider.tokens.record import FORMAT, AppRecord, Failure, Lease, TokenFacts

FULL = AppRecord(
    ledger=Ledger((Charge("c1", 10.0, "app", "issue"),), blocked_until=20.0, refusals=2),
    leases={"app": Lease("owner", "host", 30.0)},
    tokens={"channel:1": TokenFacts("fp", 5.0, 1805.0, replacements=1, refresh_refusals=2)},
    failures={
        "app|mark": Failure(2, 60.0, {"class": "ChannelAuthenticationError", "message": "no"}, "mark", True),
        "channel:2|mark": Failure(
            1, 80.0, {"class": "ChannelPermissionError"}, "mark", at=75.0, of_scope=True
        ),
    },
    outage=Failure(3, 70.0),
)


def test_a_record_survives_json() -> None:
    assert AppRecord.from_json(json.loads(json.dumps(FULL.to_json()))) == FULL


@pytest.mark.parametrize(
    "change",
    [
        {"format": FORMAT + 1},
        {"format": None},
        {"ledger": None},
        {"ledger": {"charges": [{}], "blocked_until": 0, "refusals": 0}},
        {"ledger": {"charges": [], "blocked_until": "soon", "refusals": 0}},
        {"leases": {"app": {"who": "knows"}}},
        {"tokens": []},
        {"failures": {"app": 7}},
        {"outage": "yes"},
        {"outage": {"count": 1, "until": float("inf")}},
        {"leases": {"app": {"owner": "o", "host": "h", "until": "soon"}}},
        {"tokens": {"app": {"fingerprint": "f", "issued_at": None, "expires_at": 1.0}}},
        {"tokens": {"app": {"fingerprint": "f", "issued_at": 1.0, "expires_at": float("nan")}}},
        {"ledger": {"charges": [], "blocked_until": float("inf"), "refusals": 0}},
        {"ledger": {"charges": [], "blocked_until": 0, "refusals": float("inf")}},
    ],
)
def test_a_document_of_another_format_or_shape_is_no_document(change: dict[str, Any]) -> None:
    assert AppRecord.from_json({**FULL.to_json(), **change}) is None


@pytest.mark.fuzz
@cases(100)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_json_whatever_makes_reading_crash(value: Any) -> None:
    document = value if isinstance(value, dict) else {"format": FORMAT, "ledger": value}
    assert AppRecord.from_json(document) is None


def test_scopes_in_use_are_those_with_a_live_token_or_a_charge_in_the_window() -> None:
    assert FULL.scopes_in_use(100.0, Quota()) == 2
    assert FULL.scopes_in_use(1810.0, Quota()) == 1
    assert FULL.scopes_in_use(1900.0, Quota()) == 0


def test_only_the_owner_gives_a_lease_back() -> None:
    assert FULL.without_lease("app", "somebody else").leases == FULL.leases
    assert FULL.without_lease("app", "owner").leases == {}


def test_a_new_token_ends_failures_of_its_scope_and_the_outage() -> None:
    record = FULL.with_token("app", TokenFacts("new", 100.0, 1900.0), "mark")
    assert record.failures == {"channel:2|mark": FULL.failures["channel:2|mark"]}
    assert record.outage is None
    assert set(record.tokens) == {"app", "channel:1"}


def test_the_record_does_not_grow_for_ever() -> None:
    assert FULL.forgetting(29.0).leases == FULL.leases
    later = FULL.forgetting(1805.0 + 86_400.0)
    assert (later.leases, later.tokens, later.failures) == ({}, {}, {})


def test_what_a_later_release_adds_is_passed_over() -> None:
    document = FULL.to_json()
    for part in (
        document["tokens"]["channel:1"],
        document["failures"]["app|mark"],
        document["leases"]["app"],
    ):
        part["news"] = 1
    document["news"] = {}
    assert AppRecord.from_json(document) == FULL
