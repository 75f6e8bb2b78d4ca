from __future__ import annotations

from typing import Any

import pytest

from airflow_channel_provider.emulator.journal import Journal, redact


def entry(**more: Any) -> dict[str, Any]:
    return {"at": 0.0, "outcome": "ok", "scope": None, "app_id": None, **more}


def token_entry(at: float, app_id: str | None = "a", *, refused: bool = False) -> dict[str, Any]:
    counted = {"kind": "issue", "counted": not refused, "refused_by_quota": refused}
    return entry(at=at, app_id=app_id, scope="app", **counted)


@pytest.mark.parametrize(
    "key",
    [
        "secret",
        "refreshToken",
        "refresh_token",
        "accessToken",
        "token",
        "device_token",
        "deviceToken",
        "password",
        "client_secret",
        "x-access-token",
        "Authorization",
        "userToken",
        "memberHash",
        "SECRET",
    ],
)
def test_every_spelling_of_a_secret_is_blotted_out(key: str) -> None:
    assert redact({"outer": [{key: "canary", "plain": "kept"}]}) == {"outer": [{key: "***", "plain": "kept"}]}


def test_an_absent_secret_is_seen_to_be_absent() -> None:
    assert redact({"secret": "", "token": None}) == {"secret": "", "token": None}


def test_a_secret_that_is_an_object_is_blotted_out_as_a_whole() -> None:
    assert redact({"credentials": {"key": "canary"}}) == {"credentials": "***"}


def test_redaction_leaves_the_original_alone_and_bounds_what_is_kept() -> None:
    deep: Any = "bottom"
    for _ in range(100):
        deep = {"down": deep}
    given = {"secret": "s", "text": "x" * 5000, "list": list(range(500)), "deep": deep}
    kept = redact(given)
    assert given["secret"] == "s"
    assert kept["text"] == "x" * 4000 + "… (5000 characters)"
    assert kept["list"] == list(range(200))
    assert "bottom" not in str(kept)


@pytest.mark.parametrize(
    ("since", "limit", "numbers"),
    [
        (0, None, [3, 4, 5]),
        (3, None, [4, 5]),
        (5, None, []),
        (99, None, []),
        (0, 2, [3, 4]),
        (-4, None, [3, 4, 5]),
    ],
)
def test_numbers_go_on_when_old_entries_fall_off(since: int, limit: int | None, numbers: list[int]) -> None:
    journal = Journal(kept=3)
    for _ in range(5):
        journal.add(entry())
    assert [e["n"] for e in journal.since(since, limit)] == numbers
    assert journal.calls == 5


def test_token_requests_are_counted_by_scope_and_the_rest_is_not_one() -> None:
    journal = Journal()
    journal.add(entry())
    journal.add(token_entry(1))
    journal.add({**token_entry(2, refused=True), "scope": "channel:ch-1", "outcome": "refused"})
    journal.add({**token_entry(3), "scope": None})
    assert journal.by_scope == {"app": 1, "channel:ch-1": 1, "unknown": 1}
    assert (journal.token_request_count(), journal.quota_refusals) == (3, 1)
    assert [e["n"] for e in journal.token_requests()] == [2, 3, 4]
    assert [e["n"] for e in journal.errors()] == [3]


def test_the_most_in_any_window_is_per_app() -> None:
    journal = Journal()
    for n in range(6):
        journal.add(token_entry(n, "a"))
        journal.add(token_entry(n, "b"))
    assert journal.most_token_requests(1800) == 6
    assert journal.most_token_requests(2) == 2
    assert Journal().most_token_requests(1800) == 0
