"""A person runs a command in a chat: the app is called as published, and the chat shows what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.app_endpoint import AppEndpoint

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, DEMO_SIGNING_KEY, EmulatorThread
from airflow_channel_provider.emulator.buttons import Action, read_action
from airflow_channel_provider.emulator.commands import fit_arguments
from airflow_channel_provider.emulator.service import NATIVE_PATH

RUN = {
    "name": "run",
    "scope": "desk",
    "actionFunctionName": "commands.run",
    "alfMode": "disable",
    "autoCompleteFunctionName": "commands.suggest",
    "paramDefinitions": [
        {"name": "dag", "type": "string", "required": True, "autoComplete": True},
        {"name": "count", "type": "int", "required": False},
        {"name": "share", "type": "float", "required": False},
        {"name": "dry", "type": "bool", "required": False},
        {"name": "size", "type": "string", "required": False, "choices": [{"name": "Small", "value": "s"}]},
    ],
}
ASK = {"name": "ask", "scope": "front", "actionFunctionName": "commands.ask", "alfMode": "disable"}
OFF = {**ASK, "name": "off", "scope": "desk", "enabledByDefault": False}
SAID = {"type": "text", "attributes": {"message": "Started"}}
GROUP, CHAT = "group-ch-1-1", "chat-ch-1-1"


@pytest.fixture(scope="module")
def service() -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture
def app() -> Iterator[AppEndpoint]:
    with AppEndpoint(DEMO_SIGNING_KEY) as endpoint:
        endpoint.results = {
            "extension.core.function.getFunctions": {"functions": [], "success": True, "errorMessage": ""},
            "extension.command.metadata.getCommands": {"commands": [RUN, ASK, OFF]},
            "commands.run": SAID,
            "commands.ask": SAID,
        }
        yield endpoint


@pytest.fixture
def emulator(service: EmulatorThread, app: AppEndpoint) -> EmulatorThread:
    service.reset()
    service.set_function_endpoint(DEMO_APP_ID, app.url)
    call = {"appId": DEMO_APP_ID, "extensionName": "command", "systemVersion": "v1"}
    token = _native(service, "issueToken", {"secret": DEMO_SECRET})["accessToken"]
    assert _native(service, "registerExtension", call, token)["success"] is True
    app.received.clear()
    return service


def _native(emulator: EmulatorThread, method: str, params: Any, token: str = "") -> Any:
    import requests

    headers = {"x-access-token": token}
    answer = requests.put(
        f"{emulator.url}{NATIVE_PATH}", json={"method": method, "params": params}, headers=headers, timeout=30
    )
    return answer.json()["result"]


def sent(app: AppEndpoint) -> Any:
    return json.loads(app.received[-1].body)


def texts(emulator: EmulatorThread, chat_id: str) -> list[str]:
    return [message["plainText"] for message in emulator.messages(chat_id)]


def test_a_command_in_a_group_is_called_and_answered(emulator: EmulatorThread, app: AppEndpoint) -> None:
    result = emulator.run_command("run", GROUP, arguments={"dag": "daily", "count": "3"})
    assert sent(app) == {
        "method": "commands.run",
        "params": {
            "chat": {"type": "group", "id": GROUP},
            "trigger": {"type": "command", "attributes": {"chatTitle": "Support"}},
            "input": {"dag": "daily", "count": 3},
            "language": "en",
        },
        "context": {
            "caller": {"type": "manager", "id": "manager-ch-1-1"},
            "channel": {"id": "ch-1"},
            "language": "en",
        },
        "systemVersion": "v1",
    }
    (message,) = emulator.messages(GROUP)
    assert result == {
        "type": "text",
        "url": None,
        "text": "Started",
        "message_id": message["id"],
        "error": None,
    }
    assert (message["personType"], message["personId"], message["plainText"]) == (
        "bot",
        DEMO_APP_ID,
        "Started",
    )
    (noted,) = emulator.app_calls(2)
    assert (noted["method"], noted["outcome"], noted["http_status"]) == ("commands.run", "ok", 200)


def test_in_a_thread_the_app_knows_the_root_and_answers_there(
    emulator: EmulatorThread, app: AppEndpoint
) -> None:
    root = emulator.write_message(GROUP, "How is it?")
    emulator.run_command("run", GROUP, arguments={"dag": "d"}, root_message_id=root["id"], language="ko")
    assert sent(app)["params"]["trigger"]["attributes"] == {
        "chatTitle": "Support",
        "rootMessageId": root["id"],
        "broadcast": "false",
    }
    assert sent(app)["params"]["language"] == "ko"
    assert emulator.messages(GROUP)[-1]["rootMessageId"] == root["id"]
    assert emulator.messages(GROUP)[0]["thread"]["replyCount"] == 1


def test_in_a_user_chat_the_context_has_the_chat(emulator: EmulatorThread, app: AppEndpoint) -> None:
    emulator.run_command("run", CHAT, arguments={"dag": "d"}, manager_id="manager-ch-1-2")
    assert sent(app)["params"]["chat"] == {"type": "userChat", "id": CHAT}
    assert sent(app)["context"]["userChat"] == {"id": CHAT, "state": "opened"}
    assert sent(app)["context"]["caller"] == {"type": "manager", "id": "manager-ch-1-2"}


def test_a_user_runs_commands_of_the_front_alone(emulator: EmulatorThread, app: AppEndpoint) -> None:
    emulator.run_command("/ask", CHAT, user_id="user-ch-1-1")
    assert sent(app)["context"]["caller"] == {"type": "user", "id": "user-ch-1-1"}
    assert sent(app)["context"]["user"] == {"id": "user-ch-1-1"}
    with pytest.raises(ValueError, match="a user has no command 'run' in channel ch-1"):
        emulator.run_command("run", CHAT, user_id="user-ch-1-1")
    with pytest.raises(ValueError, match=r"a manager has no command 'ask'.*; .* `airflow channel register`"):
        emulator.run_command("ask", CHAT)


def test_a_direct_chat_is_one_too(emulator: EmulatorThread, app: AppEndpoint) -> None:
    channel_token = _native(emulator, "issueToken", {"secret": DEMO_SECRET, "channelId": "ch-1"})
    made = {"channelId": "ch-1", "managerIds": ["manager-ch-1-1", "manager-ch-1-2"]}
    chat = _native(emulator, "createDirectChat", made, channel_token["accessToken"])["directChat"]
    emulator.run_command("run", chat["id"], arguments={"dag": "d"})
    assert sent(app)["params"]["chat"] == {"type": "directChat", "id": chat["id"]}
    assert sent(app)["params"]["trigger"]["attributes"] == {"chatTitle": "Mina Seo, Noah Weiss"}
    assert texts(emulator, chat["id"]) == ["Started"]


def test_the_word_for_a_group_is_a_setting(emulator: EmulatorThread, app: AppEndpoint) -> None:
    emulator.configure(command_group_type="groupChat")
    emulator.run_command("run", GROUP, arguments={"dag": "d"})
    assert sent(app)["params"]["chat"] == {"type": "groupChat", "id": GROUP}


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"name": "stop"}, "a manager has no command 'stop'"),
        ({"name": "off"}, "a manager has no command 'off'"),
        ({"app_id": "other"}, "a manager has no command 'run'"),
        ({"chat_id": "nowhere"}, "no chat 'nowhere'"),
        ({"manager_id": "nobody"}, "no manager 'nobody' in this channel"),
        ({"user_id": "nobody"}, "no user 'nobody' in this channel"),
        ({"user_id": "user-ch-1-1", "manager_id": "manager-ch-1-1"}, "manager_id or user_id, not both"),
        ({"root_message_id": "msg-1"}, "no message 'msg-1' in this chat"),
        ({"arguments": {}}, "dag is required"),
        ({"arguments": {"dag": "d", "count": "many"}}, "count must be a whole number"),
    ],
)
def test_what_nobody_could_run_is_not_sent(
    emulator: EmulatorThread, app: AppEndpoint, wanted: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        emulator.run_command(**{"name": "run", "chat_id": GROUP, "arguments": {"dag": "d"}, **wanted})
    assert app.received == []


def test_a_command_that_is_off_is_run_once_it_is_switched_on(
    emulator: EmulatorThread, app: AppEndpoint
) -> None:
    token = _native(emulator, "issueToken", {"secret": DEMO_SECRET, "channelId": "ch-1"})["accessToken"]
    on = {"channelId": "ch-1", "appId": DEMO_APP_ID, "commandEnabled": True}
    _native_without_result(emulator, "toggleCommand", on, token)
    app.results["commands.ask"] = SAID
    assert emulator.run_command("off", GROUP)["text"] == "Started"


def _native_without_result(emulator: EmulatorThread, method: str, params: Any, token: str) -> None:
    import requests

    body = {"method": method, "params": params}
    answer = requests.put(
        f"{emulator.url}{NATIVE_PATH}", json=body, headers={"x-access-token": token}, timeout=30
    )
    assert not answer.json().get("error")


def test_without_an_endpoint_there_is_nobody_to_run_it(emulator: EmulatorThread) -> None:
    emulator.set_function_endpoint(DEMO_APP_ID, None)
    with pytest.raises(ValueError, match="app 'demo-app' has no function endpoint"):
        emulator.run_command("run", GROUP, arguments={"dag": "d"})


def test_arguments_that_nobody_checks_are_sent_as_they_are(
    emulator: EmulatorThread, app: AppEndpoint
) -> None:
    emulator.run_command("run", GROUP, arguments={"count": "many", "more": [1]}, checked=False)
    assert sent(app)["params"]["input"] == {"count": "many", "more": [1]}


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (None, "commands.run must be an object, it is null"),
        ({}, "commands.run.type is required, it is absent"),
        ({"type": ""}, "commands.run.type is required, it is empty"),
        ({"type": "text", "attributes": []}, "commands.run.attributes must be an object, it is a list of 0"),
        ({**SAID, "text": "x"}, "commands.run.text is no field here, it is given"),
    ],
)
def test_an_answer_that_breaks_the_schema_is_not_shown(
    emulator: EmulatorThread, app: AppEndpoint, result: Any, error: str
) -> None:
    app.results["commands.run"] = result
    answered = emulator.run_command("run", GROUP, arguments={"dag": "d"})
    assert (answered["type"], answered["error"]) == (None, error)
    assert emulator.messages(GROUP) == []


@pytest.mark.parametrize("result", [{"type": "wam", "attributes": {"name": "w"}}, {"type": "text"}])
def test_an_answer_without_a_text_writes_nothing(
    emulator: EmulatorThread, app: AppEndpoint, result: Any
) -> None:
    app.results["commands.run"] = result
    answered = emulator.run_command("run", GROUP, arguments={"dag": "d"})
    assert (answered["type"], answered["text"], answered["error"]) == (result["type"], None, None)
    assert emulator.messages(GROUP) == []


def test_a_refusal_and_an_app_that_is_gone_are_told(emulator: EmulatorThread, app: AppEndpoint) -> None:
    app.raw_answer = 200, b'{"error": {"message": "You may not run this."}}'
    answered = emulator.run_command("run", GROUP, arguments={"dag": "d"})
    assert answered["error"] == "commands.run was refused: You may not run this."
    with AppEndpoint(DEMO_SIGNING_KEY) as gone:
        emulator.set_function_endpoint(DEMO_APP_ID, gone.url)
    answered = emulator.run_command("run", GROUP, arguments={"dag": "d"})
    assert answered["error"] == "the function endpoint was not reached: ConnectionRefusedError"
    assert [call["outcome"] for call in emulator.app_calls(2)] == ["refused", "unreachable"]
    assert emulator.messages(GROUP) == []


def test_suggestions_are_asked_for_what_is_typed(emulator: EmulatorThread, app: AppEndpoint) -> None:
    app.results["commands.suggest"] = {"choices": [{"name": "Daily", "value": "daily"}]}
    found = emulator.suggest("run", GROUP, "dag", arguments={"count": 1, "dag": "da"})
    assert found == {"choices": [{"name": "Daily", "value": "daily"}], "error": None}
    assert (sent(app)["method"], sent(app)["params"]) == (
        "commands.suggest",
        {
            "chat": {"type": "group", "id": GROUP},
            "input": [
                {"focused": True, "name": "dag", "value": "da"},
                {"focused": False, "name": "count", "value": 1},
            ],
            "language": "en",
        },
    )


def test_choices_are_known_without_asking(emulator: EmulatorThread, app: AppEndpoint) -> None:
    assert emulator.suggest("run", GROUP, "size")["choices"] == [{"name": "Small", "value": "s"}]
    assert app.received == []


def test_suggestions_that_break_the_schema_are_none(emulator: EmulatorThread, app: AppEndpoint) -> None:
    app.results["commands.suggest"] = {"choices": [{"name": "Daily"}]}
    found = emulator.suggest("run", GROUP, "dag")
    assert found == {
        "choices": [],
        "error": "commands.suggest.choices[0].value is required, it is absent",
    }
    for parameter, told in (("count", "nobody suggests values for 'count'"), ("x", "no parameter 'x'")):
        with pytest.raises(ValueError, match=told):
            emulator.suggest("run", GROUP, parameter)


COMMAND_ATTRIBUTES = {"appId": DEMO_APP_ID, "name": "run", "params": {"dag": "d", "task": "ask"}}
COMMAND_BUTTONS = [
    {"commandAction": {"attributes": COMMAND_ATTRIBUTES}},
    {"type": "command", "attributes": COMMAND_ATTRIBUTES},
    {"type": "command", **COMMAND_ATTRIBUTES},
]


@pytest.mark.parametrize("action", COMMAND_BUTTONS)
def test_a_button_runs_its_command_with_its_params(
    emulator: EmulatorThread, app: AppEndpoint, action: dict[str, Any]
) -> None:
    token = _native(emulator, "issueToken", {"secret": DEMO_SECRET, "channelId": "ch-1"})["accessToken"]
    link = {"title": "Look", "action": {"type": "web", "attributes": {"url": "https://example.com/a"}}}
    dto = {
        "plainText": "May it?",
        "botName": "Bot",
        "buttons": [{"title": "Approve", "action": action}, link],
    }
    written = {"channelId": "ch-1", "groupId": GROUP, "dto": dto}
    message = _native(emulator, "writeGroupMessage", written, token)["message"]
    result = emulator.click_button(message["id"], "Approve", manager_id="manager-ch-1-2")
    assert (result["type"], result["text"]) == ("text", "Started")
    assert sent(app)["params"]["input"] == {"dag": "d", "task": "ask"}
    assert sent(app)["params"]["trigger"]["type"] == "button"
    assert sent(app)["context"]["caller"] == {"type": "manager", "id": "manager-ch-1-2"}
    assert emulator.click_button(message["id"], 1)["url"] == "https://example.com/a"
    for button in ("Refuse", 2, -1, True, None):
        with pytest.raises(ValueError, match="has no button"):
            emulator.click_button(message["id"], button)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "action",
    [
        None,
        {},
        {"type": "mail"},
        {"type": "web"},
        {"type": "web", "url": 1},
        {"webAction": []},
        {"webAction": {"attributes": []}},
        {"type": "command", "name": "run"},
        {"type": "command", "attributes": {"appId": "a", "name": "run", "params": [1]}},
    ],
)
def test_a_button_without_a_published_action_does_nothing(action: Any) -> None:
    with pytest.raises(ValueError, match="the button"):
        read_action({"action": action})


def test_a_wam_is_named() -> None:
    assert read_action({"action": {"wamAction": {"attributes": {"appId": "a", "name": "w"}}}}) == Action(
        "wam", None, "a", "w"
    )


@pytest.mark.parametrize(
    ("given", "fitting"),
    [
        ({"dag": "d", "count": " 3 "}, {"dag": "d", "count": 3}),
        ({"dag": "d", "share": "0.5"}, {"dag": "d", "share": 0.5}),
        ({"dag": "d", "share": 1}, {"dag": "d", "share": 1.0}),
        ({"dag": "d", "dry": "True"}, {"dag": "d", "dry": True}),
        ({"dag": "d", "dry": False}, {"dag": "d", "dry": False}),
        ({"dag": "d", "size": "s", "count": ""}, {"dag": "d", "size": "s"}),
    ],
)
def test_what_is_typed_is_read_as_the_type_of_the_parameter(given: Any, fitting: Any) -> None:
    assert fit_arguments(RUN, given) == fitting


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"dag": ""}, "dag is required"),
        ({"dag": 1}, "dag must be text"),
        ({"dag": "d", "count": 1.5}, "count must be a whole number"),
        ({"dag": "d", "count": True}, "count must be a whole number"),
        ({"dag": "d", "count": []}, "count must be a whole number"),
        ({"dag": "d", "share": "inf"}, "share must be a number"),
        ({"dag": "d", "share": True}, "share must be a number"),
        ({"dag": "d", "share": "9" * 400 + "x"}, "share must be a number"),
        ({"dag": "d", "dry": "perhaps"}, "dry must be true or false"),
        ({"dag": "d", "dry": {}}, "dry must be true or false"),
        ({"dag": "d", "size": "m"}, "size must be one of its choices"),
        ({"dag": "d", "more": 1}, "run has no parameter more"),
    ],
)
def test_what_does_not_fit_is_told(given: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        fit_arguments(RUN, given)


def test_a_customer_opens_a_chat_and_people_write(emulator: EmulatorThread) -> None:
    chat = emulator.open_chat("ch-2", text="Hello?")
    assert (chat["userId"], chat["channelId"]) == ("user-ch-2-1", "ch-2")
    root = emulator.messages(chat["id"])[0]
    assert (root["personType"], root["personId"], root["plainText"]) == ("user", "user-ch-2-1", "Hello?")
    emulator.write_message(chat["id"], "Yes?", manager_id="manager-ch-2-2", root_message_id=root["id"])
    assert emulator.messages(chat["id"])[0]["thread"]["managerIds"] == ["manager-ch-2-2"]
    assert emulator.open_chat("ch-2", user_id="user-ch-2-3")["userId"] == "user-ch-2-3"
    with pytest.raises(ValueError, match="no channel 'x'"):
        emulator.open_chat("x")
    with pytest.raises(ValueError, match="no user 'x' in this channel"):
        emulator.open_chat("ch-2", user_id="x")
    with pytest.raises(ValueError, match="text must not be empty"):
        emulator.write_message(chat["id"], " ")
