"""Notifier for Channel Talk.

A failed alert never affects the task or DAG run that it is about: every error becomes one line in the log. An alert is
one message however often its callback runs. Secrets that Airflow's masker knows are masked in it. What follows on an
earlier message, such as the answer to a question, is a reply in its thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import json
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitTimeoutError
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from airflow.providers.common.compat.sdk import BaseNotifier

from airflow_channel_provider import request_ids
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelRequestError
from airflow_channel_provider.hooks.threads import Thread
from airflow_channel_provider.ids import optional_id
from airflow_channel_provider.masking import redacted
from airflow_channel_provider.notifications._event import (
    Event,
    NoExceptionKnownError,
    blocks_of,
    blocks_of_links,
    buttons_of,
    event_of,
    text_of,
    word_of,
)
from airflow_channel_provider.notifications._question import asks, outcome_of, question_of
from airflow_channel_provider.rendered import CONTENT_FIELDS, content_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

__all__ = ["ChannelTalkNotifier"]

T = TypeVar("T")

CALL_ATTEMPTS = 3
# Longest single wait for a token or a rate limit.
MAX_WAIT_SECONDS = 5.0
# How the service refuses a reply to a message that it does not have.
_ROOT_REFUSED = (400, 404, 422)
CONTENT = ("text", "markdown", "blocks", "files", "web_page", "form")


class ContextArgument(TypedDict, total=False):
    """What every notifier of Airflow takes, from Airflow 3.1 on; its own documentation describes it."""

    context: Context | None


class ChannelTalkNotifier(BaseNotifier):
    """
    Writes a message to a group or a user chat when something has happened to a task or a DAG run.

    Use it as ``on_failure_callback``, ``on_retry_callback``, ``on_success_callback`` and the like, or as the callback
    of a deadline alert. Without content of its own, or if that can't be rendered, the message describes the event:
    DAG, task, run, try, duration, class and first line of the error, and, if ``[api] base_url`` is set, a button that
    opens the log. It never fails a task: an error is logged as a warning.

    Among the ``notifiers`` of a task that asks people (``ApprovalOperator`` and the like, Airflow 3.1 or newer), it
    shows the question: subject, body, options, who is asked and until when, and if ``[api] base_url`` is set, buttons
    that open the form with an option chosen. As ``on_success_callback``, ``on_retry_callback`` and
    ``on_failure_callback`` of the same task, it replies in the thread who decided what, or that nobody did in time.

    :param group_id: the group. (templated)
    :param group_name: the group by its title or name, instead of ``group_id``; costs a look-up. (templated)
    :param user_chat_id: the user chat, instead of a group. (templated)
    :param text: the message as plain text. (templated)
    :param markdown: the message as Markdown, which becomes blocks, link buttons and files. (templated)
    :param blocks: the message as blocks, instead of text or with it; their text is markup. (templated)
    :param bot_name: name of the sender. (templated)
    :param buttons: at most 2 buttons, each with ``title`` and ``url``, or with an ``action`` of its own. (templated)
    :param files: at most 30 files: URLs, or mappings with ``url``, ``fileName`` and ``mime``. (templated)
    :param options: message options, such as ``MESSAGE_OPTION_IMMUTABLE``. (templated)
    :param private: whether only managers see the message.
    :param silent: whether the message notifies nobody; ``manager`` or ``user``: not that side.
    :param web_page: a link preview. (templated)
    :param form: a form. (templated)
    :param channel_id: the channel to act in; default: the connection's. (templated)
    :param channel_talk_conn_id: connection of the type ``channel_talk``. (templated)
    :param max_total_wait_seconds: how long the callback waits for the service altogether, in seconds; then it returns
        and the message may or may not be sent.
    :param thread: whether the alerts about a task instance are one thread: its first failure begins the thread, the
        failures of later tries and the recovery are replies, and a success without a failure before is no message.
        In a user chat, which has no threads, they are messages.
    """

    template_fields: Sequence[str] = (
        "group_id",
        "group_name",
        "user_chat_id",
        *CONTENT_FIELDS,
        "channel_id",
        "channel_talk_conn_id",
    )
    _call_attempts: int | None = CALL_ATTEMPTS
    _max_wait_seconds: float | None = MAX_WAIT_SECONDS

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group_name: str | None = None,
        user_chat_id: str | None = None,
        text: str | None = None,
        markdown: str | None = None,
        blocks: Sequence[Mapping[str, Any]] | str | None = None,
        bot_name: str | None = "Airflow",
        buttons: Sequence[Mapping[str, Any]] | str | None = None,
        files: Sequence[Mapping[str, Any] | str] | str | None = None,
        options: Sequence[str] | str | None = None,
        private: bool = False,
        silent: bool | str = False,
        web_page: Mapping[str, Any] | str | None = None,
        form: Mapping[str, Any] | str | None = None,
        channel_id: str | None = None,
        channel_talk_conn_id: str = "channel_talk_default",
        max_total_wait_seconds: float = 20.0,
        thread: bool = False,
        **kwargs: Unpack[ContextArgument],
    ) -> None:
        super().__init__(**kwargs)
        self.group_id = group_id
        self.group_name = group_name
        self.user_chat_id = user_chat_id
        self.text = text
        self.markdown = markdown
        self.blocks = blocks
        self.bot_name = bot_name
        self.buttons = buttons
        self.files = files
        self.options = options
        self.private = private
        self.silent = silent
        self.web_page = web_page
        self.form = form
        self.channel_id = channel_id
        self.channel_talk_conn_id = channel_talk_conn_id
        self.max_total_wait_seconds = max_total_wait_seconds
        self.thread = thread
        self._written_as: str | None = None

    def __call__(self, *args: Any) -> None:
        """
        Send the alert.

        :param args: the context.
        """
        with self._harmless():
            self._rendered(args[0]).notify(args[0])

    def __await__(self) -> Generator[Any, None, None]:
        """Send the alert of the context that the notifier was made with."""
        return self._call_async(self.context).__await__()

    def notify(self, context: Context) -> None:
        """
        Send the alert, its fields rendered already.

        :param context: of the callback.
        """
        with self._harmless():
            self._report(context)

    async def async_notify(self, context: Context) -> None:
        """
        Send the alert, its fields rendered already, from a thread: the event loop goes on.

        :param context: of the callback.
        """
        await asyncio.to_thread(self.notify, context)

    async def _call_async(self, context: Context) -> None:
        with self._harmless():
            await self._rendered(context).async_notify(context)

    def _rendered(self, context: Context) -> ChannelTalkNotifier:
        """Return a copy with its fields rendered: one notifier may serve many tasks of a process."""
        known = copy.copy(context)
        if "exception" not in known:
            known["exception"] = NoExceptionKnownError()
        rendered = self._copy()
        try:
            rendered.render_template_fields(known)
        except Exception as error:
            self.log.warning(
                "The content of the alert can't be rendered, so it describes the event instead: %s",
                _text(error),
            )
            rendered = self._copy()
            rendered._leave_content_out()  # noqa: SLF001 - a copy of this one
            rendered.render_template_fields(known)
        return rendered

    def _leave_content_out(self) -> None:
        for name in (*CONTENT, "buttons"):
            setattr(self, name, None)

    def _report(self, context: Context) -> None:
        self._deliver(self._event_of(context))

    def _event_of(self, context: Context) -> Event:
        task: Any = context.get("task")
        if not (asks(task) and any(self._is_the_same_as(one) for one in task.notifiers)):
            return event_of(context)
        if word_of(getattr(context["ti"], "state", None)) == "running":
            return question_of(context)
        return outcome_of(context, context.get("exception")) or event_of(context)

    def _report_outcome(self, context: Context, error: Exception | None) -> None:
        """Reply to a question that this notifier has asked, its fields rendered already."""
        with self._harmless():
            event = outcome_of(context, error)
            if event is not None:
                self._deliver(event)

    def _is_the_same_as(self, other: object) -> bool:
        return isinstance(other, ChannelTalkNotifier) and other._identity() == self._identity()  # noqa: SLF001

    def get_template_env(self, dag: Any = None) -> Any:
        """Return what renders; ``dag.test()`` of Airflow 3 gives the callback of a DAG one that has no templates."""
        return super().get_template_env(dag if hasattr(dag, "get_template_env") else None)

    def _copy(self) -> ChannelTalkNotifier:
        copied = copy.copy(self)
        copied._written_as = self._fingerprint()  # noqa: SLF001 - a copy of this one
        return copied

    def _fingerprint(self) -> str:
        """Return a hash of the templates, which distinguishes several notifiers of the same callback."""
        fields = [getattr(self, name) for name in self.template_fields]
        return hashlib.sha256(json.dumps(fields, default=str).encode()).hexdigest()

    @contextlib.contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.log.warning("The alert was not sent: %s", _text(error))

    def _deliver(self, event: Event) -> None:
        from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
        from airflow_channel_provider.messages.dto import message_dto

        dto = self._with_ways_to_answer(message_dto(**self._content(event)), event)
        hook = ChannelTalkHook(
            self.channel_talk_conn_id,
            call_attempts=self._call_attempts,
            max_wait_seconds=self._max_wait_seconds,
            caller=f"an alert of {event.subject}",
        )
        # The first look-up of a connection in a triggerer takes seconds; they do not count as waiting for the service.
        _ = hook.settings
        self._in_time(lambda: self._write(hook, dto, event))

    def _in_time(self, work: Callable[[], None]) -> None:
        run_within(self.max_total_wait_seconds, work)

    def _content(self, event: Event) -> dict[str, Any]:
        content: dict[str, Any] = _masked(content_of(self))
        if event.is_reply_alone:
            content |= dict.fromkeys((*CONTENT, "buttons"))
        if not any(content[name] for name in CONTENT):
            content["blocks"] = blocks_of(event)
            content["buttons"] = content["buttons"] or buttons_of(event)
        return content

    def _with_ways_to_answer(self, dto: dict[str, Any], event: Event) -> dict[str, Any]:
        """Return a message with ways to answer its question, where it has words and buttons of its own."""
        from airflow_channel_provider.messages.attachments import message_button

        if not event.buttons or "buttons" in dto:
            return dto
        blocks = [*dto.get("blocks", ()), *blocks_of_links(event.links)]
        buttons = [message_button(button) for button in buttons_of(event)]
        return {**dto, "buttons": buttons, **({"blocks": blocks} if blocks else {})}

    def _identity(self) -> str:
        return self._written_as or self._fingerprint()

    def _request_id(self, event: Event) -> str:
        return request_ids.for_event("alert", *event.key, self._identity())

    def _write(self, hook: ChannelTalkHook, dto: Mapping[str, Any], event: Event) -> None:
        with hook:
            method, target = self._target(hook)
            place = event.thread if event.thread and (self.thread or event.thread.of_question) else None
            if place is None:
                self._send(hook, method, {**target, "dto": dto}, event)
                return
            whose = (self._identity(),) if place.of_question else ()
            thread = Thread(hook, *place.key, *target.values(), *whose)
            root = None if place.begins else thread.root()
            if place.only_to_end and root is None:
                self.log.info("Nothing was sent: no earlier message is waiting for this one")
                return
            written = self._send(hook, method, {**target, "dto": dto}, event, root=root)
            if place.ends:
                thread.close()
            elif root is None and written is not None:
                thread.open(written)

    def _send(
        self,
        hook: ChannelTalkHook,
        method: str,
        params: dict[str, Any],
        event: Event,
        *,
        root: str | None = None,
    ) -> str | None:
        """
        Write the message and return its id.

        :param root: the message that it replies to; if the service refuses that, it is no reply.
        """
        from airflow_channel_provider.messages.dto import message_id

        def call(given: Mapping[str, Any]) -> str | None:
            prepared = hook.prepare(
                method, given, channel_id=self.channel_id, request_id=self._request_id(event)
            )
            return message_id(hook.send(prepared))

        if root is None or "groupId" not in params:
            written = call(params)
        else:
            broadcast = {"broadcast": True} if event.thread and event.thread.broadcast else {}
            try:
                written = call({**params, "rootMessageId": root, **broadcast})
            except ChannelRequestError as error:
                if error.http_status not in _ROOT_REFUSED:
                    raise
                self.log.warning("The message that this one replies to may be gone: %s", _text(error))
                written = call(params)
        self.log.info("The alert was sent: message %s", written)
        return written

    def _target(self, hook: ChannelTalkHook) -> tuple[str, dict[str, str]]:
        group_id = optional_id("group_id", self.group_id)
        user_chat_id = optional_id("user_chat_id", self.user_chat_id)
        if sum(map(bool, (group_id, self.group_name, user_chat_id))) != 1:
            raise ChannelConfigurationError("Give one of group_id, group_name and user_chat_id.")
        if user_chat_id:
            return "writeUserChatMessage", {"userChatId": user_chat_id}
        if group_id:
            return "writeGroupMessage", {"groupId": group_id}
        from airflow_channel_provider.hooks.groups import group_id_of

        group_id = group_id_of(hook, str(self.group_name), channel_id=self.channel_id)
        return "writeGroupMessage", {"groupId": group_id}


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {redacted(text_of(error))}"


def _masked(value: Any) -> Any:
    """Mask each text in a value, however deep."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {name: _masked(item) for name, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, (list, tuple)) else value


def run_within(seconds: float, work: Callable[[], T]) -> T:
    """
    Return what work returns, if it ends in time.

    Work that takes longer goes on in a daemon thread, and its result is dropped.

    :raises TimeoutError: it has not ended in time.
    """
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # raised again where it is waited for
            result.set_exception(error)

    threading.Thread(target=run, name="alert", daemon=True).start()
    try:
        return result.result(timeout=seconds)
    except WaitTimeoutError as error:  # no TimeoutError of Python's own before 3.11
        if result.done():
            raise
        raise TimeoutError(f"it took longer than {seconds:.0f} s") from error
