"""A manager types a command in a group: a DAG runs with what they have typed, and replies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.demo.outcome import text_of
from tools.demo.result import Story
from tools.demo.scenarios.base import Scenario

if TYPE_CHECKING:
    from tools.demo.local_airflow import LocalAirflow

COMMAND, GROUP, MANAGER = "report", "group-ch-1-1", "manager-ch-1-2"
ARGUMENTS = {"shop": "Busan", "days": "3"}


class Command(Scenario):
    """The commands are announced from a shell, and one is typed in the emulator, which calls the api-server."""

    dag_id = "example_channel_talk_command"

    def __init__(self, airflow: LocalAirflow) -> None:
        super().__init__(airflow)
        self._answer: dict[str, Any] = {}

    def start(self, run_id: str) -> None:
        """Announce the commands, and type one."""
        self.rest.unpause(self.dag_id)
        self.airflow.announce_commands()
        self._answer = self.emulator.run_command(COMMAND, GROUP, arguments=ARGUMENTS, manager_id=MANAGER)

    def story(self) -> Story:
        """Show what was typed, what Airflow answered at once, and the reply."""
        typed = " ".join(f"{name}={value}" for name, value in ARGUMENTS.items())
        replies = [
            text
            for text in map(text_of, self.emulator.messages(GROUP))
            if text.startswith(f"{COMMAND}: {self.dag_id}")
        ]
        lines = [f"{MANAGER} in {GROUP}: /{COMMAND} {typed}", f"at once: {self._answer.get('text')}"]
        problem = None
        if self._answer.get("error"):
            problem = str(self._answer["error"])
        elif not replies:
            problem = "the group got no reply"
        return Story(
            "A command in a chat runs a DAG", [*lines, *(f"reply: {text}" for text in replies)], problem
        )
