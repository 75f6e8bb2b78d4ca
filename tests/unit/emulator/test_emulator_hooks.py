"""Hooks of an app: a request to its public address is answered at once, and the app is called until it has taken it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from support.app_endpoint import AppEndpoint

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, DEMO_SIGNING_KEY, EmulatorThread
from airflow_channel_provider.emulator.hooks import read_hooks
from airflow_channel_provider.emulator.service import NATIVE_PATH

TOKEN = "t0ken_" * 6
RECEIVE = {
    "type": "webhook.received",
    "actionFunctionName": "hooks.receive",
    "targetId": "orders",
    "webhook": {"endpointToken": TOKEN},
}
INSTALLED = {"type": "app.installed", "actionFunctionName": "hooks.installed", "systemVersion": "v1"}
GET_HOOKS = "extension.hook.metadata.getHooks"


@pytest.fixture(scope="module")
def service() -> Iterator[EmulatorThread]:
    with EmulatorThread({"webhook_retry_seconds": 0.01}) as emulator:
        yield emulator


@pytest.fixture
def app() -> Iterator[AppEndpoint]:
    with AppEndpoint(DEMO_SIGNING_KEY) as endpoint:
        endpoint.results = {
            "extension.core.function.getFunctions": {"functions": []},
            GET_HOOKS: {"hooks": [RECEIVE, INSTALLED]},
        }
        yield endpoint


@pytest.fixture
def emulator(service: EmulatorThread, app: AppEndpoint) -> EmulatorThread:
    service.reset()
    service.set_function_endpoint(DEMO_APP_ID, app.url)
    return service


def register(emulator: EmulatorThread) -> Any:
    def native(method: str, params: Any, token: str = "") -> Any:
        call = {"method": method, "params": params}
        url, headers = f"{emulator.url}{NATIVE_PATH}", {"x-access-token": token}
        return requests.put(url, json=call, headers=headers, timeout=30).json()["result"]

    token = native("issueToken", {"secret": DEMO_SECRET})["accessToken"]
    wanted = {"appId": DEMO_APP_ID, "extensionName": "hook", "systemVersion": "v1"}
    return native("registerExtension", wanted, token)


def post(emulator: EmulatorThread, path: str, body: bytes = b"{}") -> int:
    url = f"{emulator.url}/public/v1/apps/{path}?a=1&a=2"
    return requests.post(url, data=body, headers={"X-Of-Sender": "yes"}, timeout=30).status_code


def call_hook(emulator: EmulatorThread, **wanted: Any) -> int:
    return emulator.call_hook(**wanted)


def delivered(emulator: EmulatorThread) -> list[Any]:
    """The deliveries, once none is under way."""
    while any(entry["ended_at"] is None for entry in emulator.deliveries()):
        pass
    return emulator.deliveries()


def test_a_request_is_answered_with_202_and_the_app_gets_all_of_it(
    emulator: EmulatorThread, app: AppEndpoint
) -> None:
    assert register(emulator)["success"] is True
    assert post(emulator, f"{DEMO_APP_ID}/hooks/orders/{TOKEN}", b'{"order": "A-1"}') == 202
    (entry,) = delivered(emulator)
    assert (entry["kind"], entry["target"], entry["event"], entry["state"]) == (
        "hook",
        DEMO_APP_ID,
        "webhook.received",
        "delivered",
    )
    call = json.loads(app.received[-1].body)
    assert (call["method"], call["systemVersion"]) == ("hooks.receive", "v1")
    assert call["context"] == {"caller": {"type": "system", "id": "system"}}
    params = call["params"]
    assert (params["appId"], params["targetId"]) == (DEMO_APP_ID, "orders")
    assert b64decode(params["request"]["rawBodyBase64"]) == b'{"order": "A-1"}'
    assert params["request"]["body"] == {"order": "A-1"}
    assert params["request"]["query"] == {"a": "2"}
    assert params["request"]["headers"]["x-of-sender"] == "yes"
    journal = emulator.journal()[-1]
    assert (journal["http_status"], journal["app_id"], journal["acted"]) == (202, DEMO_APP_ID, True)
    assert TOKEN not in json.dumps([journal, entry])


def test_a_body_that_is_no_json_is_delivered_as_it_is(emulator: EmulatorThread, app: AppEndpoint) -> None:
    register(emulator)
    assert post(emulator, f"{DEMO_APP_ID}/hooks/orders/{TOKEN}", b"\xff=1") == 202
    delivered(emulator)
    request = json.loads(app.received[-1].body)["params"]["request"]
    assert (b64decode(request["rawBodyBase64"]), "body" in request) == (b"\xff=1", False)


def test_an_app_that_is_away_is_called_again_with_the_same_delivery(
    emulator: EmulatorThread, app: AppEndpoint
) -> None:
    register(emulator)
    app.received.clear()
    app.raw_answer = 503, b""
    assert post(emulator, f"{DEMO_APP_ID}/hooks/orders/{TOKEN}") == 202
    while len(app.received) < 2:
        pass
    app.raw_answer = None
    (entry,) = delivered(emulator)
    assert (entry["state"], entry["attempts"]) == ("delivered", len(app.received))
    assert {call.body for call in app.received} == {app.received[0].body}


@pytest.mark.parametrize(
    "path",
    [
        f"{DEMO_APP_ID}/hooks/orders/{TOKEN[:-1]}",
        f"{DEMO_APP_ID}/hooks/orders/",
        f"{DEMO_APP_ID}/hooks/others/{TOKEN}",
        f"other/hooks/orders/{TOKEN}",
        f"{DEMO_APP_ID}/hooks",
        "",
    ],
)
def test_another_address_is_that_of_no_hook(emulator: EmulatorThread, path: str) -> None:
    register(emulator)
    assert post(emulator, path) == 404
    assert emulator.deliveries() == []


def test_an_app_is_told_what_happened_to_it(emulator: EmulatorThread, app: AppEndpoint) -> None:
    register(emulator)
    assert emulator.call_hook(DEMO_APP_ID, "app.installed", channel_id="ch-1", params={"by": "me"}) == 1
    assert [entry["state"] for entry in delivered(emulator)] == ["delivered"]
    call = json.loads(app.received[-1].body)
    assert (call["method"], call["params"]) == ("hooks.installed", {"by": "me"})
    assert call["context"]["channel"] == {"id": "ch-1"}
    for wanted, told in (
        ({"hook_type": "app.uninstalled"}, "has no hook for 'app.uninstalled'"),
        ({"app_id": "x"}, "no app 'x'"),
        ({"channel_id": "x"}, "no channel 'x'"),
        ({"target_id": "x"}, "has no hook for 'app.installed'"),
    ):
        with pytest.raises(ValueError, match=told):
            call_hook(emulator, **{"app_id": DEMO_APP_ID, "hook_type": "app.installed", **wanted})


@pytest.mark.parametrize(
    ("hooks", "told"),
    [
        ([{**INSTALLED, "type": "app.moved"}], "getHooks.hooks[0].type must be one of"),
        ([{**INSTALLED, "actionFunctionName": "1st"}], "must be the name of a function"),
        ([{**INSTALLED, "more": 1}], "getHooks.hooks[0].more is no field here"),
        (
            [{**RECEIVE, "webhook": {"endpointToken": "short"}}],
            "endpointToken must have 32 to 128 characters",
        ),
        ([INSTALLED, INSTALLED], "a hook is given twice"),
    ],
)
def test_hooks_that_break_the_schema_are_not_registered(
    emulator: EmulatorThread, app: AppEndpoint, hooks: Any, told: str
) -> None:
    app.results[GET_HOOKS] = {"hooks": hooks}
    refused = register(emulator)
    assert refused["success"] is False
    assert told in refused["validationErrors"][0]


@pytest.mark.parametrize(
    "hook",
    [
        {**INSTALLED, "targetId": "x"},
        {**INSTALLED, "webhook": {"endpointToken": TOKEN}},
        {"type": "widget.installed", "actionFunctionName": "f"},
        {name: value for name, value in RECEIVE.items() if name != "webhook"},
        {name: value for name, value in RECEIVE.items() if name != "targetId"},
        {**RECEIVE, "targetId": "-x"},
        {**RECEIVE, "targetId": "x" * 65},
        {**RECEIVE, "webhook": {}},
        {**RECEIVE, "webhook": {"executionScope": "app"}},
        {**RECEIVE, "webhook": {"executionScope": "manager", "endpointToken": TOKEN}},
    ],
)
def test_fields_of_a_hook_fit_together(hook: Any) -> None:
    with pytest.raises(ValueError, match=r"targetId|webhook"):
        read_hooks([hook])


def test_a_hook_of_managers_has_no_public_address() -> None:
    (hook,) = read_hooks([{**RECEIVE, "webhook": {"executionScope": "manager"}}])
    assert (hook.token_digest, TOKEN in repr(read_hooks([RECEIVE]))) == (b"", False)
