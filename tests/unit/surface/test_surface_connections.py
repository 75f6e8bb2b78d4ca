from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_channel_provider.benlly_connection import BenllyLogin, BenllySettings
from airflow_channel_provider.connection_form import FORMS, ConnectionForm
from airflow_channel_provider.connections import ChannelTalkSettings, OpenApiSettings
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.inbound_connections import EndpointSettings

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2
CHANNEL_TALK: dict[str, Any] = {"conn_type": "channel_talk", "login": "app-1", "password": "s3cret=="}
BENLLY: dict[str, Any] = {
    "conn_type": "benlly",
    "host": "benlly.example",
    "password": "user-token",
    "extra": {"device": "web", "udid": "7f0abbcd"},
}


def channel_talk_settings(conn_id: str = "c") -> ChannelTalkSettings:
    return ChannelTalkSettings.from_connection(BaseHook.get_connection(conn_id))


def benlly_settings(conn_id: str = "b") -> BenllySettings:
    return BenllySettings.from_connection(BaseHook.get_connection(conn_id))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"base_url": "https://app-store-api.channel.io", "app_id": "app-1", "channel_id": None}),
        ({"host": "example.io/"}, {"base_url": "https://example.io"}),
        ({"host": "http://example.io"}, {"base_url": "http://example.io"}),
        ({"host": "https://example.io/"}, {"base_url": "https://example.io"}),
        ({"host": "example.io", "schema": "HTTP", "port": 8765}, {"base_url": "http://example.io:8765"}),
        ({"host": "example.io", "schema": "", "port": 0}, {"base_url": "https://example.io"}),
        ({"login": ""}, {"app_id": None}),
        ({"password": " s3cret==\n"}, {"secret": "s3cret=="}),
        ({"extra": {"channel_id": "ch-1", "timeout": 12}}, {"channel_id": "ch-1", "timeout_seconds": 12.0}),
        ({"extra": {"channel_id": 17, "timeout": "2.5"}}, {"channel_id": "17", "timeout_seconds": 2.5}),
        (
            {"extra": {"channel_id": 123.0, "timeout": 86400}},
            {"channel_id": "123", "timeout_seconds": 86400.0},
        ),
        ({"extra": ""}, {"channel_id": None}),
        ({"extra": "***"}, {"channel_id": None}),
        ({"extra": {"channel_id": None, "timeout": None}}, {"channel_id": None, "timeout_seconds": None}),
        ({"extra": {"channel_id": "***", "timeout": "***"}}, {"channel_id": None, "timeout_seconds": None}),
        ({"extra": {"channel_id": "", "timeout": 0}}, {"channel_id": None, "timeout_seconds": None}),
        ({"extra": {"channel_id": 0, "timeout": 0.0}}, {"channel_id": None, "timeout_seconds": None}),
    ],
)
def test_channel_talk_connection_is_read_with_unset_fields_as_none(
    set_connection: Callable[..., None], fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    set_connection("c", **{**CHANNEL_TALK, **fields})
    settings = channel_talk_settings()
    assert {name: getattr(settings, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": None}, ["password", "App Secret", "issue"]),
        ({"password": ""}, ["password", "App Secret"]),
        ({"password": "***"}, ["password", "App Secret"]),
        ({"password": "abcd"}, ["password", "shorter than 5 characters", "save the complete one"]),
        ({"schema": "ftp"}, ["schema", "https"]),
        ({"host": "example.io/path"}, ["host"]),
        ({"host": "user:pw@example.io"}, ["host"]),
        ({"port": 70000}, ["port"]),
        ({"extra": {"timeout": "soon"}}, ["timeout", "30"]),
        ({"extra": {"timeout": -1}}, ["timeout"]),
        ({"extra": {"timeout": "nan"}}, ["timeout"]),
        ({"extra": {"timeout": [3]}}, ["timeout"]),
        ({"extra": {"channel_id": {"id": 1}}}, ["channel_id"]),
        ({"extra": {"timeout": 1e10}}, ["timeout", "86400"]),
        ({"extra": "[1]"}, ["extra"]),
        ({"extra": '{"channel_id": "ch-1"'}, ["extra", "JSON object"]),
        ({"extra": "channel_id=ch-1"}, ["extra", "JSON object"]),
    ],
)
def test_invalid_channel_talk_connection_is_refused_with_its_id_field_and_remedy(
    set_connection: Callable[..., None], fields: dict[str, Any], words: list[str]
) -> None:
    set_connection("c", **{**CHANNEL_TALK, **fields})
    with pytest.raises(ChannelConfigurationError) as caught:
        channel_talk_settings()
    for word in ["Connection 'c'", *words]:
        assert word in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "secret"),
    [
        ("channel-talk://app-1:ab-c_d%3D%3D@example.io", "ab-c_d=="),
        ("channel-talk://app-1:ab-c_d==@example.io/https", "ab-c_d=="),
        ("channel-talk://app-1:-_-_%3D%3D@example.io/?channel_id=ch-9&timeout=5", "-_-_=="),
    ],
)
def test_secret_with_padding_and_url_safe_signs_survives_a_connection_uri(
    monkeypatch: pytest.MonkeyPatch, uri: str, secret: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_C", uri)
    settings = channel_talk_settings()
    assert (settings.secret, settings.base_url) == (secret, "https://example.io")


SETTINGS: dict[str, Any] = {
    "channel_talk": ChannelTalkSettings,
    "channel_talk_open_api": OpenApiSettings,
    "benlly": BenllySettings,
}


@pytest.mark.promise(name="secrets")
@pytest.mark.parametrize("conn_type", SETTINGS)
@pytest.mark.parametrize("other", [*SETTINGS, "aws", "http", ""])
def test_a_connection_of_another_type_is_refused_and_its_secret_goes_nowhere(
    set_connection: Callable[..., None], conn_type: str, other: str
) -> None:
    if other == conn_type:
        return
    set_connection("c", conn_type=other, login="someone", password="secret-of-another-system")
    with pytest.raises(ChannelConfigurationError) as caught:
        SETTINGS[conn_type].from_connection(BaseHook.get_connection("c"))
    said = f"Connection 'c' has the type '{other}'; give the id of a connection of the type {conn_type}"
    scheme = conn_type.replace("_", "-")
    in_uri = "" if other else f", which a URI begins with {scheme}://"
    assert caught.value.message == f"{said}{in_uri}."


@pytest.mark.promise(name="secrets")
def test_settings_show_no_secret(set_connection: Callable[..., None]) -> None:
    set_connection("c", **CHANNEL_TALK)
    set_connection("b", **BENLLY)
    assert "s3cret" not in repr(channel_talk_settings())
    assert "user-token" not in repr(benlly_settings())


def test_benlly_connection_is_read(set_connection: Callable[..., None]) -> None:
    set_connection("b", **BENLLY)
    assert benlly_settings() == BenllySettings(
        conn_id="b",
        base_url="https://benlly.example",
        access_token="user-token",
        device="web",
        udid="7f0abbcd",
        body_encoding="form",
        timeout_seconds=None,
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"host": None}, ["host"]),
        ({"password": "***"}, ["password", "access token"]),
        ({"password": "abcd"}, ["password", "shorter than 5 characters"]),
        ({"extra": {"udid": "u"}}, ["device", "missing", "ios, android, web, infoboard, windows"]),
        ({"extra": {"udid": "u", "device": "fridge"}}, ["device", "unknown", "infoboard"]),
        ({"extra": {"device": "web"}}, ["udid", "keep it"]),
        ({"extra": {"device": "web", "udid": None}}, ["udid"]),
        ({"extra": {"device": "web", "udid": "u", "body_encoding": "xml"}}, ["body_encoding", "form, json"]),
    ],
)
def test_invalid_benlly_connection_is_refused_with_its_id_field_and_remedy(
    set_connection: Callable[..., None], fields: dict[str, Any], words: list[str]
) -> None:
    set_connection("b", **{**BENLLY, **fields})
    with pytest.raises(ChannelConfigurationError) as caught:
        benlly_settings()
    for word in ["Connection 'b'", *words]:
        assert word in str(caught.value)
    assert "user-token" not in str(caught.value)


