from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_channel_provider.emulator import DEMO_SECRET, __main__
from airflow_channel_provider.emulator.clock import Clock
from airflow_channel_provider.emulator.jsontypes import dump, load
from airflow_channel_provider.emulator.settings import Settings


def test_the_defaults_are_the_published_limits() -> None:
    settings = Settings.from_mapping({})
    assert (settings.quota_limit, settings.quota_window_seconds, settings.token_life_seconds) == (
        10,
        1800,
        1800,
    )
    assert (settings.quota_anchor, settings.quota_counts_refused) == ("first", False)
    assert (settings.answer_shape, settings.dialect, settings.error_shape) == ("live", "protobuf", "legacy")
    assert (settings.rate_limit, settings.proxied_errors, settings.latency_seconds) == (None, True, 0)
    assert [app["app_id"] for app in settings.apps] == ["demo-app"]
    assert [channel["id"] for channel in settings.channels] == ["ch-1", "ch-2", "ch-3"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"quota": 1}, "no setting 'quota'; there are answer_shape, apps"),
        ({"quota_anchor": "x"}, "quota_anchor must be one of first, clock"),
        ({"contract": "mild"}, "contract must be one of strict, lenient"),
        ({"dialect": "latin"}, "dialect must be one of protobuf, plain"),
        ({"error_shape": "x"}, "error_shape must be one of legacy, common_code"),
        ({"answer_shape": None}, "answer_shape must be one of seed, live, live_empty_error"),
        ({"quota_limit": 1.5}, "quota_limit must be a whole number"),
        ({"quota_limit": None}, "quota_limit must be a whole number"),
        ({"rate_limit": -1}, "rate_limit must be a whole number"),
        ({"quota_window_seconds": 0}, "quota_window_seconds must be a number above 0"),
        ({"token_life_seconds": float("inf")}, "token_life_seconds must be a number above 0"),
        ({"latency_seconds": -0.1}, "latency_seconds must be a number from 0"),
        ({"user_chats_close_after_seconds": -1}, "user_chats_close_after_seconds must be a number from 0"),
        ({"latency_seconds": True}, "latency_seconds must be a number from 0"),
        ({"quota_counts_refused": 1}, "quota_counts_refused must be true or false"),
        ({"token_prefix": None}, "token_prefix must be a string"),
        ({"apps": {}}, "apps must be a list of objects"),
        ({"apps": [{"secret": "x"}]}, "each of apps needs its own app_id"),
        ({"channels": [{"id": "a"}, {"id": "a"}]}, "each of channels needs its own id"),
        ({"benlly": []}, "benlly must be an object"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings.from_mapping(values)


@pytest.mark.parametrize(
    ("arguments", "contract", "dialect"),
    [
        ([], "strict", "protobuf"),
        (["--contract", "lenient"], "lenient", "protobuf"),
        (["--dialect", "plain"], "strict", "plain"),
        (["--settings", "{file}"], "lenient", "plain"),
        (["--settings", "{file}", "--contract", "strict"], "strict", "plain"),
        (["--settings", "{file}", "--dialect", "protobuf"], "lenient", "protobuf"),
    ],
)
def test_contract_and_dialect_are_set_on_the_command_line(
    tmp_path: Path, arguments: list[str], contract: str, dialect: str
) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"contract": "lenient", "dialect": "plain"}')
    given = __main__._parser().parse_args([argument.format(file=file) for argument in arguments])
    settings = __main__._read_settings(given)
    assert (settings.contract, settings.dialect) == (contract, dialect)


def test_what_people_see_holds_no_secret() -> None:
    shown = Settings.from_mapping({"token_prefix": "canary"}).public()
    assert DEMO_SECRET not in json.dumps(shown)
    assert "canary" not in json.dumps(shown)
    assert shown["quota_limit"] == 10


def test_the_clock_runs_on_from_where_it_was_advanced_to() -> None:
    times = iter([100.0, 101.0])
    clock = Clock(lambda: next(times))
    assert clock.now() == 100
    clock.advance(1800)
    assert clock.now() == 1901


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_the_clock_never_runs_back(seconds: float) -> None:
    with pytest.raises(ValueError, match="never runs back"):
        Clock().advance(seconds)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"NaN", b"[1,Infinity]", b"1e999", b"[-2E400]", b"\xff", b"[" * 100_000]
)
def test_json_is_read_strictly(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|decode|nested|too large"):
        load(text)


def test_json_is_written_compact_as_utf8_whatever_it_holds() -> None:
    assert dump({"a": ["한", "\ud800"]}) == '{"a":["한","?"]}'.encode()
