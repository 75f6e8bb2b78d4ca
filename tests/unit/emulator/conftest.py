from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_channel_provider.contract.functions import CATALOGUE
from airflow_channel_provider.emulator import DEMO_SECRET
from airflow_channel_provider.emulator.answers import Answer, PendingAnswer
from airflow_channel_provider.emulator.clock import Clock
from airflow_channel_provider.emulator.control_plane import ControlPlane
from airflow_channel_provider.emulator.service import NATIVE_PATH, Emulator
from airflow_channel_provider.emulator.settings import Settings

START = 1_700_000_000.0


def settle(answer: Answer | PendingAnswer) -> Answer:
    """The answer, once what it depends on is found out."""
    while isinstance(answer, PendingAnswer):
        answer = answer.conclude(answer.find_out())
    return answer


class Driver:
    """An emulator without a wire, at a standing clock."""

    def __init__(self, **settings: Any) -> None:
        self.time = START
        self.emulator = Emulator(Settings.from_mapping(settings), Clock(lambda: self.time))
        self.status: int | None = None
        self.headers: dict[str, str] = {}

    def send(self, http_method: str, path: str, body: bytes, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        delivery = self.emulator.handle(http_method, path, named, body)
        answer = delivery.answer
        self.status = None if answer is None else answer.status
        self.headers = {} if answer is None else answer.headers
        return None if answer is None else json.loads(answer.body)

    def native(self, method: str, params: Any = None, token: str = "") -> Any:
        body = json.dumps({"method": method, "params": params}).encode()
        return self.send("PUT", NATIVE_PATH, body, **{"x-access-token": token})

    def issue(self, channel_id: str | None = "ch-1", secret: str = DEMO_SECRET) -> Any:
        return _result(self.native("issueToken", {"secret": secret, "channelId": channel_id}))

    def refresh(self, refresh_token: str) -> Any:
        return _result(self.native("refreshToken", {"refreshToken": refresh_token}))

    def call(self, method: str, channel_id: str = "ch-1", **params: Any) -> Any:
        """The result of a call with a channel token that was minted for it, or the whole body if it was refused."""
        token = self.emulator.world.tokens.mint("demo-app", channel_id, self.time)["accessToken"]
        return _result(self.native(method, {"channelId": channel_id, **params}, token))

    def app_call(self, method: str, **params: Any) -> Any:
        token = self.emulator.world.tokens.mint("demo-app", None, self.time)["accessToken"]
        owned = {"appId": "demo-app"} if CATALOGUE[method].needs("appId") else {}
        return _result(self.native(method, {**owned, **params}, token))

    def control(self, name: str) -> Any:
        return json.loads(
            settle(ControlPlane(self.emulator).handle("GET", f"/_emulator/{name}", {}, b"")).body
        )

    def last(self) -> Any:
        return self.emulator.journal.since()[-1]


def _result(body: Any) -> Any:
    return body if body is None else body.get("result", body)


def broken_rules(body: Any) -> list[str]:
    """What a call was refused for, each with its path and its kind."""
    error = body["error"]
    assert (error["code"], error["type"]) == (1, "unprocessable")
    told = error["message"].removeprefix("validation failed: ").split("; ")
    return [f"{one.split()[0]} {one.rpartition('(')[2].removesuffix(')')}" for one in told]


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def make_driver() -> type[Driver]:
    return Driver
