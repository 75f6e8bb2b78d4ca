"""Notifier for Channel Talk.

A failed alert never affects the task or DAG run that it is about: every error becomes one line in the log. An alert is
one message however often its callback runs. Secrets that Airflow's masker knows are masked in it.
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
from airflow_channel_provider.arguments import CONTENT_FIELDS, content_of
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.masking import redacted
from airflow_channel_provider.notifications._event import (
    Event,
    NoExceptionKnownError,
    blocks_of,
    buttons_of,
    event_of,
    text_of,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

__all__ = ["ChannelTalkNotifier"]

T = TypeVar("T")

CALL_ATTEMPTS = 3
# Longest single wait for a token or a rate limit.
MAX_WAIT_SECONDS = 5.0
_CONTENT = ("text", "markdown", "blocks", "files", "web_page", "form")


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
    """

    template_fields: Sequence[str] = (
        "group_id",
        "group_name",
        "user_chat_id",
        *CONTENT_FIELDS,
        "channel_id",
        "channel_talk_conn_id",
    )

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
            self._deliver(event_of(context))

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
            for name in (*_CONTENT, "buttons"):
                setattr(rendered, name, None)
            rendered.render_template_fields(known)
        return rendered

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

        dto = message_dto(**self._content(event))
        hook = ChannelTalkHook(
            self.channel_talk_conn_id,
            call_attempts=CALL_ATTEMPTS,
            max_wait_seconds=MAX_WAIT_SECONDS,
            caller=f"an alert of {event.subject}",
        )
        # The first look-up of a connection in a triggerer takes seconds; they do not count as waiting for the service.
        _ = hook.settings
        written = run_within(self.max_total_wait_seconds, lambda: self._write(hook, dto, event))
        self.log.info("The alert was sent: message %s", written)

    def _content(self, event: Event) -> dict[str, Any]:
        content: dict[str, Any] = _masked(content_of(self))
        if not any(content[name] for name in _CONTENT):
            content["blocks"] = blocks_of(event)
            content["buttons"] = content["buttons"] or buttons_of(event)
        return content

    def _request_id(self, event: Event) -> str:
        return request_ids.for_event("alert", *event.key, self._written_as or self._fingerprint())

    def _write(self, hook: ChannelTalkHook, dto: Mapping[str, Any], event: Event) -> str | None:
        from airflow_channel_provider.messages.dto import message_id

        with hook:
            method, target = self._target(hook)
            params = {**target, "dto": dto}
            call = hook.prepare(
                method, params, channel_id=self.channel_id, request_id=self._request_id(event)
            )
            return message_id(hook.send(call))

    def _target(self, hook: ChannelTalkHook) -> tuple[str, dict[str, str]]:
        if sum(map(bool, (self.group_id, self.group_name, self.user_chat_id))) != 1:
            raise ChannelConfigurationError("Give one of group_id, group_name and user_chat_id.")
        if self.user_chat_id:
            return "writeUserChatMessage", {"userChatId": str(self.user_chat_id)}
        if self.group_id:
            return "writeGroupMessage", {"groupId": str(self.group_id)}
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