CLIENT = {"client_id": 7, "client_secret": "canary-client"}
BY_NAME = {**CLIENT, "username": "mina", "user_password": "canary-user"}
BY_TOKEN = {**CLIENT, "refresh_token": "canary-refresh"}


def set_login(set_connection: Callable[..., None], password: str | None = None, **login: Any) -> None:
    set_connection("b", **{**BENLLY, "password": password, "extra": {"device": "web", "udid": "u", **login}})


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        (BY_NAME, BenllyLogin("7", "canary-client", "mina", "canary-user")),
        (BY_TOKEN, BenllyLogin("7", "canary-client", refresh_token="canary-refresh")),
        (
            {**BY_TOKEN, "username": "", "user_password": None},
            BenllyLogin("7", "canary-client", refresh_token="canary-refresh"),
        ),
    ],
)
def test_a_login_is_read_and_shown_to_nobody(
    set_connection: Callable[..., None], login: dict[str, Any], expected: BenllyLogin
) -> None:
    set_login(set_connection, **login)
    settings = benlly_settings()
    assert (settings.access_token, settings.login) == (None, expected)
    assert "canary" not in repr(settings)
    assert set(expected.secrets) == {value for value in login.values() if str(value).startswith("canary")}


@pytest.mark.parametrize(
    ("password", "login", "words"),
    [
        (None, {}, ["field password", "save the user's access token", "client_id, client_secret"]),
        (
            "canary-token",
            BY_NAME,
            ["field password", "though the extra has client_id", "clear one of the two"],
        ),
        ("canary-token", {"client_id": 7}, ["field password", "though the extra has client_id"]),
        (None, {**BY_TOKEN, "client_id": None}, ["extra client_id", "is missing"]),
        (None, {**BY_TOKEN, "client_secret": "***"}, ["extra client_secret", "is missing"]),
        (None, {**BY_NAME, "client_secret": ""}, ["extra client_secret", "is missing"]),
        (None, {**BY_NAME, "username": None}, ["extra username", "is missing"]),
        (None, {**BY_NAME, "user_password": None}, ["extra user_password", "is missing"]),
        (None, CLIENT, ["extra refresh_token", "is missing", "or username and user_password instead"]),
        (None, {**BY_NAME, **BY_TOKEN}, ["extra refresh_token", "beside", "clear one of the two"]),
        (None, {"refresh_token": "canary-refresh"}, ["extra client_id", "is missing"]),
        (None, {**BY_TOKEN, "refresh_token": ["canary-refresh"]}, ["extra refresh_token", "is not a text"]),
        (None, {**BY_TOKEN, "refresh_token": "abcd"}, ["extra refresh_token", "shorter than 5 characters"]),
        (None, {**BY_NAME, "client_secret": 1234}, ["extra client_secret", "shorter than 5 characters"]),
        (None, {**BY_NAME, "user_password": "비밀번호"}, ["extra user_password", "or choose a longer one"]),
    ],
)
def test_half_a_login_is_refused_with_its_id_field_and_remedy(
    set_connection: Callable[..., None], password: str | None, login: dict[str, Any], words: list[str]
) -> None:
    set_login(set_connection, password, **login)
    with pytest.raises(ChannelConfigurationError) as caught:
        benlly_settings()
    for word in ["Connection 'b'", *words]:
        assert word in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("unset", [None, "", "***"])
