"""What a callback is about: Airflow's context becomes a headline, facts, a link and a key.

Contexts differ by where the callback runs. The context of a task has the task instance, and the exception if a worker
runs it. The context of a DAG has a ``reason``, and sometimes a task instance that it is not about. The context of a
missed deadline has plain data. The callback of a task that was killed or lost is run by the dag-processor, which knows
neither its state nor an exception. What is missing is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

from airflow.providers.common.compat.sdk import conf

from airflow_channel_provider.links import run_url
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
_WELL = frozenset({_HEADLINES["success"], _HEADLINES["skipped"]})
_UNWELL = frozenset({FAILED, FAILED_WITH_TRIES_LEFT, _HEADLINES["up_for_retry"]})


class Link(NamedTuple):
    """
    A button, or a link in the text.

    :param title: in words; plain text.
    """

    title: str
    url: str


@dataclass(frozen=True)
class InThread:
    """
    Where in a thread an event is; one that neither begins nor ends a thread goes on with it, or else begins it.

    :param key: the same for all events of one thread.
    :param begins: whether it is the first of its thread whatever was before.
    :param ends: whether it is the last.
    :param only_to_end: whether it is reported only where there is a thread.
    :param broadcast: whether a reply is shown in the group as well.
    :param of_question: whether the thread is that of a question, of which each notifier has its own.
    """

    key: tuple[object, ...]
    begins: bool = False
    ends: bool = False
    only_to_end: bool = False
    broadcast: bool = False
    of_question: bool = False


@dataclass(frozen=True)
class Event:
    """
    What has happened; secrets are masked.

    :param facts: names and values, in the order in which they are shown.
    :param error: class and first line of the error of a task.
    :param url: of the log or the run, if this Airflow knows its own address.
    :param key: the same each time the callback runs for this event.
    :param subject: the task or run, in words.
    :param body: blocks below the headline.
    :param buttons: in place of the one that opens ``url``.
    :param links: shown below the facts.
    :param thread: the thread that it belongs to; None: it belongs to none.
    """

    headline: str
    facts: tuple[tuple[str, str], ...]
    error: str | None
    url: str | None
    key: tuple[object, ...]
    subject: str
    body: tuple[Mapping[str, Any], ...] = ()
    buttons: tuple[Link, ...] = ()
    links: tuple[Link, ...] = ()
    thread: InThread | None = None

    @property
    def is_reply_alone(self) -> bool:
        """Whether it is in the words of this package alone: those of the notifier are about the question."""
        return self.thread is not None and self.thread.of_question and self.thread.ends


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
    facts = [_text(f"{name}: {markup.bold(markup.escape(value))}") for name, value in event.facts]
    blocks: list[dict[str, Any]] = [
        _text(markup.bold(markup.escape(event.headline))),
        *map(dict, event.body),
        *_bullets(facts),
    ]
    blocks += [{"type": "code", "value": event.error}] if event.error else []
    return [*blocks, *blocks_of_links(event.links)]


def blocks_of_links(links: Iterable[Link]) -> list[dict[str, Any]]:
    """Return links as blocks of a message."""
    return _bullets([_text(markup.link(url, markup.escape(title))) for title, url in links])


def buttons_of(event: Event) -> list[dict[str, Any]]:
    """Return an event's buttons: its own, or the one that leads to its log or run, where there is one."""
    from airflow_channel_provider.messages.attachments import is_web_url

    if event.buttons:
        return [link._asdict() for link in event.buttons]
    return [{"title": "Open in Airflow", "url": event.url}] if is_web_url(event.url) else []


def _bullets(texts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "bullets", "blocks": texts}] if texts else []


def _text(value: str) -> dict[str, Any]:
    return {"type": "text", "value": value}


