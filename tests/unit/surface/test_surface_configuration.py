from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_channel_provider import configuration
from airflow_channel_provider.exceptions import ChannelConfigurationError


@pytest.mark.parametrize(
    ("getter", "expected"),
    [
        (configuration.max_wait_seconds, 60.0),
        (configuration.call_attempts, 5),
        (configuration.token_quota, 10),
        (configuration.token_quota_window_seconds, 1800.0),
        (configuration.call_wait_max_seconds, 30.0),
        (configuration.timeout_seconds, 30.0),
        (configuration.connect_timeout_seconds, 5.0),
        (configuration.contract, "strict"),
    ],
)
def test_default_of_an_option(getter: Callable[[], object], expected: object) -> None:
    assert getter() == expected


@pytest.mark.parametrize(
    ("name", "text", "getter", "expected"),
    [
        ("MAX_WAIT_SECONDS", "0", configuration.max_wait_seconds, 0.0),
        ("MAX_WAIT_SECONDS", "", configuration.max_wait_seconds, 60.0),
        ("CALL_ATTEMPTS", "1", configuration.call_attempts, 1),
        ("CALL_WAIT_MAX_SECONDS", "2.5", configuration.call_wait_max_seconds, 2.5),
        ("CONTRACT", "", configuration.contract, "strict"),
        ("CONTRACT", " Off ", configuration.contract, "off"),
    ],
)
def test_option_is_read_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, getter: Callable[[], object], expected: object
) -> None:
    monkeypatch.setenv(f"AIRFLOW__CHANNEL_TALK__{name}", text)
    assert getter() == expected


@pytest.mark.parametrize(
    ("name", "text", "getter"),
    [
        ("MAX_WAIT_SECONDS", "-1", configuration.max_wait_seconds),
        ("MAX_WAIT_SECONDS", "inf", configuration.max_wait_seconds),
        ("MAX_WAIT_SECONDS", "a minute", configuration.max_wait_seconds),
        ("CALL_ATTEMPTS", "0", configuration.call_attempts),
        ("CALL_ATTEMPTS", "2.5", configuration.call_attempts),
        ("TIMEOUT_SECONDS", "0", configuration.timeout_seconds),
        ("CONTRACT", "lenient", configuration.contract),
    ],
)
def test_invalid_option_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, getter: Callable[[], object]
) -> None:
    monkeypatch.setenv(f"AIRFLOW__CHANNEL_TALK__{name}", text)
    with pytest.raises(ChannelConfigurationError) as caught:
        getter()
    assert f"[channel_talk] {name.lower()}" in str(caught.value)
    assert f"AIRFLOW__CHANNEL_TALK__{name}" in str(caught.value)


@pytest.mark.parametrize("unset", [None, "", "  "])
def test_store_is_a_directory_under_airflow_home_by_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unset: str | None
) -> None:
    home = tmp_path / "air flow"
    monkeypatch.setenv("AIRFLOW_HOME", str(home))
    if unset is not None:
        monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", unset)
    assert configuration.store() == (home / "channel_talk").as_uri()


def test_store_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", "memory://")
    assert configuration.store() == "memory://"


def test_each_option_has_a_getter_and_says_its_unit() -> None:
    getters = {name for name, _ in inspect.getmembers(configuration, inspect.isfunction)}
    for option in configuration.OPTIONS:
        assert option.name in getters
        assert not option.name.endswith("_seconds") or "seconds" in option.description