def test_unset_body_encoding_is_form(set_connection: Callable[..., None], unset: str | None) -> None:
    set_connection("b", **{**BENLLY, "extra": {"device": "IOS", "udid": "u", "body_encoding": unset}})
    settings = benlly_settings()
    assert (settings.device, settings.body_encoding) == ("ios", "form")


# What the form, and the button in the list, leave in a field that nobody has touched: text, number, own field.
UNTOUCHED: dict[str, tuple[object, ...]] = {
    **dict.fromkeys(("host", "login", "schema", "password"), (None, "", "***")),
    "port": (None, 0),
}
IN_EXTRA = (None, "", 0, "***")
LEFT_BEHIND = [
    pytest.param(form, name, value, in_extra, id=f"{form.conn_type}-{name}-{value!r}")
    for form in FORMS
    for fields, in_extra in (
        (UNTOUCHED, False),
        (dict.fromkeys([f.name for f in form.fields], IN_EXTRA), True),
    )
    for name, values in fields.items()
    for value in values
]


@pytest.mark.parametrize(("form", "name", "untouched", "in_extra"), LEFT_BEHIND)
def test_what_is_left_in_an_untouched_field_counts_as_unset(
    set_connection: Callable[..., None], form: ConnectionForm, name: str, untouched: object, in_extra: bool
) -> None:
    complete = dict(CHANNEL_TALK if form.conn_type == "channel_talk" else BENLLY)
    extra = dict(complete.get("extra", {}))
    (extra if in_extra else complete).pop(name, None)
    set_connection("c", **{**complete, "extra": extra})
    without = outcome(form)
    (extra if in_extra else complete)[name] = untouched
    set_connection("c", **{**complete, "extra": extra})
    assert outcome(form) == without


def outcome(form: ConnectionForm) -> object:
    """The settings, or the complaint."""
    read = channel_talk_settings if form.conn_type == "channel_talk" else benlly_settings
    try:
        return read("c")
    except ChannelConfigurationError as error:
        return str(error)


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        ({"signing_secret": "c2VjcmV0"}, "the field extra signing_secret is not hexadecimal; copy"),
        (
            {"signing_secret": "0f" * 15},
            "the field extra signing_secret has fewer than 32 hexadecimal digits",
        ),
        ({"signing_key": "0f" * 32}, "the field extra signing_key has a name by which Airflow would show it"),
    ],
)
def test_a_signing_key_that_is_none_is_refused(
    set_connection: Callable[..., None], extra: dict[str, str], fault: str
) -> None:
    set_connection("app", conn_type="channel_talk", password="a-long-secret", extra=extra)
    with pytest.raises(ChannelConfigurationError) as refused:
        EndpointSettings.from_connection(BaseHook.get_connection("app"))
    assert fault in str(refused.value)
    works, found = ChannelTalkHook("app").test_connection()
    assert not works
    assert fault.partition(";")[0].removeprefix("the field ") in found
    assert not any(value in str(refused.value) for value in extra.values())


def test_a_signing_key_is_read_and_shown_to_nobody(set_connection: Callable[..., None]) -> None:
    set_connection("app", conn_type="channel_talk", password="a-long-secret", extra={"signing_secret": KEY})
    settings = EndpointSettings.from_connection(BaseHook.get_connection("app"))
    assert settings.signing_key == bytes.fromhex(KEY)
    assert repr(settings) == "EndpointSettings(conn_id='app', app_id=None, channel_id=None)"
