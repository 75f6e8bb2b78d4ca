"""
The people of the demo: they answer what tasks ask, as somebody would in Airflow's UI.

A task that has been parked for a moment only is not answered yet. LocalExecutor reports the end of its process some
time after the task is parked, and an answer in between makes the scheduler take the resumed task for one that was lost.
So a person waits until the scheduler has shown signs of life after having had the time to hear of that.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.demo.progress import Progress
    from tools.demo.rest import AirflowRest, Question

PARKED = frozenset({"awaiting_input", "deferred"})
HEARD_OF_SECONDS = 3.0
ANSWER = "Approve"


class People:
    """
    Everybody who answers.

    :param progress: where to say it.
    :param answers: what is answered, by task id; None: nobody answers. All others are answered with :data:`ANSWER`, or
        else with the first option.
    """

    def __init__(self, progress: Progress, answers: Mapping[str, str | None] | None = None) -> None:
        self._progress = progress
        self._answers = answers or {}
        self._parked_at: dict[Question, datetime] = {}

    def look(self, rest: AirflowRest, run_id: str) -> None:
        """Answer the questions of a run that are due."""
        heartbeat = rest.scheduler_heartbeat()
        for question in rest.open_questions(run_id):
            if heartbeat is None or question.state not in PARKED:
                continue
            # Both by the scheduler's clock.
            parked_at = self._parked_at.setdefault(question, heartbeat)
            if heartbeat > parked_at + timedelta(seconds=HEARD_OF_SECONDS):
                answer = self._answer_to(question)
                if answer is not None:
                    rest.answer(question, answer)
                    self._progress.step(f"{question.dag_id}: answered {question.subject!r} with {answer}")

    def _answer_to(self, question: Question) -> str | None:
        likely = ANSWER if ANSWER in question.options else question.options[0]
        return self._answers.get(question.task_id, likely)
