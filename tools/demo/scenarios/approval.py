"""A task asks a group for approval: somebody answers in Airflow, and the thread says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.demo.outcome import text_of
from tools.demo.people import People
from tools.demo.result import Story
from tools.demo.scenarios.base import Scenario
from tools.demo.scenarios.one_click import OneClick

if TYPE_CHECKING:
    from tools.demo.local_airflow import LocalAirflow

QUESTIONS = 3


class Approval(Scenario):
    """Each question is answered as soon as its task waits."""

    dag_id = "example_channel_talk_approval"

    def __init__(self, airflow: LocalAirflow) -> None:
        super().__init__(airflow)
        self._people = People(airflow, {OneClick.task_id: None})
        self._run_id = ""

    def start(self, run_id: str) -> str:
        """Start the DAG by hand."""
        self.rest.trigger(self.dag_id, run_id)
        self._run_id = run_id
        return run_id

    def act(self) -> None:
        """Answer what is asked."""
        self._people.look(self._run_id)

    def story(self) -> Story:
        """Show each question with the reply to it."""
        messages = self.emulator.messages()
        lines = []
        for reply in messages:
            for question in messages:
                is_ours = self.dag_id in text_of(question)
                if is_ours and reply.get("rootMessageId") == question["id"]:
                    lines.append(f"{question['chatId']}: {text_of(question)}")
                    lines.append(f"  in its thread: {text_of(reply)}")
        closed = sum("Answered: " in line for line in lines)
        problem = None if closed == QUESTIONS else f"{closed} questions were answered instead of {QUESTIONS}"
        return Story("A task asks for approval in a group, and somebody approves in Airflow", lines, problem)
