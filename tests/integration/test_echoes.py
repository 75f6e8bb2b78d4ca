"""
A service that writes the secrets of a request back in its errors, in every way there is, makes nobody show them.

Looked through are the error and all its attributes, the log, the store, a dead letter, the Test button and the page.
"""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from support.bulk_runs import campaign, execute
from support.echoes import ECHOES, parts_of
from support.peers import read_request, serving
from support.records import Anybody

from airflow_channel_provider.api.unescape import comparable_letters, verbatim
from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.hooks.benlly import BenllyHook
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.plugins._report import report

pytestmark = pytest.mark.promise(name="secrets")

APP_SECRET = "aB3-x/Y+z_9Qw=ErTy7UioP8as=="
TOKEN = "tOk3n-4Hq/Lp+7Zx_2Vb9Nm5Kd8Wr1Tc6Yf0Gs=="
CLIENT_SECRET, USER_PASSWORD = "cL13nt-8Dg/Wq+5Rt_1Xz7Pk", "p@ss w=rd/9Fk+2Lm Zx8"
SECRETS = (APP_SECRET, TOKEN, CLIENT_SECRET, USER_PASSWORD)


class Echo:
    """A service that refuses what it is told to, and echoes the secrets of the request."""

    def __init__(self) -> None:
        self.way = "as it is"
        self.refuses_tokens = False

    def __call__(self, peer: socket.socket) -> None:
        while True:
            head, _, body = read_request(peer).partition(b"\r\n\r\n")
            answer = json.dumps(self.answer(head.decode(), body.decode())).encode()
            status = b"401 Unauthorized" if b"oauth" in head.split(b"\r\n")[0] else b"200 OK"
            peer.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(answer), answer))

    def answer(self, head: str, body: str) -> Any:
        if "oauth" in head.partition("\r\n")[0]:
            sent = {name: values[0] for name, values in parse_qs(body).items()}
            return {
                "error": "invalid_grant",
                "error_description": self.said(sent["client_secret"], sent["password"]),
            }
        call = json.loads(body)
        if call["method"] != "issueToken":
            secret = re.search(r"x-access-token: (.*)\r", head, re.IGNORECASE)
            assert secret
            return {"error": self.error(secret[1])}
        if self.refuses_tokens:
            return {"error": self.error(call["params"]["secret"])}
        return {"result": {"accessToken": TOKEN, "refreshToken": "r" * 20, "expiresIn": 1800}}

    def error(self, secret: str) -> dict[str, str]:
        echo = ECHOES[self.way](secret)
        return {"type": f"common {echo}", "code": echo, "message": self.said(secret)}

    def said(self, *secrets: str) -> str:
        return ", ".join(f"there is no [{ECHOES[self.way](secret)}] here" for secret in secrets)


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Echo]:
    echo = Echo()
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    with serving(echo) as server:
        talk = {"conn_type": "channel_talk", "host": server.url, "login": "app-1", "password": APP_SECRET}
        login = {
            "client_id": 7,
            "client_secret": CLIENT_SECRET,
            "username": "mina",
            "user_password": USER_PASSWORD,
        }
        benlly = {
            "conn_type": "benlly",
            "host": server.url,
            "extra": {"device": "web", "udid": "u-1", **login},
        }
        monkeypatch.setenv(
            "AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps({**talk, "extra": {"channel_id": "1"}})
        )
        monkeypatch.setenv("AIRFLOW_CONN_BENLLY_DEFAULT", json.dumps(benlly))
        yield echo


def seen_of(error: ChannelError) -> str:
    return f"{error!r} {error} {vars(error)}"


# Each way is tried in tests/unit/api/test_api_redaction.py.
@pytest.mark.parametrize(
    "way",
    [
        "as it is",
        "JSON, every character",
        "percent in HTML in JSON",
        "the alphabet of URLs",
        "Base64, behind two",
        "its last half",
        "broken by an escaped line",
    ],
)
def test_no_echo_is_shown(echo: Echo, tmp_path: Path, caplog: pytest.LogCaptureFixture, way: str) -> None:
    echo.way = way
    seen = list[str]()
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(ChannelError, match="there is no") as caught:
            ChannelTalkHook().call("getChannel")
        seen.append(seen_of(caught.value))
        dead = tmp_path / "dead.jsonl"
        bulk = campaign(items=[{"n": 1, "chat": "c"}], dead_letter=str(dead), max_failures=1)
        assert execute(bulk)["failed"] == 1
        seen.append(dead.read_text(encoding="utf-8"))
        seen.append(str(ChannelTalkHook().test_connection()))
        echo.refuses_tokens = True
        ChannelTalkHook().manager.repository.update(
            lambda record, now: record.with_dropped_token("channel:1")
        )
        ChannelTalkHook().manager.repository.store.local_cache.clear()
        for _ in range(2):  # the second time from the store
            with pytest.raises(ChannelError, match="there is no") as caught:
                ChannelTalkHook().call("getChannel")
            seen.append(seen_of(caught.value))
            with pytest.raises(ChannelError, match="there is no") as caught:
                BenllyHook().authorize_channel(1)
            seen.append(seen_of(caught.value))
            seen += [str(ChannelTalkHook().test_connection()), str(BenllyHook().test_connection())]
    stored = [path.read_text(encoding="latin-1") for path in (tmp_path / "store").iterdir()]
    assert any("there is no" in text for text in stored)  # the refusals are remembered
    seen += [*stored, caplog.text, json.dumps(report(Anybody()))]
    for text in seen:
        letters, _ = comparable_letters(verbatim(text))
        for secret in SECRETS:
            assert not [part for part in parts_of(secret, 12) if part in letters]
            assert not [part for part in parts_of(ECHOES[way](secret), 20) if part in letters]
