"""
The people of the demo: they answer what tasks ask, as somebody would in Airflow's UI.

Invariant: a task is answered only when the scheduler has taken notice that its process has ended. LocalExecutor reports
that some time after the task is parked, and an answer in between makes the scheduler take the resumed task for one that
was lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.demo.local_airflow import LocalAirflow
    from tools.demo.rest import Question

PARKED = frozenset({"awaiting_input", "deferred"})
ANSWER = "Approve"


class People:
    """
    Everybody who answers.

    :param airflow: where the tasks run.
    :param answers: what is answered, by task id; None: nobody answers. All others are answered with :data:`ANSWER`, or
        else with the first option.
    """

    def __init__(self, airflow: LocalAirflow, answers: Mapping[str, str | None] | None = None) -> None:
        self._airflow = airflow
        self._answers = answers or {}

    def look(self, run_id: str) -> None:
        """Answer the questions of a run that are due."""
        for question in self._airflow.rest.open_questions(run_id):
            answer = self._answer_to(question)
            if answer is not None and question.state in PARKED and self._airflow.has_noticed(question):
                self._airflow.rest.answer(question, answer)
                self._airflow.progress.step(f"{question.dag_id}: answered {question.subject!r} with {answer}")

    def _answer_to(self, question: Question) -> str | None:
        likely = ANSWER if ANSWER in question.options else question.options[0]
        return self._answers.get(question.task_id, likely)
