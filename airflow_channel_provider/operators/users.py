"""
Operators for the users of a channel: the state of a user chat, and the profile of a member.

Both calls have the same effect when they are sent twice, so they are repeated after an ambiguous result.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.ids import as_text, required_id
from airflow_channel_provider.operators._base import ChannelTalkBaseOperator
from airflow_channel_provider.rendered import json_value, names

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import CallArguments

__all__ = ["UpdateUserChatStateOperator", "UpsertMemberOperator"]

STATES = ("opened", "closed", "snoozed")
_PATHS = re.compile(r"(?!null$)[a-zA-Z][\w., ]*")


class UpdateUserChatStateOperator(ChannelTalkBaseOperator):
    """
    Opens, closes or snoozes a user chat and returns it.

    :param user_chat_id: the user chat. (templated)
    :param state: ``opened``, ``closed`` or ``snoozed``. (templated)
    :param snooze_seconds: how long the chat is snoozed: seconds, at least 60, or a ``timedelta``. Default: the
        service's. (templated)
    :param bot_name: name of the bot that changes the state: 1 to 30 characters without ``@ # $ % : /``. (templated)
    :param kwargs: the connection and channel, waits and attempts: the fields of ``CallArguments``. Also what every
        operator of Airflow takes.
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

    def _describe(self) -> str:
        """Name the call for the log."""
        return "updateUserChatState"

    def _call_service(self, context: Context) -> Any:
        """Change the state."""
        from airflow_channel_provider.contract.parts import USER_CHAT_STATE
        from airflow_channel_provider.messages.dto import checked_bot_name

        state, duration = _state(self.state), _duration(self.snooze_seconds)
        if duration is not None and state != "snoozed":
            raise ChannelConfigurationError(
                f"snooze_seconds applies only to state='snoozed', not to {state!r}."
            )
        params: dict[str, Any] = {
            "userChatId": required_id("user_chat_id", self.user_chat_id, "the id of the user chat"),
            "state": USER_CHAT_STATE.prefix + state.upper(),
            "botName": checked_bot_name(self.bot_name),
        }
        if duration is not None:
            params["duration"] = duration
        return _part(self.hook.call("updateUserChatState", params, channel_id=self.channel_id), "userChat")


class UpsertMemberOperator(ChannelTalkBaseOperator):
    """
    Creates or updates the user with this member id, and returns the user's id.

    Only the given fields change, and of a profile only the given keys. None means not given; a key of a profile with
    the value None is cleared.

    :param member_id: your own id of the user. (templated)
    :param profile: fields of the profile, such as ``name``, ``email`` and ``mobileNumber``. (templated)
    :param profile_once: fields of the profile that are set only where they have no value. (templated)
    :param tags: at most 20 tags, which replace the present ones. (templated)
    :param language: language code, such as ``ko``. (templated)
    :param blocked: whether the user is blocked.
    :param unsubscribe_email: whether the user receives no marketing by e-mail.
    :param unsubscribe_texting: whether the user receives no marketing by text message.
    :param update_mask: paths of the fields to change, as a list or a text with commas. Default: the given fields.
        (templated)
    :param kwargs: the connection and channel, waits and attempts: the fields of ``CallArguments``. Also what every
        operator of Airflow takes.
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

    def _describe(self) -> str:
        """Name the call for the log."""
        return "upsertMember"

    def _call_service(self, context: Context) -> str | None:
        """Create or change the user."""
        body = self._body()
        mask = _mask(self.update_mask) or _mask_of(body)
        params = {
            "memberId": required_id("member_id", self.member_id, "your own id of the user"),
            "body": body,
            "updateMask": mask,
        }
        user = _part(self.hook.call("upsertMember", params, channel_id=self.channel_id), "user")
        found = user.get("id") if isinstance(user, Mapping) else None
        return None if found is None else str(found)

    def _body(self) -> dict[str, Any]:
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
                "No field of the member is given; give at least one, such as profile or tags."
            )
        return body


def _state(value: object) -> str:
    from airflow_channel_provider.contract.parts import USER_CHAT_STATE

    state = USER_CHAT_STATE.plain(str(value))
    if state not in STATES:
        raise ChannelConfigurationError(f"state must be one of {', '.join(STATES)}.")
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
    """Return the given mask: a text of paths as it is, any other text parsed as JSON."""
    is_paths = isinstance(value, str) and _PATHS.fullmatch(value.strip())
    return value.strip() if is_paths else json_value("update_mask", value)


def _mask_of(body: Mapping[str, Any]) -> list[str]:
    """Return a path for each given field, and for each given key of a profile."""
    mask: list[str] = []
    for name, value in body.items():
        mask += [f"{name}.{_key(key)}" for key in value] if isinstance(value, Mapping) else [name]
    return mask


def _key(key: object) -> str:
    if not isinstance(key, str) or not key or set(key) & set(".,"):
        raise ChannelConfigurationError(
            "A key of a profile must be a text without dots and commas; give update_mask to use others."
        )
    return key


def _part(result: Any, name: str) -> Any:
    return result.get(name, result) if isinstance(result, Mapping) else result
