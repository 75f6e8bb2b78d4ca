"""A task asks one manager: a colleague clicks and is refused, she clicks, and a second click changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow_channel_provider.emulator import DEMO_APP_ID
from airflow_channel_provider.inbound.commands import ANSWER_NAME
from tools.demo.people import PARKED
from tools.demo.result import Story
from tools.demo.scenarios.base import Scenario

if TYPE_CHECKING:
    from tools.demo.local_airflow import LocalAirflow

GROUP = "group-ch-1-1"


class OneClick(Scenario):
    """Everybody clicks as soon as the task waits."""

    dag_id = "example_channel_talk_one_click"
    task_id = "ask_mina"
    clicks: ClassVar = (
        ("manager-ch-1-2", "Approve", "You are not asked."),
        ("manager-ch-1-1", "Approve", "You have answered: Approve."),
        ("manager-ch-1-1", "Reject", "This question is answered already: Approve, by Mina Seo."),
    )
    """Who clicks what, and how the answer begins."""

    def __init__(self, airflow: LocalAirflow) -> None:
        super().__init__(airflow)
        self._run_id = ""
        self._told: list[str] = []

    def start(self, run_id: str) -> str:
        """Announce the command behind the buttons, where that has not been done, and start the DAG by hand."""
        if ANSWER_NAME not in [command["name"] for command in self.emulator.commands(DEMO_APP_ID)]:
            self.airflow.announce_commands()
        self.rest.trigger(self.dag_id, run_id)
        self._run_id = run_id
        return run_id

    def act(self) -> None:
        """Click, once the scheduler has taken notice that the task waits."""
        for question in self.rest.open_questions(self._run_id):
            if question.dag_id != self.dag_id or question.state not in PARKED or self._told:
                continue
            if self.airflow.has_noticed(question):
                self._told = [self._click(manager_id, option) for manager_id, option, _ in self.clicks]

    def _click(self, manager_id: str, option: str) -> str:
        message_id = next(
            message["id"]
            for message in self.emulator.messages(GROUP)
            if any(button["action"].get("type") == "command" for button in message.get("buttons") or ())
        )
        answer = self.emulator.click_button(message_id, option, manager_id=manager_id)
        return str(answer.get("text") or answer.get("error"))

    def story(self) -> Story:
        """Show each click with what was said to it."""
        lines = [
            f"{manager_id} clicks {option}: {told}"
            for (manager_id, option, _), told in zip(self.clicks, self._told, strict=False)
        ]
        as_expected = len(self._told) == len(self.clicks) and all(
            told.startswith(expected) for told, (_, _, expected) in zip(self._told, self.clicks, strict=True)
        )
        problem = None if as_expected else "not every click was answered as it should be"
        return Story("A question is answered by a click in the chat, by who is asked", lines, problem)
