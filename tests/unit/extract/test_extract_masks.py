"""What is hidden, where, and that the key decides."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from support.chat_service import ChatService, messages_of

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.extract.masks import Mask
from airflow_channel_provider.extract.windows import Window

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


@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
def test_what_hides_the_ids_hides_them_in_the_names_of_a_part_and_in_what_is_done(
    files: Any, file_format: str
) -> None:
    how = {"file_format": file_format, "mask": ["id", "chatId"]}
    service = ChatService(size=10, positional=True)
    service.change(150)
    window = Window(0, service.tick())
    files.extract_until_killed("messages", window, service, requests=20, **how)
    states = [path.read_text() for path in files.of("messages", window).glob("_state-*.json")]
    done = b"".join(base64.b64decode(json.loads(state)["done"]) for state in states)
    assert done, "chats were done before"
    tried = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in service.chats]
    assert not [digest for digest in tried if digest in done], "who has no key can't try ids out"
    manifest = files.extract("messages", window, service, **how)
    said = [*states, json.dumps(manifest)]
    assert not [text for text in said if '"c-0' in text]
    assert manifest["rows"] == len(messages_of(service)), "what was done is not read again"
    assert {len(file[end]) for file in manifest["files"] for end in ("first_id", "last_id")} == {64}
