"""
What a task asks people (Airflow 3.1 or newer), and what became of it.

Airflow's human-in-the-loop operators call their notifiers once the question is stored, before they wait. When they
resume, they call none, and a listener would keep DAGs that end in the triggerer from being imported: so the callbacks
of the task report what has become of the question, which the operator sums up. That is a reply in the thread of the
question, since a message can't be rewritten.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeGuard

from airflow_channel_provider import links, request_ids
from airflow_channel_provider.masking import redacted
from airflow_channel_provider.messages import markup
from airflow_channel_provider.notifications._event import (
    FAILED,
    Event,
    InThread,
    Link,
    base_url,
    blocks_of_links,
    error_line,
    facts_of,
    key_of,
    names_of,
    subject_of,
)

if TYPE_CHECKING:
    from airflow.providers.standard.operators.hitl import HITLOperator

MAX_LINKS = 20
"""So many options are links at most; the others are in the form."""

SUBJECT_LENGTH = 200
_MODULE = "airflow.providers.standard.operators.hitl"
_NO_TITLE = "(empty)"


def asks(task: object) -> TypeGuard[HITLOperator]:
    """Return whether a task is one that asks people; where nothing has imported Airflow's operators, none is."""
    module = sys.modules.get(_MODULE)
    return module is not None and isinstance(task, module.HITLOperator)


def question_of(context: Mapping[str, Any]) -> Event:
    """Return what a task asks, where it calls its notifiers."""
    from airflow_channel_provider.messages.attachments import MAX_BUTTONS, TITLE_LENGTH, is_web_url

    ti, task = context["ti"], context["task"]
    options = [Link(_shown(option), _form(ti, option)) for option in task.options]
    can_answer = is_web_url(options[0].url)
    facts = {
        "Options": ", ".join(link.title for link in options[:MAX_LINKS]),
        "Asked of": _people(getattr(task, "assigned_users", None)),
        "Answer until": _until(task),
        "Without an answer": _without_an_answer(task),
        **names_of(ti),
    }
    return Event(
        headline=_shown(task.subject),
        facts=facts_of(facts),
        error=None,
        url=None,
        key=key_of(ti, "asked"),
        subject=subject_of(ti),
        body=tuple(_read_body(task.body)),
        buttons=tuple(
            Link(_cut(title, TITLE_LENGTH), url) for title, url in options[:MAX_BUTTONS] if can_answer
        ),
        links=tuple(options[MAX_BUTTONS:MAX_LINKS] if can_answer else ()),
        thread=InThread(_thread(ti), begins=True, of_question=True),
    )


def outcome_of(context: Mapping[str, Any], error: object) -> Event | None:
    """
    Return what became of a question when its task has ended; None if that is not known.

    :param error: what the task has failed with, if it has.
    """
    ti, task = context["ti"], context["task"]
    summary: Mapping[str, Any] = getattr(task, "hitl_summary", {})
    chosen = ", ".join(map(_shown, summary.get("chosen_options") or ()))
    person = summary.get("responded_by_user")
    facts: dict[str, object] = {}
    if chosen and person:
        headline = f"Answered: {chosen}"
        facts = {"By": _people([person]), "At": _time(summary.get("responded_at"))}
        # What was filled in may be for Airflow alone.
        facts["Filled in"] = ", ".join(map(str, summary.get("params_input") or ()))
    elif chosen:
        headline = f"Not answered in time, so the default was taken: {chosen}"
        facts = {"At": _time(summary.get("responded_at"))}
    elif summary.get("error_type") == "timeout":
        headline = "Not answered in time, so the task has failed"
    elif error:
        headline = FAILED
    else:
        return None
    return Event(
        headline=redacted(_cut(headline)),
        facts=facts_of({"Question": _cut(str(task.subject)), **facts}),
        error=error_line(error) if headline == FAILED else None,
        url=None,
        key=key_of(ti, "outcome"),
        subject=subject_of(ti),
        thread=InThread(_thread(ti), ends=True, of_question=True),
    )


def _thread(ti: Any) -> tuple[object, ...]:
    return key_of(ti, "question")


def _form(ti: Any, option: str) -> str:
    return links.answer_url(base_url(), request_ids.task_key({"ti": ti}), option=option)


def _shown(option: object) -> str:
    return _cut(" ".join(redacted(str(option)).split())) or _NO_TITLE


def _cut(text: str, length: int = SUBJECT_LENGTH) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _people(users: Sequence[Mapping[str, Any]] | None) -> str:
    return ", ".join(str(user.get("name") or user.get("id")) for user in users or ())


def _until(task: Any) -> str | None:
    known = getattr(task, "hitl_summary_extra", {}).get("timeout_datetime")
    if known:
        return _time(known)
    # Airflow 3.1 has one limit for both, and older providers do not note when it ends.
    limit = getattr(task, "response_timeout", None) or task.execution_timeout
    return _time(datetime.now(tz=timezone.utc) + limit) if limit else None


def _without_an_answer(task: Any) -> str | None:
    if _until(task) is None:
        return None
    return ", ".join(map(_shown, task.defaults)) if task.defaults else "the task fails"


def _time(moment: object) -> str | None:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if not isinstance(moment, datetime):
        return None
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"


def _read_body(body: str | None) -> list[dict[str, Any]]:
    """Return the body as blocks; what in it would be a button or a file is a link here."""
    text = redacted(body or "").strip()
    if not text:
        return []
    from airflow_channel_provider.exceptions import ChannelConfigurationError
    from airflow_channel_provider.messages.markdown import read_markdown

    try:
        read = read_markdown(text)
    except ChannelConfigurationError:  # the parser is an extra
        return [{"type": "text", "value": markup.escape(text)}]
    buttons = [Link(button["title"], button["action"]["attributes"]["url"]) for button in read.buttons]
    files = [Link(file["fileName"], file["url"]) for file in read.files]
    return [*read.blocks, *blocks_of_links([*buttons, *files])]
