"""An extension for commands is registered once the app itself has told which commands it has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from support.app_endpoint import AppEndpoint

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, DEMO_SIGNING_KEY, EmulatorThread
from airflow_channel_provider.emulator.__main__ import _parser, _read_settings
from airflow_channel_provider.emulator.service import NATIVE_PATH
from airflow_channel_provider.exceptions import ChannelRequestError
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

GET_FUNCTIONS = "extension.core.function.getFunctions"
GET_COMMANDS = "extension.command.metadata.getCommands"
COMMAND_EXTENSION = {"extensionName": "command", "systemVersion": "v1"}
FUNCTIONS = {
    "success": True,
    "errorMessage": "",
    "functions": [{"name": "run", "inputSchema": {"type": "object"}}],
}
RUN = {"name": "run", "scope": "desk", "actionFunctionName": "run", "alfMode": "disable"}
STOP = {**RUN, "name": "stop", "description": "Stops it", "systemVersion": "v1", "enabledByDefault": True}


@pytest.fixture(scope="module")
def service() -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture
def app() -> Iterator[AppEndpoint]:
    with AppEndpoint(DEMO_SIGNING_KEY) as endpoint:
        endpoint.results = {GET_FUNCTIONS: FUNCTIONS, GET_COMMANDS: {"commands": [RUN, STOP]}}
        yield endpoint


@pytest.fixture
def emulator(service: EmulatorThread, app: AppEndpoint) -> EmulatorThread:
    service.reset()
    service.set_function_endpoint(DEMO_APP_ID, app.url)
    return service


def native(emulator: EmulatorThread, method: str, params: Any, token: str = "") -> Any:
    call = {"method": method, "params": params}
    headers = {"x-access-token": token}
    answer = requests.put(f"{emulator.url}{NATIVE_PATH}", json=call, headers=headers, timeout=30)
    assert answer.status_code == 200
    return answer.json().get("result")


def app_token(emulator: EmulatorThread) -> str:
    token: str = native(emulator, "issueToken", {"secret": DEMO_SECRET})["accessToken"]
    return token


def register(emulator: EmulatorThread, **params: str) -> Any:
    params = {"appId": DEMO_APP_ID, **COMMAND_EXTENSION, **params}
    return native(emulator, "registerExtension", params, app_token(emulator))


def commands(emulator: EmulatorThread) -> list[tuple[str, str]]:
    return [(command["name"], command["scope"]) for command in emulator.commands(DEMO_APP_ID)]


def test_the_app_is_asked_and_what_it_declares_is_registered(
    emulator: EmulatorThread, app: AppEndpoint
) -> None:
    registered = register(emulator)
    assert (registered["success"], registered["extensions"][0]["name"]) == (True, "command")
    assert [json.loads(call.body)["method"] for call in app.received] == [GET_FUNCTIONS, GET_COMMANDS]
    assert {call.path for call in app.received} == {"/v1"}
    assert commands(emulator) == [("run", "desk"), ("stop", "desk")]
    assert [(call["method"], call["outcome"]) for call in emulator.app_calls()] == [
        (GET_FUNCTIONS, "ok"),
        (GET_COMMANDS, "ok"),
    ]
    entry = emulator.journal()[-1]
    assert (entry["method"], entry["outcome"], entry["acted"]) == ("registerExtension", "ok", True)
    assert entry["client"].startswith("127.0.0.1:")


def test_a_second_registration_replaces_the_first(emulator: EmulatorThread, app: AppEndpoint) -> None:
    register(emulator)
    known = {command["name"]: command["id"] for command in emulator.commands(DEMO_APP_ID)}
    app.results[GET_COMMANDS] = {"commands": [STOP]}
    register(emulator)
    assert {c["name"]: c["id"] for c in emulator.commands(DEMO_APP_ID)} == {"stop": known["stop"]}


def test_commands_that_were_registered_in_the_older_way_stay(
    emulator: EmulatorThread, app: AppEndpoint
) -> None:
    token = app_token(emulator)
    legacy = [{**RUN, "name": "order"}, {**STOP, "description": "older"}]
    native(emulator, "registerCommands", {"appId": DEMO_APP_ID, "commands": legacy}, token)
    register(emulator)
    assert commands(emulator) == [("order", "desk"), ("stop", "desk"), ("run", "desk")]
    assert {c["name"]: c.get("description") for c in emulator.commands(DEMO_APP_ID)}["stop"] == "Stops it"
    native(emulator, "registerCommands", {"appId": DEMO_APP_ID, "commands": []}, token)
    assert sorted(commands(emulator)) == [("run", "desk"), ("stop", "desk")]


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({}, "getCommands.commands is required, it is absent"),
        (None, "getCommands must be an object, it is null"),
        ({"commands": [RUN] * 31}, "getCommands.commands must have at most 30 items, it has 31"),
        ({"commands": [], "success": True}, "getCommands.success is no field here, it is given"),
        (
            {"commands": [{**RUN, "name": "x" * 31}]},
            "getCommands.commands[0].name must have 1 to 30 characters, it has 31",
        ),
        (
            {"commands": [{name: value for name, value in RUN.items() if name != "alfMode"}]},
            "getCommands.commands[0].alfMode is required, it is absent",
        ),
        (
            {"commands": [RUN, {**STOP, "scope": "DESK"}]},
            "getCommands.commands[1].scope must be one of front, desk, it is another text",
        ),
        ({"commands": [RUN, RUN]}, "command run is given twice in scope desk"),
    ],
)
def test_what_breaks_the_limits_is_told_and_not_registered(
    emulator: EmulatorThread, app: AppEndpoint, declared: Any, told: str
) -> None:
    register(emulator)
    app.results[GET_COMMANDS] = declared
    assert register(emulator) == {"success": False, "errorMessage": "", "validationErrors": [told]}
    assert commands(emulator) == [("run", "desk"), ("stop", "desk")]


def test_each_broken_limit_is_a_text_of_the_answer(emulator: EmulatorThread, app: AppEndpoint) -> None:
    app.results[GET_COMMANDS] = {"commands": [{**RUN, "name": ""}, {**RUN, "extra": 1}]}
    assert register(emulator)["validationErrors"] == [
        "getCommands.commands[0].name is required, it is empty",
        "getCommands.commands[1].extra is no field here, it is given",
    ]


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({"success": False, "errorMessage": "not ready", "functions": []}, ("not ready", [])),
        ({"success": False, "errorMessage": "not ready"}, ("not ready", [])),
        ({"success": False, "functions": []}, ("the app does not name its functions", [])),
        ({"success": True}, ("", ["getFunctions.functions is required, it is absent"])),
        (
            {"functions": [{"name": "run"}]},
            ("", ["getFunctions.functions[0].inputSchema is required, it is absent"]),
        ),
        ([], ("", ["getFunctions must be an object, it is a list of 0"])),
    ],
)
def test_an_app_that_does_not_tell_its_functions_has_no_commands(
    emulator: EmulatorThread, app: AppEndpoint, declared: Any, told: tuple[str, list[str]]
) -> None:
    app.results[GET_FUNCTIONS] = declared
    refused = register(emulator)
    assert (refused["success"], refused["errorMessage"], refused["validationErrors"]) == (False, *told)
    assert commands(emulator) == []


def test_an_app_that_can_not_be_reached_is_no_success(emulator: EmulatorThread) -> None:
    with AppEndpoint(DEMO_SIGNING_KEY) as gone:
        emulator.set_function_endpoint(DEMO_APP_ID, gone.url)
    assert register(emulator) == {
        "success": False,
        "errorMessage": "the function endpoint was not reached: ConnectionRefusedError",
        "validationErrors": [],
    }
    assert commands(emulator) == []


def test_an_app_with_another_key_refuses_the_call(emulator: EmulatorThread, app: AppEndpoint) -> None:
    emulator.set_function_endpoint(DEMO_APP_ID, app.url, signing_key="00" * 32)
    refused = register(emulator)["errorMessage"]
    assert refused == f"{GET_FUNCTIONS} was answered with HTTP 401: invalid signature"


def test_the_provider_says_what_the_app_said(
    emulator: EmulatorThread, app: AppEndpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fields = {
        "conn_type": "channel_talk",
        "host": emulator.url,
        "login": DEMO_APP_ID,
        "password": DEMO_SECRET,
    }
    monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps(fields))
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.as_uri())
    with ChannelTalkHook() as hook:
        assert hook.call("registerExtension", COMMAND_EXTENSION)["success"] is True
        app.results[GET_COMMANDS] = {"commands": [{**RUN, "name": "x" * 31}]}
        with pytest.raises(
            ChannelRequestError,
            match=r"getCommands\.commands\[0\].name must have 1 to 30 characters, it has 31",
        ):
            hook.call("registerExtension", COMMAND_EXTENSION)
        app.raw_answer = (
            200,
            b'{"error": {"code": -32601, "type": "methodNotFound", "message": "no such method"}}',
        )
        with pytest.raises(ChannelRequestError, match=f"{GET_FUNCTIONS} was refused: no such method"):
            hook.call("registerExtension", COMMAND_EXTENSION)


def test_a_mild_emulator_does_not_mind_long_names(emulator: EmulatorThread, app: AppEndpoint) -> None:
    emulator.configure(contract="lenient")
    app.results[GET_COMMANDS] = {"commands": [{**RUN, "name": "x" * 31}]}
    register(emulator)
    assert commands(emulator) == [("x" * 31, "desk")]


@pytest.mark.parametrize("params", [{"extensionName": "widget"}, {"systemVersion": "v2"}])
def test_no_app_is_asked_for_anything_else(
    emulator: EmulatorThread, app: AppEndpoint, params: dict[str, str]
) -> None:
    assert register(emulator, **params)["success"] is True
    assert app.received == []


def test_without_an_endpoint_no_app_is_asked(emulator: EmulatorThread, app: AppEndpoint) -> None:
    emulator.set_function_endpoint(DEMO_APP_ID, None)
    assert register(emulator)["success"] is True
    assert app.received == []


def test_others_are_served_while_an_app_thinks(emulator: EmulatorThread, app: AppEndpoint) -> None:
    token = app_token(emulator)
    app.may_answer.clear()
    with ThreadPoolExecutor(1) as pool:
        registered = pool.submit(register, emulator)
        assert app.called.wait(30)
        assert native(emulator, "getCommands", {"appId": DEMO_APP_ID}, token) == []
        assert not registered.done()
        app.may_answer.set()
        assert registered.result(30)["success"] is True
    assert commands(emulator) == [("run", "desk"), ("stop", "desk")]


def test_a_fault_still_strikes_the_answer(emulator: EmulatorThread, app: AppEndpoint) -> None:
    emulator.inject("empty", method="registerExtension")
    with pytest.raises(requests.JSONDecodeError):
        register(emulator)
    assert [(entry["outcome"], entry["acted"]) for entry in emulator.journal()[-1:]] == [
        ("fault:empty", True)
    ]
    assert commands(emulator) == [("run", "desk"), ("stop", "desk")]


def test_settings_and_the_command_line_name_the_endpoint(tmp_path: Path, app: AppEndpoint) -> None:
    apps = [
        {"app_id": "own", "secret": "a", "function_endpoint": "http://127.0.0.1:1", "signing_key": "ab"},
        {"app_id": "none", "secret": "b"},
    ]
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"apps": apps}))
    arguments = _parser().parse_args(["--settings", str(file), "--function-endpoint", app.url])
    assert [item["function_endpoint"] for item in _read_settings(arguments).apps] == [
        "http://127.0.0.1:1",
        app.url,
    ]
    demo = _read_settings(_parser().parse_args(["--function-endpoint", app.url])).apps
    with EmulatorThread({"apps": demo}) as emulator:
        assert register(emulator)["success"] is True
    assert len(app.received) == 2


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ({"app_id": "demo-app", "url": "x"}, "function_endpoint must be a URL"),
        ({"app_id": "demo-app", "url": "http://h", "signing_key": "x"}, "signing_key must be hexadecimal"),
        ({"app_id": "nobody", "url": "http://h"}, "no app 'nobody'"),
    ],
)
def test_a_wrong_endpoint_is_refused(emulator: EmulatorThread, endpoint: dict[str, Any], told: str) -> None:
    app_id, url = endpoint.pop("app_id"), endpoint.pop("url")
    with pytest.raises(ValueError, match=told):
        emulator.set_function_endpoint(app_id, url, **endpoint)


def test_a_wrong_endpoint_is_refused_as_a_setting() -> None:
    with pytest.raises(ValueError, match="function_endpoint must be a URL"):
        EmulatorThread({"apps": [{"app_id": "a", "function_endpoint": 1}]})
