from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, DEMO_SIGNING_KEY
from airflow_channel_provider.emulator.app_calls import Endpoint
from airflow_channel_provider.emulator.ready_connections import announcement, ready_connections, ready_ids

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver


def by_conn_id(driver: Driver) -> dict[str, Any]:
    """The connections as JSON, by the variable that they are exported as."""
    driver.emulator.url = "http://127.0.0.1:8765"
    exported = [shlex.split(made["shell"])[1].partition("=") for made in ready_connections(driver.emulator)]
    return {name: json.loads(text) for name, _, text in exported}


def test_there_is_a_connection_of_each_kind(driver: Driver) -> None:
    found = by_conn_id(driver)
    assert list(found) == [
        "AIRFLOW_CONN_CHANNEL_TALK_DEFAULT",
        "AIRFLOW_CONN_CHANNEL_TALK_OPEN_API_DEFAULT",
        "AIRFLOW_CONN_BENLLY_DEFAULT",
        "AIRFLOW_CONN_BENLLY_TABLET",
    ]
    talk = found["AIRFLOW_CONN_CHANNEL_TALK_DEFAULT"]
    assert (talk["host"], talk["port"], talk["schema"]) == ("127.0.0.1", 8765, "http")
    assert (talk["login"], talk["password"], talk["extra"]) == (
        DEMO_APP_ID,
        DEMO_SECRET,
        {"channel_id": "ch-1"},
    )


def test_an_app_that_serves_functions_has_its_signing_key(driver: Driver) -> None:
    app, url = driver.emulator.world.apps[DEMO_APP_ID], "http://127.0.0.1:8080/functions"
    app.function_endpoint = Endpoint.build(url, DEMO_SIGNING_KEY)
    extra = by_conn_id(driver)["AIRFLOW_CONN_CHANNEL_TALK_DEFAULT"]["extra"]
    assert extra == {"channel_id": "ch-1", "signing_secret": DEMO_SIGNING_KEY}
    app.function_endpoint = Endpoint.build(url, "0a" * 32)  # one that was given is not shown
    assert by_conn_id(driver)["AIRFLOW_CONN_CHANNEL_TALK_DEFAULT"]["extra"] == {"channel_id": "ch-1"}


def test_the_uri_says_the_same(driver: Driver) -> None:
    found = by_conn_id(driver)
    for made, values in zip(ready_connections(driver.emulator), found.values(), strict=True):
        parts = urlsplit(made["uri"])
        assert parts.scheme.replace("-", "_") == values["conn_type"]
        assert (parts.hostname, parts.port, parts.path[1:]) == ("127.0.0.1", 8765, "http")
        assert unquote(parts.password or "") == values.get("password", "")
        assert dict(parse_qsl(parts.query)) == values.get("extra", {})


def test_a_secret_of_the_settings_is_not_shown_and_one_of_its_own_is(make_driver: type[Driver]) -> None:
    benlly = {
        "access_tokens": ["CANARY-1"],
        "users": [{"client_id": "1", "username": "u", "password": "CANARY-2"}],
    }
    driver = make_driver(apps=[{"app_id": "my-app", "secret": "CANARY-3"}], benlly=benlly)
    found = by_conn_id(driver)
    assert not [name for name in found if "BENLLY" in name]
    assert "CANARY" not in announcement(driver.emulator)
    secret = driver.emulator.world.reissue_secret("my-app")
    assert by_conn_id(driver)["AIRFLOW_CONN_CHANNEL_TALK_DEFAULT"]["password"] == secret


def test_the_ids_of_large_channels_are_told_in_one_line(make_driver: type[Driver]) -> None:
    users = [{"id": f"user-{number}", "name": "Ada"} for number in range(1, 1001)]
    driver = make_driver(channels=[{"id": "ch-1", "name": "Cafe", "users": users, "groups": []}])
    channel, benlly = ready_ids(driver.emulator)
    assert channel["name"] == "Channel ch-1 (Cafe)"
    assert "users user-1 to user-1000; managers" in channel["text"]
    assert "groups" not in channel["text"]
    assert benlly["text"] == "1 (wants a device token), 2, 3"
