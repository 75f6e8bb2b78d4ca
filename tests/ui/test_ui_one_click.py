"""A question that is answered by a click on the emulator's page of conversations: by whom, once, and in time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tools.demo.people import PARKED
from ui.gallery import FOLDER
from ui.talk import MOST_MILLISECONDS, TalkPage

if TYPE_CHECKING:
    from ui.deployment import UiAirflow
    from ui.person import Person

DAG_ID, TASK_ID = "example_channel_talk_one_click", "ask_mina"
MINA, NOAH = "Mina Seo, manager", "Noah Weiss, manager"


def ask(airflow: UiAirflow, run_id: str) -> None:
    """Run the DAG until its task waits for an answer."""
    airflow.rest.trigger(DAG_ID, run_id)

    def waits() -> bool:
        asked = [one for one in airflow.rest.open_questions(run_id) if one.task_id == TASK_ID]
        return any(one.state in PARKED and airflow.has_noticed(one) for one in asked)

    airflow.wait_until("the question waits", waits)


def click(talk: TalkPage, who: str, title: str) -> None:
    """Click a button of the newest question."""
    talk.page.get_by_label("Write as").select_option(who)
    talk.messages.get_by_role("button", name=title, exact=True).last.click()


@pytest.mark.usefixtures("typed")
def test_only_the_person_who_is_asked_answers_once_and_in_time(airflow: UiAirflow, admin: Person) -> None:
    airflow.start_over()
    airflow.let_channel_talk_in()
    airflow.announce_commands()
    ask(airflow, "one-click")
    talk = TalkPage(admin.page, airflow.emulator.url)
    talk.choose_chat("Support")
    expect(talk.messages).to_contain_text("Asked of: Mina Seo")
    click(talk, NOAH, "Approve")
    expect(talk.notice).to_contain_text("You are not asked.")
    click(talk, MINA, "Approve")
    expect(talk.notice).to_contain_text("You have answered: Approve.")
    click(talk, MINA, "Reject")
    expect(talk.notice).to_contain_text("This question is answered already: Approve, by Mina Seo.")
    click(talk, NOAH, "Reject")
    expect(talk.notice).to_contain_text("You are not asked.")
    expect(talk.messages).to_contain_text("The refunds are on their way.", timeout=MOST_MILLISECONDS)
    expect(talk.page.get_by_text("Answered: Approve").first).to_be_visible()
    talk.page.screenshot(path=FOLDER / "one-click.png", full_page=True)
    # Airflow's UI shows who has answered: in the form of the question, and in the audit log.
    admin.page.goto(f"{admin.url}/dags/{DAG_ID}/runs/one-click/tasks/{TASK_ID}/required_actions")
    expect(admin.page.get_by_text("Mina Seo").first).to_be_visible()
    admin.choose("Browse", "Audit Log")
    row = admin.page.get_by_role("row").filter(has_text="update_hitl_detail")
    expect(row.get_by_text(re.compile("Mina Seo|manager-ch-1-1")).first).to_be_visible()


@pytest.mark.usefixtures("typed")
def test_a_question_that_is_over_is_refused_in_words(airflow: UiAirflow, admin: Person) -> None:
    airflow.start_over()
    airflow.let_channel_talk_in()
    airflow.announce_commands()
    ask(airflow, "over")
    airflow.rest.set_task_state(DAG_ID, "over", TASK_ID, "failed")
    talk = TalkPage(admin.page, airflow.emulator.url)
    talk.choose_chat("Support")
    click(talk, MINA, "Approve")
    expect(talk.notice).to_contain_text("This question is over: its task has ended.")
