"""Builds the ``dto`` of a message from the arguments of an operator or notifier.

Arguments that can't become a message are refused here, before a call. The limits of the vendor's contract are checked
by the hook, where that can be turned off. Errors name the argument, never the text of the message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.messages import markup
from airflow_channel_provider.messages.attachments import (
    check_addresses,
    check_link,
    message_button,
    message_file,
)
from airflow_channel_provider.messages.options import message_options

_CONTENT = ("plainText", "blocks", "files", "webPage", "form")
_NOTHING: tuple[object, ...] = (None, "", [], {})


def message_dto(
    *,
    text: str | None = None,
    markdown: str | None = None,
    blocks: Any = None,
    bot_name: str | float | None = None,
    buttons: Any = None,
    files: Any = None,
    options: Any = None,
    private: bool = False,
    silent: bool | str = False,
    web_page: Any = None,
    form: Any = None,
) -> dict[str, Any]:
    """
    Build the ``dto`` of a message.

    :param text: plain text, in which no character has a meaning.
    :param markdown: Markdown, see :mod:`airflow_channel_provider.messages.markdown`; its buttons and files come before
        those of the arguments.
    :param blocks: blocks as the service takes them; their text is markup.
    :param bot_name: who writes; 1 to 30 characters without ``@ # $ % : /``. A number is its text.
    :param buttons: at most 2, see :func:`~airflow_channel_provider.messages.attachments.message_button`.
    :param files: at most 30, see :func:`~airflow_channel_provider.messages.attachments.message_file`.
    :param options: names such as ``MESSAGE_OPTION_IMMUTABLE``.
    :param private: shown to managers only.
    :param silent: without a notification: ``manager`` or ``user`` to one side, True to both.
    :raises ChannelConfigurationError: the message is empty, or a part of it has the wrong shape.
    """
    given_blocks = _list("blocks", blocks)
    _check_links(given_blocks)
    check_addresses("web_page", web_page)
    read = _read(markdown, given_blocks)
    content = {
        "botName": checked_bot_name(bot_name),
        "plainText": None if text is None or not str(text).strip() else str(text),
        "blocks": read["blocks"] or given_blocks,
        "buttons": [*read["buttons"], *map(message_button, _list("buttons", buttons))],
        "files": [*read["files"], *map(message_file, _list("files", files))],
        "options": message_options(_list("options", options), private=private, silent=silent),
        "webPage": _object("web_page", web_page),
        "form": _object("form", form),
    }
    dto = {name: value for name, value in content.items() if value not in _NOTHING}
    _check(dto)
    return dto


def checked_bot_name(value: object) -> str:
    """
    Return the name under which something is written or done.

    :param value: a text, or a number that a template or another task has made of one.
    :raises ChannelConfigurationError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float, type(None))):
        raise ChannelConfigurationError(f"bot_name must be a text, not {type(value).__name__}.")
    name = "" if value is None else str(value)
    if not name.strip():
        raise ChannelConfigurationError("There is no writer: give bot_name.")
    return name


def message_id(result: Any) -> str | None:
    """Return the id of the message that a write answered with, None where the answer holds none."""
    message = result.get("message", result) if isinstance(result, Mapping) else None
    found = message.get("id") if isinstance(message, Mapping) else None
    return None if found is None else str(found)


def _read(markdown: str | None, blocks: Sequence[Any]) -> Mapping[str, list[Any]]:
    if markdown is None or not str(markdown).strip():
        return {"blocks": [], "buttons": [], "files": []}
    if blocks:
        raise ChannelConfigurationError("Give either markdown or blocks: markdown becomes blocks.")
    from airflow_channel_provider.messages.markdown import read_markdown

    return read_markdown(str(markdown))._asdict()


def _check(dto: Mapping[str, Any]) -> None:
    if not any(name in dto for name in _CONTENT):
        raise ChannelConfigurationError(
            "The message is empty: set text, markdown or blocks, or files, a web page or a form."
        )


def _check_links(blocks: Sequence[Any]) -> None:
    """Refuse links in the blocks' text that lead where nobody should be sent; code is no markup."""
    try:
        for text in _texts(blocks):
            for url in markup.links(text):
                check_link("blocks", url)
    except RecursionError:
        raise ChannelConfigurationError("blocks are nested too deeply, or contain themselves.") from None


def _texts(blocks: object) -> Iterator[str]:
    for block in blocks if isinstance(blocks, (list, tuple)) else ():
        if isinstance(block, Mapping):
            if isinstance(block.get("value"), str) and block.get("type") != "code":
                yield block["value"]
            yield from _texts(block.get("blocks"))


def _list(name: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, (Mapping, str)) or not isinstance(value, Sequence):
        raise ChannelConfigurationError(f"{name} must be a list, not {type(value).__name__}.")
    return list(value)


def _object(name: str, value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ChannelConfigurationError(f"{name} must be a mapping, not {type(value).__name__}.")
    return dict(value)
