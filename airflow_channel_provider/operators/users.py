"""Operators for the people whom a channel talks to: the state of their chats, and what is known of them.

Both calls leave the same when they are made twice, so that they are repeated after an unclear outcome.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.arguments import json_value, names
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.operators._base import ChannelTalkBaseOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import CallArguments

__all__ = ["UpdateUserChatStateOperator", "UpsertMemberOperator"]

STATES = ("opened", "closed", "snoozed")
STATE_PREFIX = "USER_CHAT_STATE_"
_PATHS = re.compile(r"(?!null$)[a-zA-Z][\w., ]*")


class UpdateUserChatStateOperator(ChannelTalkBaseOperator):
    """
    Opens, closes or snoozes a user chat and returns it.

    :param user_chat_id: the user chat. (templated)
    :param state: ``opened``, ``closed`` or ``snoozed``. (templated)
    :param snooze_seconds: after how many seconds a snoozed chat wakes up, at least 60, or a ``timedelta``; default:
        the service's. (templated)
    :param bot_name: under which name that is done: 1 to 30 characters without ``@ # $ % : /``. (templated)
    """

    template_fields: Sequence[str] = (
        "user_chat_id",
        "state",
        "snooze_seconds",
        "bot_name",
        *ChannelTalkBaseOperator.template_fields,
    )

    def __init__(
        self,
        *,
        user_chat_id: str,
        state: str,
        snooze_seconds: float | timedelta | str | None = None,
        bot_name: str = "Airflow",
        **kwargs: Unpack[CallArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.user_chat_id = user_chat_id
        self.state = state
        self.snooze_seconds = snooze_seconds
        self.bot_name = bot_name

    def describe(self) -> str:
        """Name the call for the log."""
        return "updateUserChatState"

    def call_service(self, context: Context) -> Any:
        """Change the state."""
        from airflow_channel_provider.messages.dto import checked_bot_name

        state, duration = _state(self.state), _duration(self.snooze_seconds)
        if duration is not None and state != "snoozed":
            raise ChannelConfigurationError(f"snooze_seconds has no meaning for a chat that is {state}.")
        params: dict[str, Any] = {
            "userChatId": _given("user_chat_id", self.user_chat_id),
            "state": STATE_PREFIX + state.upper(),
            "botName": checked_bot_name(self.bot_name),
        }
        if duration is not None:
            params["duration"] = duration
        return _part(self.hook.call("updateUserChatState", params, channel_id=self.channel_id), "userChat")


class UpsertMemberOperator(ChannelTalkBaseOperator):
    """
    Creates the user with this member id, or changes the one that there is, and returns the user's id.

    Only what is given is changed, each key of a profile by itself. None means not given; a key of a profile whose value
    is None is cleared.

    :param member_id: your own id of the user. (templated)
    :param profile: fields of the profile, such as ``name``, ``email`` and ``mobileNumber``. (templated)
    :param profile_once: fields of the profile that are set only where there is no value yet. (templated)
    :param tags: at most 20 tags, which replace those that there are. (templated)
    :param language: such as ``ko``. (templated)
    :param blocked: whether the user is blocked.
    :param unsubscribe_email: whether the user gets no marketing by e-mail.
    :param unsubscribe_texting: whether the user gets no marketing by text message.
    :param update_mask: the paths that are changed, where they are not to be those of what is given: a list, or one text
        with commas. (templated)
    """

    template_fields: Sequence[str] = (
        "member_id",
        "profile",
        "profile_once",
        "tags",
        "language",
        "update_mask",
        *ChannelTalkBaseOperator.template_fields,
    )
    template_fields_renderers = {"profile": "json", "profile_once": "json", "tags": "json"}

    def __init__(
        self,
        *,
        member_id: str,
        profile: Mapping[str, Any] | str | None = None,
        profile_once: Mapping[str, Any] | str | None = None,
        tags: Sequence[str] | str | None = None,
        language: str | None = None,
        blocked: bool | None = None,
        unsubscribe_email: bool | None = None,
        unsubscribe_texting: bool | None = None,
        update_mask: Sequence[str] | str | None = None,
        **kwargs: Unpack[CallArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.member_id = member_id
        self.profile = profile
        self.profile_once = profile_once
        self.tags = tags
        self.language = language
        self.blocked = blocked
        self.unsubscribe_email = unsubscribe_email
        self.unsubscribe_texting = unsubscribe_texting
        self.update_mask = update_mask

    def describe(self) -> str:
        """Name the call for the log."""
        return "upsertMember"

    def call_service(self, context: Context) -> str | None:
        """Create or change the user."""
        body = self._body()
        mask = _mask(self.update_mask) or _mask_of(body)
        params = {"memberId": _given("member_id", self.member_id), "body": body, "updateMask": mask}
        user = _part(self.hook.call("upsertMember", params, channel_id=self.channel_id), "user")
        found = user.get("id") if isinstance(user, Mapping) else None
        return None if found is None else str(found)

    def _body(self) -> dict[str, Any]:
        from airflow_channel_provider.prepared_call import as_text

        given = {
            "profile": _mapping("profile", self.profile),
            "profileOnce": _mapping("profile_once", self.profile_once),
            "tags": _tags(self.tags),
            "language": as_text(self.language) or None,
            "blocked": self.blocked,
            "unsubscribeEmail": self.unsubscribe_email,
            "unsubscribeTexting": self.unsubscribe_texting,
        }
        body = {name: value for name, value in given.items() if value is not None}
        if not body:
            raise ChannelConfigurationError(
                "There is nothing to write about the member: give a profile or tags."
            )
        return body


def _given(name: str, value: object) -> str:
    if value is None or not str(value).strip():
        raise ChannelConfigurationError(f"{name} is empty; give the id.")
    return str(value)


def _state(value: object) -> str:
    state = str(value).strip().upper().removeprefix(STATE_PREFIX).lower()
    if state not in STATES:
        raise ChannelConfigurationError(f"The state of a user chat is one of {', '.join(STATES)}.")
    return state


def _duration(value: float | timedelta | str | None) -> dict[str, int] | None:
    if value is None or value == "":
        return None
    try:
        seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise ChannelConfigurationError("snooze_seconds must be a number of seconds, such as 3600.")
    whole, nanos = divmod(round(seconds * 1e9), 1_000_000_000)
    return {"seconds": whole, "nanos": nanos}


def _mapping(name: str, value: Any) -> dict[str, Any] | None:
    value = json_value(name, value)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ChannelConfigurationError(f"{name} must be a mapping, not {type(value).__name__}.")
    return dict(value) or None


def _tags(value: Any) -> list[Any] | None:
    value = json_value("tags", value)
    if value is None:
        return None
    if isinstance(value, (Mapping, str)) or not isinstance(value, Sequence):
        raise ChannelConfigurationError(f"tags must be a list, not {type(value).__name__}.")
    return names("tags", value)


def _mask(value: Any) -> Any:
    """Return the mask that is given: a text of paths is one as it is, another text is JSON."""
    is_paths = isinstance(value, str) and _PATHS.fullmatch(value.strip())
    return value.strip() if is_paths else json_value("update_mask", value)


def _mask_of(body: Mapping[str, Any]) -> list[str]:
    """Return a path for each field, and for each key of a profile: the others are left alone."""
    mask: list[str] = []
    for name, value in body.items():
        mask += [f"{name}.{_key(key)}" for key in value] if isinstance(value, Mapping) else [name]
    return mask


def _key(key: object) -> str:
    if not isinstance(key, str) or not key or set(key) & set(".,"):
        raise ChannelConfigurationError(
            "A key of a profile is a text without dots and commas; give update_mask to write others."
        )
    return key


def _part(result: Any, name: str) -> Any:
    return result.get(name, result) if isinstance(result, Mapping) else result
