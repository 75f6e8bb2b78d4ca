"""What a callback is about: Airflow's context becomes a headline, facts, a link and a key.

Contexts differ by where the callback runs. The context of a task has the task instance, and the exception if a worker
runs it. The context of a DAG has a ``reason``, and sometimes a task instance that it is not about. The context of a
missed deadline has plain data. The callback of a task that was killed or lost is run by the dag-processor, which knows
neither its state nor an exception. What is missing is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import conf

from airflow_channel_provider.masking import redacted
from airflow_channel_provider.messages import markup

ERROR_LENGTH = 300
# Maximum length of an error's text that is read, since masking takes time.
ERROR_READ_LENGTH = 20_000
FAILED = "Task failed"
FAILED_WITH_TRIES_LEFT = "Task failed, with tries left"
_HEADLINES = {
    "running": "Task started",
    "success": "Task succeeded",
    "skipped": "Task skipped",
    "up_for_retry": "Task failed and will be tried again",
}


@dataclass(frozen=True)
class Event:
    """
    What has happened; secrets are masked.

    :param facts: names and values, in the order in which they are shown.
    :param error: class and first line of the error of a task.
    :param url: of the log or the run, if this Airflow knows its own address.
    :param key: the same each time the callback runs for this event.
    :param subject: the task or run, in words.
    """

    headline: str
    facts: tuple[tuple[str, str], ...]
    error: str | None
    url: str | None
    key: tuple[object, ...]
    subject: str


class NoExceptionKnownError(Exception):
    """The ``exception`` in the templates of an alert when Airflow knows none. It is false, as None is."""

    def __init__(self) -> None:
        super().__init__(
            "no exception is known where this callback runs; the process of the task may have been killed"
        )

    def __bool__(self) -> bool:
        return False


def event_of(context: Mapping[str, Any]) -> Event:
    """Read a context."""
    if context.get("deadline") is not None:
        return _of_a_deadline(context)
    is_of_a_task = context.get("ti") is not None and "reason" not in context
    return _of_a_task(context) if is_of_a_task else _of_a_dag_run(context)


def blocks_of(event: Event) -> list[dict[str, Any]]:
    """Return an event as the blocks of a message."""
    facts = [
        {"type": "text", "value": f"{name}: {markup.bold(markup.escape(value))}"}
        for name, value in event.facts
    ]
    blocks: list[dict[str, Any]] = [
        {"type": "text", "value": markup.bold(markup.escape(event.headline))},
        {"type": "bullets", "blocks": facts},
    ]
    return [*blocks, {"type": "code", "value": event.error}] if event.error else blocks


def buttons_of(event: Event) -> list[dict[str, Any]]:
    """Return the button that leads to an event's log or run, where there is one."""
    from airflow_channel_provider.messages.attachments import is_web_url

    return [{"title": "Open in Airflow", "url": event.url}] if is_web_url(event.url) else []


def _of_a_task(context: Mapping[str, Any]) -> Event:
    ti, error = context["ti"], context.get("exception")
    headline = _headline(ti, _word(getattr(ti, "state", None)))
    task = ti.task_id if _map_index(ti) < 0 else f"{ti.task_id}[{ti.map_index}]"
    facts = {"DAG": ti.dag_id, "Task": task, "Run": ti.run_id, "Try": _tries(ti), "Duration": _duration(ti)}
    key = (ti.dag_id, ti.run_id, ti.task_id, _map_index(ti), getattr(ti, "try_number", None), headline)
    subject = f"{ti.dag_id}.{task}, try {getattr(ti, 'try_number', None)}, run {ti.run_id}"
    return Event(headline, _facts(facts), _error_line(error), _url_of_a_log(ti), key, subject)


def _headline(ti: Any, state: str) -> str:
    number, most = getattr(ti, "try_number", None), getattr(ti, "max_tries", None)
    has_tries_left = isinstance(number, int) and isinstance(most, int) and number <= most
    # An unknown state does not say whether a retry follows: Airflow fails some tasks that have tries left.
    return FAILED_WITH_TRIES_LEFT if not state and has_tries_left else _HEADLINES.get(state, FAILED)


