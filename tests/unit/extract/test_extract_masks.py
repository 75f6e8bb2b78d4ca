"""What is hidden, where, and that the key decides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.extract.masks import Mask

USER: dict[str, Any] = {
    "id": "u-1",
    "email": "mina@example.com",
    "name": None,
    "latitude": 37.5,
    "profile": {"email": "mina@example.com", "plan": "pro", "phones": [{"number": "1"}, {"number": "2"}]},
}


def hidden(*names: str, secret: str = "secret-1") -> dict[str, Any]:
    row = json.loads(json.dumps(USER))
    Mask(names, secret).apply([row])
    return dict(row)


def test_a_name_hides_the_field_at_any_depth() -> None:
    row = hidden("email", "latitude", "name")
    assert "mina" not in json.dumps(row)
    assert row["email"] == row["profile"]["email"]
    assert len(row["email"]) == 64
    assert isinstance(row["latitude"], str)
    assert row["name"] is None, "nothing has no hash"
    assert (row["id"], row["profile"]["plan"]) == ("u-1", "pro")


def test_a_place_hides_the_field_there_alone() -> None:
    row = hidden("profile.phones.number", "profile.absent", "profile.plan.deeper")
    assert row["email"] == "mina@example.com"
    assert row["profile"]["plan"] == "pro"
    numbers = [phone["number"] for phone in row["profile"]["phones"]]
    assert len(set(numbers)) == 2
    assert {len(number) for number in numbers} == {64}


def test_a_field_that_holds_others_is_hidden_whole() -> None:
    assert len(hidden("profile")["profile"]) == 64


def test_the_key_decides_and_its_fingerprint_gives_nothing_away() -> None:
    assert hidden("email")["email"] == hidden("email")["email"] != hidden("email", secret="other")["email"]
    prints = {Mask(names, key).fingerprint for names in (["email"], ["name"]) for key in ("a", "b")}
    assert len(prints) == 4


def test_a_misspelt_name_is_an_error_and_not_a_leak() -> None:
    with pytest.raises(ChannelConfigurationError, match="'e_mail'"):
        Mask(["e_mail"], "secret")
