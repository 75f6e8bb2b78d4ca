"""The emulator's page of conversations: a person talks there with an app, and with a real Airflow."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import requests
from playwright.sync_api import expect
from support.app_endpoint import AppEndpoint

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, DEMO_SIGNING_KEY, EmulatorThread
from airflow_channel_provider.emulator.service import NATIVE_PATH
from ui.chromium import Watch
from ui.gallery import DESK, FOLDER, THEMES, WIDTHS
from ui.talk import MOST_MILLISECONDS, TalkPage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from ui.deployment import UiAirflow
    from ui.person import Person
    from ui.typed import Typed

RUN = {
    "name": "run",
    "scope": "desk",
    "actionFunctionName": "run",
    "alfMode": "disable",
    "autoCompleteFunctionName": "suggest",
    "description": "Runs a DAG",
    "paramDefinitions": [
        {"name": "dag", "type": "string", "required": True, "autoComplete": True},
        {"name": "size", "type": "string", "required": False, "choices": [{"name": "Small", "value": "s"}]},
    ],
}
HOSTILE = "<img src=x onerror=alert(1)>"
REPORT = "example_channel_talk_command"
GREETING = "example_channel_talk_answer_new_chats"


def native(emulator: EmulatorThread, method: str, params: Any, token: str = "") -> Any:
    call, headers = {"method": method, "params": params}, {"x-access-token": token}
    answer = requests.put(f"{emulator.url}{NATIVE_PATH}", json=call, headers=headers, timeout=30)
    return answer.json()["result"]


@pytest.fixture
def app() -> Iterator[AppEndpoint]:
    with AppEndpoint(DEMO_SIGNING_KEY) as endpoint:
        endpoint.results = {
            "extension.core.function.getFunctions": {"functions": []},
            "extension.command.metadata.getCommands": {"commands": [RUN]},
            "run": {"type": "text", "attributes": {"message": f"Started {HOSTILE}"}},
            "suggest": {"choices": [{"name": "Every day", "value": "daily"}]},
        }
        yield endpoint


@pytest.fixture
def emulator(app: AppEndpoint) -> Iterator[EmulatorThread]:
    with EmulatorThread() as running:
        running.set_function_endpoint(DEMO_APP_ID, app.url)
        token = native(running, "issueToken", {"secret": DEMO_SECRET})["accessToken"]
        extension = {"appId": DEMO_APP_ID, "extensionName": "command", "systemVersion": "v1"}
        assert native(running, "registerExtension", extension, token)["success"]
        yield running


@pytest.fixture
def talk(browser: Browser, emulator: EmulatorThread) -> Iterator[TalkPage]:
    with browser.new_context(viewport=DESK, color_scheme="light") as context:
        watch = Watch.over(context)
        yield TalkPage(context.new_page(), emulator.url)
        assert watch.foreign() == []
        assert watch.complaints == []


def sent_params(app: AppEndpoint) -> Any:
    """Return those of the last command; a call for suggestions may come behind it."""
    calls = [json.loads(call.body) for call in app.received]
    return [call["params"] for call in calls if call["method"] == "run"][-1]


def test_a_command_is_typed_with_suggestions_and_answered(talk: TalkPage, app: AppEndpoint) -> None:
    talk.page.get_by_label("Message or /command").fill("/run")
    expect(talk.page.locator("#hint")).to_have_text("Runs a DAG")
    talk.page.get_by_label("dag (required)").fill("da")
    expect(talk.page.locator("#suggestions-dag option")).to_have_attribute("value", "daily")
    talk.run("run", dag="daily", size="s")
    expect(talk.notice).to_contain_text("The app says: Started")
    # What an app says is text, whatever it looks like.
    expect(talk.messages).to_contain_text(f"Started {HOSTILE}")
    assert sent_params(app)["input"] == {"dag": "daily", "size": "s"}
    expect(talk.sent.first).to_contain_text("run to demo-app ok")


def test_what_is_missing_or_unknown_is_said(talk: TalkPage, app: AppEndpoint) -> None:
    talk.run("run")
    expect(talk.notice).to_have_text("dag is required")
    talk.write("/stop")
    expect(talk.notice).to_have_text("There is no command /stop for this person.")
    app.raw_answer = 200, json.dumps({"error": {"message": "You may not."}}).encode()
    talk.run("run", dag="daily")
    expect(talk.notice).to_have_text("run was refused: You may not.")


def test_buttons_lead_to_a_url_or_run_a_command(
    talk: TalkPage, emulator: EmulatorThread, app: AppEndpoint
) -> None:
    command = {"appId": DEMO_APP_ID, "name": "run", "params": {"dag": "daily"}}
    buttons = [
        {"title": "Approve", "action": {"type": "command", "attributes": command}},
        {"title": "Look", "action": {"type": "web", "attributes": {"url": f"{emulator.url}/#look"}}},
    ]
    token = native(emulator, "issueToken", {"secret": DEMO_SECRET, "channelId": "ch-1"})["accessToken"]
    dto = {"botName": "Bot", "plainText": "May it?", "buttons": buttons}
    native(emulator, "writeGroupMessage", {"channelId": "ch-1", "groupId": "group-ch-1-1", "dto": dto}, token)
    talk.page.get_by_role("button", name="Approve").click()
    expect(talk.notice).to_contain_text("The app says: Started")
    assert sent_params(app)["input"] == {"dag": "daily"}
    with talk.page.context.expect_page() as opened:
        talk.page.get_by_role("link", name="Look").click()
    expect(opened.value).to_have_url(f"{emulator.url}/#look")


def test_a_customer_and_a_manager_talk_in_a_thread(talk: TalkPage, emulator: EmulatorThread) -> None:
    talk.open_chat("Chloe Park", HOSTILE)
    talk.page.get_by_role("button", name="Reply to Chloe Park").click()
    talk.write("Can we help?")
    expect(talk.page.get_by_role("list", name="Thread")).to_contain_text("Can we help?")
    talk.page.get_by_role("button", name="Write into the chat instead").click()
    talk.page.get_by_label("Write as").select_option("Chloe Park, customer")
    talk.write("Yes, please.")
    expect(talk.messages).to_contain_text("Yes, please.")
    writers = [
        (message["personType"], message.get("rootMessageId") is None) for message in emulator.messages()
    ]
    assert writers == [("user", True), ("manager", False), ("user", True)]
    take_pictures(talk.page, "conversation")


def take_pictures(page: Page, name: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": DESK["height"]})
            page.screenshot(path=FOLDER / f"{name}-{width}-{theme}.png", full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESK)


def test_it_is_used_with_the_keyboard_alone(talk: TalkPage) -> None:
    talk.page.keyboard.press("Tab")
    expect(talk.page.get_by_role("link", name="Skip to the message box")).to_be_focused()
    talk.page.keyboard.press("Enter")
    talk.page.keyboard.press("Tab")
    talk.page.get_by_label("Message or /command").focus()
    talk.page.keyboard.type("Hello")
    talk.page.keyboard.press("Enter")
    expect(talk.messages).to_contain_text("Hello")
    expect(talk.page.get_by_label("Message or /command")).to_be_focused()


def test_a_chat_that_a_customer_opens_is_answered_by_a_dag(
    airflow: UiAirflow, admin: Person, typed: list[Typed]
) -> None:
    airflow.start_over()
    airflow.let_channel_talk_in()
    airflow.rest.unpause(GREETING)
    talk = TalkPage(admin.page, airflow.emulator.url)
    talk.open_chat("Ben Okafor", "Is the shop open?")
    expect(talk.messages).to_contain_text("Thanks for writing!", timeout=MOST_MILLISECONDS)
    expect(talk.sent.filter(has_text="userChat.opened to airflow delivered")).to_have_count(1)
    # Airflow's UI shows what started the run.
    admin.page.goto(f"{airflow.home.api_url}/dags/{GREETING}/runs")
    expect(admin.page.get_by_text(re.compile("asset.?triggered", re.IGNORECASE)).first).to_be_visible()


def test_a_command_runs_a_dag_and_airflow_shows_who_typed_it(
    airflow: UiAirflow, admin: Person, typed: list[Typed]
) -> None:
    airflow.start_over()
    airflow.let_channel_talk_in()
    airflow.rest.unpause(REPORT)
    airflow.announce_commands()
    talk = TalkPage(admin.page, airflow.emulator.url)
    talk.choose_chat("Support")
    talk.run("report", shop="Busan", days="3")
    expect(talk.notice).to_contain_text("The app says: ")
    reply = talk.messages.get_by_text(f"report: {REPORT} has succeeded.")
    expect(reply).to_be_visible(timeout=MOST_MILLISECONDS)
    expect(talk.messages.get_by_role("link", name="Open in Airflow")).to_be_visible()
    take_pictures(talk.page, "command")
    # A manager whom the DAG does not name is refused in words.
    talk.choose_chat("Sales")
    talk.page.get_by_label("Write as").select_option("Noah Weiss, manager")
    talk.run("report", shop="Busan", days="4")
    expect(talk.notice).to_contain_text("You may not run report.")
    admin.page.goto(airflow.home.api_url)
    admin.choose("Browse", "Audit Log")
    expect(admin.page.get_by_text("Channel Talk manager manager-ch-1-1").first).to_be_visible()