def _of_a_dag_run(context: Mapping[str, Any]) -> Event:
    run, dag = context.get("dag_run"), context.get("dag")
    dag_id = getattr(run, "dag_id", None) or getattr(dag, "dag_id", None)
    run_id = context.get("run_id") or getattr(run, "run_id", None)
    state = _word(getattr(run, "state", None))
    reason = str(context.get("reason") or "")
    headline = f"DAG run: {state or reason or 'ended'}"
    facts = {"DAG": dag_id, "Run": run_id, "Reason": reason}
    key = (dag_id, run_id, getattr(run, "clear_number", None), state, reason)
    return Event(headline, _facts(facts), None, _url_of_a_run(dag_id, run_id), key, f"{dag_id}, run {run_id}")


def _of_a_deadline(context: Mapping[str, Any]) -> Event:
    run, deadline = _data(context.get("dag_run")), _data(context["deadline"])
    dag_id, run_id = run.get("dag_id"), run.get("dag_run_id") or run.get("run_id")
    facts = {
        "DAG": dag_id,
        "Run": run_id,
        "State": run.get("state"),
        "Deadline": deadline.get("deadline_time"),
    }
    key = (dag_id, run_id, deadline.get("id"))
    url = _url_of_a_run(dag_id, run_id)
    return Event("Deadline missed", _facts(facts), None, url, key, f"{dag_id}, run {run_id}")


def _data(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _word(state: object) -> str:
    return "" if state is None else str(getattr(state, "value", state))


def _map_index(ti: Any) -> int:
    index = getattr(ti, "map_index", None)
    return -1 if index is None else int(index)


def _facts(facts: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((name, redacted(str(value))) for name, value in facts.items() if value not in (None, ""))


def _error_line(error: object) -> str | None:
    if error is None or error == "":
        return None
    # Masked before it is cut: a part of a secret is none that the masker knows.
    text = redacted(text_of(error)[:ERROR_READ_LENGTH]).strip()
    line = text.splitlines()[0] if text else ""
    named = line if isinstance(error, str) else f"{type(error).__name__}: {line}".removesuffix(": ")
    return named if len(named) <= ERROR_LENGTH else f"{named[: ERROR_LENGTH - 3]}..."


def text_of(error: object) -> str:
    """Return the text of an error; an empty one if it raises an error itself."""
    try:
        return str(error)
    except Exception:  # whatever an exception of somebody else's raises about itself
        return ""


def _tries(ti: Any) -> str | None:
    number, retries = getattr(ti, "try_number", None), getattr(ti, "max_tries", None)
    if not number:
        return None
    return f"{number} of {retries + 1}" if isinstance(retries, int) and retries >= number - 1 else str(number)


def _duration(ti: Any) -> str | None:
    started = getattr(ti, "start_date", None)
    if not isinstance(started, datetime):
        return None
    ended = getattr(ti, "end_date", None) or datetime.now(tz=timezone.utc)
    return f"{max(0.0, (ended - started).total_seconds()):.1f} s"


def _url_of_a_log(ti: Any) -> str | None:
    # Without a configured address, Airflow would link to localhost.
    if not _base_url():
        return None
    # Airflow 3.0 does not know where its logs are shown.
    return getattr(ti, "log_url", None) or _url_of_a_run(ti.dag_id, ti.run_id)


def _url_of_a_run(dag_id: str | None, run_id: str | None) -> str | None:
    base_url = _base_url()
    if not (base_url and dag_id and run_id):
        return None
    return f"{base_url.rstrip('/')}/dags/{_quoted(dag_id)}/runs/{_quoted(run_id)}"


def _quoted(name: str) -> str:
    return quote(name, safe="", errors="replace")


def _base_url() -> str:
    return str(conf.get("api", "base_url", fallback="") or "")
