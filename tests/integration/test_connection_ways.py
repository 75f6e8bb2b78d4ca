"""
One connection, given in every way that Airflow knows: each is read as Airflow reads it and used for a call.

The secrets hold what a URI has to encode. Connections that Airflow keeps are in a real metadata database.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import pytest
from support.fresh_process import FreshProcess

from airflow_channel_provider.emulator import EmulatorThread
from airflow_channel_provider.hooks.benlly import BenllyHook
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

if TYPE_CHECKING:
    from support.airflow_api import AirflowApi

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's own application warns of its own

APP_SECRET = "c2VjcmV0/LW9m+LXRoZS1hcHA=="
USER_TOKEN = "dXNlci/10b2+tlbg=="
UDID = "7f0abbcd-fb03-4484-aaba-a0211d9c14e2"


@dataclass(frozen=True)
class Given:
    """
    A connection that somebody wants to have.

    :param extra: what is set of its extra.
    :param unset: what the form saves of the other fields.
    """

    conn_id: str
    conn_type: str
    url: str
    login: str | None
    password: str
    extra: dict[str, Any]
    unset: dict[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, Any]:
        """As a person has them at hand, the address in three fields."""
        address = urlsplit(self.url)
        login = {"login": self.login} if self.login else {}
        return {
            "conn_type": self.conn_type,
            "host": address.hostname,
            "schema": address.scheme,
            "port": address.port,
            "password": self.password,
            **login,
        }

    @property
    def as_json(self) -> str:
        return json.dumps({**self.fields, "extra": self.extra})

    @property
    def as_uri(self) -> str:
        address = urlsplit(self.url)
        user = f"{quote(self.login or '')}:{quote(self.password, safe='')}"
        scheme = self.conn_type.replace("_", "-")
        return f"{scheme}://{user}@{address.netloc}/{address.scheme}?{urlencode(self.extra)}"

    @property
    def as_typed(self) -> dict[str, Any]:
        """What the form posts: the address in one field, the others as it leaves them."""
        return {
            "connection_id": self.conn_id,
            "conn_type": self.conn_type,
            "description": "",
            "host": self.url,
            "login": self.login or "",
            "password": self.password,
            "port": 0,
            "schema": "",
            "extra": json.dumps({**self.extra, **self.unset}),
        }


class Means(NamedTuple):
    """
    Through what a connection is given.

    :param process: runs Airflow's commands.
    """

    api: AirflowApi
    patch: pytest.MonkeyPatch
    process: FreshProcess


Way = Callable[[Given, Means], None]
COMMAND = "import sys; from airflow.__main__ import main; sys.argv[0] = 'airflow'; main()"


def by_uri(given: Given, means: Means) -> None:
    means.patch.setenv(f"AIRFLOW_CONN_{given.conn_id.upper()}", given.as_uri)


def by_json(given: Given, means: Means) -> None:
    means.patch.setenv(f"AIRFLOW_CONN_{given.conn_id.upper()}", given.as_json)


def by_command(means: Means, *arguments: str) -> None:
    means.process.run(COMMAND, "connections", "add", *arguments, environment=dict(os.environ))


def by_command_with_uri(given: Given, means: Means) -> None:
    by_command(means, given.conn_id, "--conn-uri", given.as_uri)


def by_command_with_json(given: Given, means: Means) -> None:
    by_command(means, given.conn_id, "--conn-json", given.as_json)


def by_command_with_fields(given: Given, means: Means) -> None:
    options = [f"--conn-{name.removeprefix('conn_')}={value}" for name, value in given.fields.items()]
    by_command(means, given.conn_id, *options, "--conn-extra", json.dumps(given.extra))


def by_post(given: Given, means: Means) -> None:
    means.api.save(connection_id=given.conn_id, **given.fields, extra=json.dumps(given.extra))


def by_patch(given: Given, means: Means) -> None:
    means.api.save(connection_id=given.conn_id, conn_type=given.conn_type, host="elsewhere.invalid")
    body = {"connection_id": given.conn_id, **given.fields, "extra": json.dumps(given.extra)}
    means.api.ask("PATCH", f"/api/v2/connections/{given.conn_id}", body)


def by_form(given: Given, means: Means) -> None:
    means.api.save(**given.as_typed)


def by_form_edited_and_saved_again(given: Given, means: Means) -> None:
    means.api.save(**given.as_typed)
    shown = means.api.ask("GET", f"/api/v2/connections/{given.conn_id}")
    assert shown["password"] == "***"
    assert given.password not in json.dumps(shown)
    shown.pop("team_name", None)  # since Airflow 3.1
    means.api.ask("PATCH", f"/api/v2/connections/{given.conn_id}", {**shown, "description": "edited"})


WAYS = [
    by_uri,
    by_json,
    by_command_with_uri,
    by_command_with_json,
    by_command_with_fields,
    by_post,
    by_patch,
    by_form,
    by_form_edited_and_saved_again,
]
by_each_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[EmulatorThread]:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    with EmulatorThread() as emulator:
        emulator.configure(
            apps=[{"app_id": "my-app", "secret": APP_SECRET, "channels": ["ch-2"], "permissions": None}],
            benlly={"access_tokens": [USER_TOKEN], "channels": [{"id": 2, "auth_type": "none"}]},
        )
        yield emulator


@pytest.fixture(scope="module")
def process() -> Iterator[FreshProcess]:
    with FreshProcess("airflow.cli.cli_parser", "airflow.models.connection") as process:
        yield process


@pytest.fixture
def means(airflow_api: AirflowApi, monkeypatch: pytest.MonkeyPatch, process: FreshProcess) -> Means:
    return Means(airflow_api, monkeypatch, process)


@by_each_way
def test_channel_talk(means: Means, emulator: EmulatorThread, way: Way) -> None:
    conn_id = f"talk_{way.__name__}"
    extra = {"channel_id": "ch-2"}
    way(
        Given(conn_id, "channel_talk", emulator.url, "my-app", APP_SECRET, extra, {"timeout": None}),
        means,
    )
    with ChannelTalkHook(conn_id) as hook:
        assert hook.call("getChannel")["channel"]["id"] == "ch-2"
        assert (hook.settings.app_id, hook.settings.timeout_seconds) == ("my-app", None)


@by_each_way
def test_benlly(means: Means, emulator: EmulatorThread, way: Way) -> None:
    conn_id = f"benlly_{way.__name__}"
    extra = {"device": "infoboard", "udid": UDID, "timeout": 7}
    way(
        Given(conn_id, "benlly", emulator.url, None, USER_TOKEN, extra, {"body_encoding": None}),
        means,
    )
    with BenllyHook(conn_id) as hook:
        assert hook.authorize_channel(2)["udid"] == UDID
        assert (hook.settings.body_encoding, hook.settings.timeout_seconds) == ("form", 7.0)
    (authorized,) = emulator.authorizations()
    assert authorized["device"] == "infoboard"
