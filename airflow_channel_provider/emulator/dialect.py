"""
The spelling of the values of an answer: all in one dialect, however they were stored. Pure.

``protobuf`` is the JSON form of the vendor's protos: RFC 3339 times, 64-bit integers as text, full names of enums, and
no field that is empty, zero or false. ``plain`` is the older one of webhooks and the Open API: times in epoch
milliseconds, numbers, the words of enums, and null where there is nothing. What people and apps put into a thing
themselves, such as a profile or a block, is theirs and stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from airflow_channel_provider.contract.parts import (
    MESSAGE_COLOR,
    MESSAGE_OPTION,
    MESSAGE_STATE,
    USER_CHAT_STATE,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

DIALECTS = ("protobuf", "plain")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TIMES = ("At", "AtAfterOpen")


@dataclass(frozen=True, slots=True)
class _Kind:
    """
    What a kind of thing has beyond texts; a field whose name ends like that of a time is one.

    :param enums: the prefix of the names of an enum, or of a list of them, by field.
    :param whole: the 64-bit integers.
    :param parts: the kind of what is in a field.
    :param proto_names: what the protos call a field that has another name elsewhere; empty: they have none of it.
    """

    enums: Mapping[str, str] = field(default_factory=dict)
    whole: frozenset[str] = frozenset({"version"})
    parts: Mapping[str, str] = field(default_factory=dict)
    proto_names: Mapping[str, str] = field(default_factory=dict)


_CHAT_TIMES = ("waitingTime", "avgReplyTime", "totalReplyTime", "resolutionTime")
_KINDS = {
    "message": _Kind(
        {"state": MESSAGE_STATE.prefix, "options": MESSAGE_OPTION.prefix, "alertLevel": "ALERT_LEVEL_"},
        parts={"thread": "thread", "buttons": "button"},
    ),
    "thread": _Kind(),
    "button": _Kind({"colorVariant": MESSAGE_COLOR.prefix}),
    "userChat": _Kind(
        {"state": USER_CHAT_STATE.prefix, "missedReason": "MISSED_REASON_"},
        whole=frozenset(
            {"version", *_CHAT_TIMES, *(f"operation{name[0].upper()}{name[1:]}" for name in _CHAT_TIMES)}
        ),
    ),
    "user": _Kind({"type": "USER_TYPE_"}, parts={"web": "visit", "mobile": "visit"}),
    "visit": _Kind(),
    "manager": _Kind(),
    "group": _Kind({"scope": "GROUP_SCOPE_"}, proto_names={"name": ""}),
    "directChat": _Kind(),
    "channel": _Kind({"state": "CHANNEL_STATE_"}, proto_names={"timeZone": "timezone"}),
    "plugin": _Kind(),
    "event": _Kind(),
    "systemLog": _Kind(),
}


def write_result(result: JSON, dialect: str) -> JSON:
    """
    What a function answers, spelled in a dialect.

    :param result: the things by their kind, such as ``userChat``, or lists of them, such as ``userChats``.
    :param dialect: one of :data:`DIALECTS`.
    """
    if not isinstance(result, dict):
        return result
    return {name: _write(name.removesuffix("s"), value, dialect) for name, value in result.items()}


def _write(kind: str, value: JSON, dialect: str) -> JSON:
    if isinstance(value, list):
        return [_write(kind, item, dialect) for item in value]
    return write_thing(kind, value, dialect) if isinstance(value, dict) and kind in _KINDS else value


def write_thing(kind: str, thing: JSONObject, dialect: str) -> JSONObject:
    """
    One thing, spelled in a dialect.

    :param kind: such as ``userChat``.
    :param thing: is not changed.
    :param dialect: one of :data:`DIALECTS`.
    """
    protobuf = dialect == "protobuf"
    proto_names = _KINDS[kind].proto_names
    written: JSONObject = {}
    for name, value in thing.items():
        write = _writer(kind, name)
        spelled = value if write is None else write(value, dialect)
        if not protobuf:
            written[name] = spelled
        # The printer of protos leaves out what is unset; a message without a field is printed all the same.
        elif (spelled or isinstance(spelled, dict)) and (proto_name := proto_names.get(name, name)):
            written[proto_name] = spelled
    return written


@lru_cache(maxsize=4096)
def _writer(kind: str, name: str) -> Callable[[JSON, str], JSON] | None:
    """Return what spells a field of a kind of thing; None where it is the same in all dialects."""
    known = _KINDS[kind]
    if name in known.enums:
        return partial(_write_enum, known.enums[name])
    if name in known.parts:
        return partial(_write, known.parts[name])
    if name in known.whole:
        return _write_whole
    return _write_time if name.endswith(_TIMES) else None


def _write_enum(prefix: str, value: JSON, dialect: str) -> JSON:
    if isinstance(value, list):
        return [_write_enum(prefix, one, dialect) for one in value]
    if not isinstance(value, str) or not value:
        return value
    word = plain_word(value, prefix)
    return word if dialect == "plain" else prefix + re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", word).upper()


def plain_word(value: str, prefix: str) -> str:
    """
    The word of an enum, such as ``silentToUser``, of any of its spellings.

    :param value: a word or a full name.
    :param prefix: of full names.
    """
    bare = value[len(prefix) :] if value.upper().startswith(prefix) else value
    if bare != bare.upper():
        return bare[:1].lower() + bare[1:]
    first, *others = bare.lower().split("_")
    return first + "".join(other.capitalize() for other in others)


def _write_whole(value: JSON, dialect: str) -> JSON:
    if dialect == "protobuf":
        return str(value) if isinstance(value, int) and not isinstance(value, bool) and value else value
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value, re.ASCII) else value


def _write_time(value: JSON, dialect: str) -> JSON:
    if dialect == "plain":
        return _milliseconds(value) if isinstance(value, str) else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not value:
        return value
    try:
        moment = _EPOCH + timedelta(milliseconds=value)
    except (OverflowError, ValueError):  # set up as a time that no calendar has
        return value
    digits = "milliseconds" if moment.microsecond >= 1000 else "seconds"
    return moment.isoformat(timespec=digits).removesuffix("+00:00") + "Z"


def _milliseconds(text: str) -> JSON:
    try:
        moment = datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text))
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    except (TypeError, ValueError):
        return text
