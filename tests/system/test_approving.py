"""Questions on a real Airflow: asked, approved, rejected, not answered in time, mapped; and alerts in one thread."""

from __future__ import annotations

import pytest

from system.approving_run import BASE_PATH, RUN_ID, Approving
from tools.demo.progress import Progress


@pytest.fixture(scope="module")
def approving(tmp_path_factory: pytest.TempPathFactory) -> Approving:
    with Approving(tmp_path_factory.mktemp("approving") / "home", Progress()) as approving:
        approving.run()
    return approving


def test_each_task_ends_as_it_was_answered(approving: Approving) -> None:
    assert approving.states == {
        **dict.fromkeys(
            ("approved", "go_on", "rejected", "default", "branch", "right", "recovers"), "success"
        ),
        "skipped": "skipped",
        "left": "skipped",
        "late": "failed",
        "mapped[0]": "success",
        "mapped[1]": "success",
    }


@pytest.mark.parametrize(
    ("subject", "headline"),
    [
        ("Approve?", "Answered: Approve"),
        ("Reject?", "Answered: Reject"),
        ("First?", "Answered: Approve"),
        ("Second?", "Answered: Approve"),
        ("Which way?", "Answered: right"),
    ],
)
def test_each_answer_closes_the_thread_of_its_question(
    approving: Approving, subject: str, headline: str
) -> None:
    (reply,) = approving.threads()[f"<b>{subject}</b>"]
    first, question, person, at = reply
    assert first == f"<b>{headline}</b>"
    assert question == f"Question: <b>{subject}</b>"
    assert person == "By: <b>admin</b>"
    assert at.endswith(" UTC</b>")


@pytest.mark.parametrize(
    ("subject", "headline"),
    [
        ("Late?", "Not answered in time, so the task has failed"),
        ("Where?", "Not answered in time, so the default was taken: Jeju"),
    ],
)
def test_a_question_that_nobody_answers_says_so(approving: Approving, subject: str, headline: str) -> None:
    (reply,) = approving.threads()[f"<b>{subject}</b>"]
    assert reply[0] == f"<b>{headline}</b>"


def test_the_alerts_of_a_task_are_one_thread(approving: Approving) -> None:
    again, recovered = approving.threads()["<b>Task failed and will be tried again</b>"]
    assert again[0] == "<b>Task failed and will be tried again</b>"
    assert recovered[0] == "<b>Task succeeded</b>"


def test_nothing_else_was_written(approving: Approving) -> None:
    threads = approving.threads()
    assert len(threads) == 8
    assert sum(map(len, threads.values())) == 9


def test_the_buttons_lead_below_the_path_of_airflow(approving: Approving) -> None:
    assert approving.home.api_url.endswith(BASE_PATH)
    form = f"/dags/approving/runs/{RUN_ID}/tasks"
    assert approving.buttons("Approve?") == {
        "Approve": f"{form}/approved/required_actions?_options=%5B%22Approve%22%5D",
        "Reject": f"{form}/approved/required_actions?_options=%5B%22Reject%22%5D",
    }
    second = f"{form}/mapped/mapped/1/required_actions?_options=%5B%22Reject%22%5D"
    assert approving.buttons("Second?")["Reject"] == second


@pytest.mark.promise(name="secrets")
def test_no_secret_is_left_in_logs_database_or_token_store(approving: Approving) -> None:
    assert approving.leaks == []
