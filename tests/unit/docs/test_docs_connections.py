"""The page about connections says what the form says, and the connections that pages show are read as they say."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook
from support import markdown
from support.airflow_features import PROVIDER_COMMANDS, needs
from unit.docs.test_docs_commands import airflow_arguments, that_begin

from airflow_channel_provider import connection_form
from airflow_channel_provider.benlly_connection import BenllyLogin, BenllySettings
from airflow_channel_provider.connections import ChannelTalkSettings, OpenApiSettings

PAGE = markdown.page("connections.md")


def exports(name: str) -> list[str]:
    """The values that the page's shell blocks export under a name, quoted as the shell reads them."""
    blocks = [block for block in markdown.blocks(PAGE) if block.language == "shell"]
    words = [word for block in blocks for word in shlex.split(block.text)]
    return [word.removeprefix(f"{name}=") for word in words if word.startswith(f"{name}=")]


SHOWN = [
    (path.stem, *word.removeprefix("AIRFLOW_CONN_").split("=", 1))
    for path in markdown.PAGES
    for block in markdown.blocks(path.read_text(encoding="utf-8"))
    if block.language == "shell"
    for word in shlex.split(block.text)
    if word.startswith("AIRFLOW_CONN_")
]


@pytest.mark.parametrize(("page", "name", "value"), SHOWN)
def test_each_connection_on_any_page_is_read(
    page: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name}", value)
    connection = BaseHook.get_connection(name.lower())
    kinds: dict[str, Any] = {
        "channel_talk": ChannelTalkSettings,
        "channel_talk_open_api": OpenApiSettings,
        "benlly": BenllySettings,
    }
    if connection.conn_type in kinds:
        assert kinds[connection.conn_type].from_connection(connection).conn_id == name.lower()
    else:
        assert connection.host, page


def check_channel_talk(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", value)
    settings = ChannelTalkSettings.from_connection(BaseHook.get_connection("channel_talk_default"))
    assert settings == ChannelTalkSettings(
        conn_id="channel_talk_default",
        base_url="https://app-store-api.channel.io",
        app_id="my-app-id",
        secret="c2VjcmV0LW9mLXRoZS1hcHA==",
        channel_id="12345",
        timeout_seconds=20.0,
    )


def test_channel_talk_connections_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    values = exports("AIRFLOW_CONN_CHANNEL_TALK_DEFAULT")
    assert len(values) == 2
    for value in values:
        check_channel_talk(value, monkeypatch)


@needs(*PROVIDER_COMMANDS)
def test_connection_that_a_command_adds_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = that_begin("airflow connections add ")
    given = airflow_arguments(line)
    fields = {name: getattr(given, f"conn_{name}") for name in ("type", "login", "password", "extra")}
    check_channel_talk(json.dumps({"conn_type": fields.pop("type"), **fields}), monkeypatch)


def test_open_api_connection_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    (value,) = exports("AIRFLOW_CONN_CHANNEL_TALK_OPEN_API_DEFAULT")
    monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_OPEN_API_DEFAULT", value)
    settings = OpenApiSettings.from_connection(BaseHook.get_connection("channel_talk_open_api_default"))
    assert settings == OpenApiSettings(
        conn_id="channel_talk_open_api_default",
        base_url="https://api.channel.io",
        access_key="5f1e0b7c9a",
        access_secret="b3Blbi1hcGktc2VjcmV0",
    )


def test_benlly_connections_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    values = exports("AIRFLOW_CONN_BENLLY_DEFAULT")
    assert len(values) == 2
    (login,) = exports("AIRFLOW_CONN_BENLLY_TABLET")
    monkeypatch.setenv("AIRFLOW_CONN_BENLLY_TABLET", login)
    tablet = BenllySettings.from_connection(BaseHook.get_connection("benlly_tablet"))
    assert tablet.login == BenllyLogin("7", "Y2xpZW50LXNlY3JldA==", "mina", "dXNlci1wYXNzd29yZA==")
    for value in values:
        monkeypatch.setenv("AIRFLOW_CONN_BENLLY_DEFAULT", value)
        settings = BenllySettings.from_connection(BaseHook.get_connection("benlly_default"))
        assert settings == BenllySettings(
            conn_id="benlly_default",
            base_url="https://benlly.example.com",
            access_token="dXNlci10b2tlbg==",
            device="android",
            udid="7f0abbcd-fb03-4484-aaba-a0211d9c14e2",
        )


@pytest.mark.parametrize(
    ("heading", "form"),
    [
        ("## Channel Talk", connection_form.CHANNEL_TALK_FORM),
        ("## Open API", connection_form.OPEN_API_FORM),
        ("## Benlly", connection_form.BENLLY_FORM),
    ],
)
def test_fields_are_those_of_the_form(heading: str, form: connection_form.ConnectionForm) -> None:
    labels = {"host": "Host", "port": "Port", **form.relabeling}
    standard = [name for name in ("host", "schema", "port", "login", "password") if name not in form.hidden]
    expected = [[f"`{name}`", labels[name]] for name in standard]
    expected += [[f"extra `{field.name}`", field.label] for field in form.fields]
    section = markdown.section(PAGE, heading)
    rows = markdown.tables(section)[0][1:]
    assert [row[:2] for row in rows] == expected
    said = {markdown.code(row[0]): row[2] for row in rows}
    for field in form.fields:
        assert field.required == said[field.name].startswith("required")
        assert set(field.choices) <= set(re.findall(r"`(\w+)`", said[field.name]))
    assert f"`{form.conn_type}`" in section
    assert f"`{form.conn_type}_default`" in section