def _of_a_task(context: Mapping[str, Any]) -> Event:
    ti, error = context["ti"], context.get("exception")
    headline = _headline(ti, word_of(getattr(ti, "state", None)))
    facts = {**names_of(ti), "Try": _tries(ti), "Duration": _duration(ti)}
    return Event(
        headline,
        facts_of(facts),
        error_line(error),
        _url_of_a_log(ti),
        key_of(ti, headline),
        subject_of(ti),
        thread=_thread_of(ti, headline),
    )


def names_of(ti: Any) -> dict[str, object]:
    """Return what names a task instance, as facts."""
    return {"DAG": ti.dag_id, "Task": _task_name(ti), "Run": ti.run_id}


def key_of(ti: Any, *event: object) -> tuple[object, ...]:
    """Return the key of an event of one try of a task instance."""
    return (ti.dag_id, ti.run_id, ti.task_id, map_index(ti), getattr(ti, "try_number", None), *event)


def subject_of(ti: Any) -> str:
    """Name one try of a task instance in words."""
    return f"{ti.dag_id}.{_task_name(ti)}, try {getattr(ti, 'try_number', None)}, run {ti.run_id}"


def _task_name(ti: Any) -> str:
    return str(ti.task_id) if map_index(ti) < 0 else f"{ti.task_id}[{ti.map_index}]"


def _thread_of(ti: Any, headline: str) -> InThread | None:
    """Return the place of an event among the alerts of a task instance: a failure begins or continues it."""
    key = ("alerts", ti.dag_id, ti.run_id, ti.task_id, map_index(ti))
    if headline in _WELL:
        return InThread(key, ends=True, only_to_end=True)
    return InThread(key, broadcast=headline == FAILED) if headline in _UNWELL else None


def _headline(ti: Any, state: str) -> str:
    number, most = getattr(ti, "try_number", None), getattr(ti, "max_tries", None)
    has_tries_left = isinstance(number, int) and isinstance(most, int) and number <= most
    # An unknown state does not say whether a retry follows: Airflow fails some tasks that have tries left.
    return FAILED_WITH_TRIES_LEFT if not state and has_tries_left else _HEADLINES.get(state, FAILED)


def _of_a_dag_run(context: Mapping[str, Any]) -> Event:
    run, dag = context.get("dag_run"), context.get("dag")
    dag_id = getattr(run, "dag_id", None) or getattr(dag, "dag_id", None)
    run_id = context.get("run_id") or getattr(run, "run_id", None)
    state = word_of(getattr(run, "state", None))
    reason = str(context.get("reason") or "")
    headline = f"DAG run: {state or reason or 'ended'}"
    facts = {"DAG": dag_id, "Run": run_id, "Reason": reason}
    key = (dag_id, run_id, getattr(run, "clear_number", None), state, reason)
    return Event(headline, facts_of(facts), None, run_url(dag_id, run_id), key, f"{dag_id}, run {run_id}")


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
    url = run_url(dag_id, run_id)
    return Event("Deadline missed", facts_of(facts), None, url, key, f"{dag_id}, run {run_id}")


def _data(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def word_of(state: object) -> str:
    """Return the name of a state, empty where there is none."""
    return "" if state is None else str(getattr(state, "value", state))


def map_index(ti: Any) -> int:
    """Return the map index of a task instance, -1 of one that is not mapped."""
    index = getattr(ti, "map_index", None)
    return -1 if index is None else int(index)


def facts_of(facts: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return facts as they are shown: masked, those without a value left out."""
    return tuple((name, redacted(str(value))) for name, value in facts.items() if value not in (None, ""))


def error_line(error: object) -> str | None:
    """Return class and first line of an error, masked."""
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
    if not base_url():
        return None
    # Airflow 3.0 does not know where its logs are shown.
    return getattr(ti, "log_url", None) or run_url(ti.dag_id, ti.run_id)


def base_url() -> str:
    """Return where Airflow's UI is, as far as it has been configured."""
    return str(conf.get("api", "base_url", fallback="") or "")
