"""Addresses of files: what Airflow would make another one of is refused, and what leads nowhere is told."""

from __future__ import annotations

import json

import pytest

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.rendered import storage_path


@pytest.mark.parametrize(
    "address",
    [
        "/tmp/a.jsonl",
        "file:///tmp/a.jsonl",
        "/tmp/a?b#c",
        "/tmp/a b ",
        "/tmp/%41",
        "file:/tmp/a",
    ],
)
def test_a_file_has_the_name_of_its_address(address: str) -> None:
    assert storage_path("path", address).path.rpartition("/")[2] == address.rpartition("/")[2]


@pytest.mark.parametrize(
    "address", ["/tmp/a?", "/tmp/a#", "/tmp/a?#b", "/tmp/a\nb", "/tmp/a\tb", " /tmp/a", "file:///tmp/a?"]
)
def test_an_address_that_would_be_another_file_is_refused(address: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"^Airflow would drop a part of the address in path"):
        storage_path("path", address)


def test_a_folder_is_refused() -> None:
    with pytest.raises(ChannelConfigurationError, match=r"^dead_letter names a folder"):
        storage_path("dead_letter", "/data/folder/")


@pytest.mark.parametrize("rendered", ["", " ", "None", " None\n", "null", None])
def test_a_template_that_renders_to_nothing_is_no_path(rendered: object) -> None:
    for below in ("", "user_chats/2026-11-01"):
        with pytest.raises(
            ChannelConfigurationError, match=r"^path has no value: it is .* Correct the template"
        ):
            storage_path("path", rendered, below=below)


def test_what_is_below_a_folder_has_one_slash_before_it() -> None:
    for folder in ("/data/folder", "/data/folder/"):
        assert storage_path("path", folder, below="user_chats/x").path == "/data/folder/user_chats/x"


@pytest.mark.parametrize("address", ["nosuchthing://bucket/a", "//[x/a", "nosuchthing://c@b/a"])
def test_an_address_that_leads_nowhere_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_C", json.dumps({"conn_type": "generic"}))
    with pytest.raises(ChannelConfigurationError, match=r"^path is not the address"):
        storage_path("path", address)
