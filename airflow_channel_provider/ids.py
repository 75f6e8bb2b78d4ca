"""
How an argument with an id is read, which may have been anything before a template has rendered it to text.

A missing value becomes the text ``None`` there, a number its digits, and what stands around a template stays blank.
"""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from airflow_channel_provider.exceptions import ChannelConfigurationError

_MADE_OF_TEXT = (int, date, UUID)


def is_whole(text: str) -> bool:
    """Return whether a text can be encoded: half of a surrogate pair, which JSON accepts, is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_nothing(value: object) -> bool:
    """Return whether a template has rendered a missing value to text."""
    return isinstance(value, str) and value.strip() in ("", "None", "null")


def as_text(value: object) -> Any:
    """Return a whole number, a time or a UUID as text, which it was before a template; others as they are."""
    return str(value) if isinstance(value, _MADE_OF_TEXT) and not isinstance(value, bool) else value


def required_id(argument: str, value: object, what: str = "the id") -> str:
    """
    Return an id as text, without blanks around it.

    :param argument: names it in the message.
    :param what: it is the id of, for the message.
    :raises ChannelConfigurationError: it is missing, or no id.
    """
    if value is None or is_nothing(value):
        why = f": it is {value!r}, which a template makes of a missing value" if value else ""
        raise ChannelConfigurationError(f"{argument} is empty{why}; give {what}.")
    text = as_text(value)
    if not isinstance(text, str):
        raise ChannelConfigurationError(
            f"{argument} must be a text or a whole number, not {type(value).__name__}."
        )
    if not is_whole(text):
        raise ChannelConfigurationError(
            f"{argument} holds half of a surrogate pair, which is not a character; give it as Channel Talk shows it."
        )
    return text.strip()


def optional_id(argument: str, value: object) -> str | None:
    """
    Return an id as :func:`required_id` does; None where it is not given, or blank.

    :param argument: names it in the message.
    :raises ChannelConfigurationError: it is no id.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return required_id(argument, value, "the id, or leave it out")
