"""The emulator over real HTTP: the shapes of its answers, and what calls do, for Channel Talk and Benlly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.emulator_caller import GET_USER, Caller, writing

from airflow_channel_provider.emulator import DEMO_SECRET

if TYPE_CHECKING:
    import requests


@pytest.mark.parametrize(
    ("shape", "token_keys", "user_keys", "command_body"),
    [
        ("seed", ["accessToken", "expiresIn", "refreshToken"], ["result"], {}),
        ("live", ["result"], ["result"], {}),
        ("live_empty_error", ["error", "result"], ["error", "result"], {"error": {}}),
    ],
)
def test_answers_have_the_shape_that_is_set(
    caller: Caller, shape: str, token_keys: list[str], user_keys: list[str], command_body: Any
) -> None:
    caller.emulator.configure(answer_shape=shape)
    token = caller.native("issueToken", {"secret": DEMO_SECRET})
    assert sorted(token.json()) == token_keys
    assert token.headers["Content-Type"] == "application/json"
    assert sorted(caller.log_in().native("getUser", GET_USER).json()) == user_keys
    answer = token.json()
    caller.token = answer.get("result", answer)["accessToken"]
    assert caller.native("registerCommands", {"appId": "demo-app", "commands": []}).json() == command_body


def test_the_token_prefix_marks_every_token(caller: Caller) -> None:
    caller.emulator.configure(token_prefix="CANARY-")
    answer = caller.issue()
    assert answer["accessToken"].startswith("CANARY-")
    assert answer["refreshToken"].startswith("CANARY-")
    assert "CANARY" not in json.dumps(caller.emulator.journal())


def test_the_same_request_id_is_the_same_message(caller: Caller) -> None:
    caller.log_in()
    bodies = [caller.native("writeUserChatMessage", writing("r-1")).json() for _ in range(3)]
    assert bodies[0] == bodies[1] == bodies[2]
    assert [message["id"] for message in caller.emulator.messages()] == [bodies[0]["result"]["message"]["id"]]
    assert caller.emulator.messages("chat-ch-1-2") == []


def test_commands_can_be_read_back(caller: Caller) -> None:
    caller.token = caller.issue(None)["accessToken"]
    command = {"name": "a", "scope": "desk", "actionFunctionName": "f", "alfMode": "disable"}
    caller.native("registerCommands", {"appId": "demo-app", "commands": [command]})
    assert [entry["name"] for entry in caller.emulator.commands("demo-app")] == ["a"]


def test_an_app_function_can_be_programmed(caller: Caller) -> None:
    caller.log_in()
    url = f"{caller.emulator.url}/general/v1/apps/other-app/functions"

    def call() -> requests.Response:
        body = {"method": "f", "params": {"a": 1}}
        return caller.session.put(url, json=body, headers={"x-access-token": caller.token}, timeout=10)

    assert call().json() == {"result": {"method": "f", "params": {"a": 1}, "context": None}}
    caller.emulator.answer_app_function("other-app", "f", result={"b": 2})
    assert call().json() == {"result": {"b": 2}}
    caller.emulator.answer_app_function(
        "other-app", "f", error={"type": "t", "message": "m"}, http_status=422
    )
    assert (call().status_code, call().json()) == (422, {"error": {"type": "t", "message": "m"}})


@pytest.mark.parametrize("kind", ["data", "json"])
def test_benlly_takes_both_encodings(caller: Caller, kind: str) -> None:
    headers = {
        "authorization": "Bearer benlly-user-token",
        "x-benlly-request-device": "web",
        "x-benlly-udid": "u",
    }
    url = f"{caller.emulator.url}/api/v0.9/channel/1/authorize"
    body: Any = {kind: {"token": "CANARY"}}
    answer = caller.session.post(url, headers=headers, timeout=10, **body)
    assert answer.json()["data"]["device_token"] == "CANARY"
    assert [(row["channel_id"], row["udid"]) for row in caller.emulator.authorizations()] == [(1, "u")]
    assert "CANARY" not in json.dumps([caller.emulator.journal(), caller.emulator.authorizations()])
