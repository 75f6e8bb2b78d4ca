"""Every setting with its default and its check; a setting that is not listed here does not exist."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from airflow_channel_provider.contract.webhooks import MOST_FAILURES_IN_A_ROW
from airflow_channel_provider.emulator.answers import EMPTY_ERRORS, ERROR_SHAPES
from airflow_channel_provider.emulator.dialect import DIALECTS
from airflow_channel_provider.emulator.generated import CHAT_ORDERS
from airflow_channel_provider.emulator.outbox import FIRST_PAUSE_SECONDS
from airflow_channel_provider.emulator.quota import ANCHORS
from airflow_channel_provider.emulator.seed_data import (
    default_apps,
    default_benlly,
    default_channels,
    endpoint_of,
)
from airflow_channel_provider.emulator.webhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

ANSWER_SHAPES = tuple(EMPTY_ERRORS)
# How a page says what follows: with next, which the last one lacks, or with hasNext beside a cursor that each one has.
PAGE_SHAPES = ("next", "has_next")
REFRESH_REFUSALS = ("empty_success", "envelope")
# What a call about a command says of the type of a group: the word of the vendor's code, or of its guide.
COMMAND_GROUP_TYPES = ("group", "groupChat")
# Which calls that break the vendor's contract are refused: all; or only those that lack something or have other types.
CONTRACTS = ("strict", "lenient")
_CHOICES: dict[str, tuple[str, ...]] = {
    "quota_anchor": ANCHORS,
    "answer_shape": ANSWER_SHAPES,
    "page_shape": PAGE_SHAPES,
    "error_shape": ERROR_SHAPES,
    "dialect": DIALECTS,
    "refresh_refusal": REFRESH_REFUSALS,
    "command_group_type": COMMAND_GROUP_TYPES,
    "contract": CONTRACTS,
    "quota_refusal_shape": ("token_fetch_fail", "http_429", "http_429_retry_after", "envelope_429"),
    "rate_limit_shape": ("body_epoch", "flat_rfc3339", "header", "retry_after"),
    "open_api_chat_order": CHAT_ORDERS,
}
_BOOLEANS = frozenset({"quota_counts_refused", "proxied_errors"})
# A bound below, and whether the bound itself is allowed.
_NUMBERS: dict[str, tuple[float, bool]] = {
    "token_life_seconds": (0, False),
    "refresh_token_life_seconds": (0, False),
    "quota_window_seconds": (0, False),
    "rate_limit_window_seconds": (0, False),
    "open_api_rate_limit_window_seconds": (0, False),
    "latency_seconds": (0, True),
    "token_latency_seconds": (0, True),
    "user_chats_close_after_seconds": (0, True),
    "webhook_retry_seconds": (0, False),
    "generated_days": (0, False),
    "changes_per_request": (0, True),
}
# Longer than anybody waits, and within what a calendar has room for.
_MOST_SECONDS: dict[str, float] = {
    "quota_window_seconds": 1e9,
    "rate_limit_window_seconds": 1e9,
    "open_api_rate_limit_window_seconds": 1e9,
    "latency_seconds": 86_400,
    "token_latency_seconds": 86_400,
    "webhook_retry_seconds": 86_400,
    "generated_days": 3_650,
    "changes_per_request": 1_000,
}
_TEXTS = frozenset({"token_prefix", "not_installed_message"})
_COUNTS: dict[str, tuple[int, float]] = {
    "quota_limit": (0, math.inf),
    "rate_limit": (0, math.inf),
    "open_api_rate_limit": (0, math.inf),
    "webhook_failures_until_blocked": (0, math.inf),
    "generated_chats": (0, 10_000_000),
    "generated_messages_per_chat": (1, 100_000),
    "generated_seed": (0, 1_000_000_000),
}
_MAY_BE_NONE = frozenset({"rate_limit", "user_chats_close_after_seconds", "webhook_failures_until_blocked"})
# What distinguishes the objects of a list, and what makes one of a setting, or raises ValueError.
_LISTS: dict[str, tuple[str, Callable[[JSONObject], object]]] = {
    "apps": ("app_id", endpoint_of),
    "channels": ("id", dict),
    "webhooks": ("name", Webhook.build),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How the emulator behaves. Build one with :meth:`from_mapping`; what is left out has its default."""

    apps: list[JSONObject] = field(default_factory=default_apps)
    channels: list[JSONObject] = field(default_factory=default_channels)
    benlly: JSONObject = field(default_factory=default_benlly)
    webhooks: list[JSONObject] = field(default_factory=list)
    webhook_retry_seconds: float = FIRST_PAUSE_SECONDS
    webhook_failures_until_blocked: int | None = MOST_FAILURES_IN_A_ROW
    token_life_seconds: float = 1800
    refresh_token_life_seconds: float = 7 * 86400
    token_prefix: str = ""
    refresh_refusal: str = "empty_success"
    # The service builds this refusal from nothing: its text may as well be empty.
    not_installed_message: str = "unauthorized"
    quota_limit: int = 10
    quota_window_seconds: float = 1800
    quota_anchor: str = "first"
    quota_counts_refused: bool = False
    quota_refusal_shape: str = "token_fetch_fail"
    rate_limit: int | None = None
    rate_limit_window_seconds: float = 60
    rate_limit_shape: str = "body_epoch"
    open_api_rate_limit: int = 1000
    open_api_rate_limit_window_seconds: float = 60
    contract: str = "strict"
    dialect: str = "protobuf"
    answer_shape: str = "live"
    page_shape: str = "next"
    error_shape: str = "legacy"
    proxied_errors: bool = True
    command_group_type: str = "group"
    # An agent closes a user chat this long after a message was written into it; None: nobody does.
    user_chats_close_after_seconds: float | None = None
    latency_seconds: float = 0
    token_latency_seconds: float = 0
    # Chats of the first channel that are made up when they are asked for, and that change with each request.
    generated_chats: int = 0
    generated_messages_per_chat: int = 10
    generated_days: float = 30
    generated_seed: int = 1
    changes_per_request: float = 0
    open_api_chat_order: str = "updatedAt"

    @classmethod
    def from_mapping(cls, values: Mapping[str, JSON] | None = None) -> Settings:
        """
        Settings from JSON.

        :param values: setting by name.
        :raises ValueError: no such setting or no such value.
        """
        return cls().changed(values or {})

    def changed(self, values: Mapping[str, JSON]) -> Settings:
        """
        These settings with some changed.

        :param values: setting by name.
        :raises ValueError: no such setting or no such value.
        """
        known = {f.name for f in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"no setting {name!r}; there are {', '.join(sorted(known))}")
            _check(name, value)
        return replace(self, **dict(values))

    def public(self) -> JSONObject:
        """The plain ones, for people to see: no apps (they hold secrets), no data."""
        hidden = ("apps", "channels", "benlly", "webhooks", "token_prefix")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in hidden}


def _check(name: str, value: JSON) -> None:
    if value is None and name in _MAY_BE_NONE:
        return
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ValueError(f"{name} must be one of {', '.join(_CHOICES[name])}")
    if name in _BOOLEANS and not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false")
    if name in _TEXTS and not isinstance(value, str):
        raise ValueError(f"{name} must be a string")
    if name in _NUMBERS:
        _check_number(name, value)
    if name in _COUNTS:
        _check_count(name, value)
    if name in _LISTS:
        _check_list(name, value)
    if name == "benlly" and not isinstance(value, dict):
        raise ValueError("benlly must be an object")


def _check_number(name: str, value: JSON) -> None:
    least, inclusive = _NUMBERS[name]
    most = _MOST_SECONDS.get(name, sys.float_info.max)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value <= most or (value == least and not inclusive):
        limit = f", up to {most:,.0f}" if name in _MOST_SECONDS else ""
        raise ValueError(f"{name} must be a number {'from' if inclusive else 'above'} {least:g}{limit}")


def _check_count(name: str, value: JSON) -> None:
    least, most = _COUNTS[name]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        limit = "up" if most == math.inf else f"to {most:,}"
        raise ValueError(f"{name} must be a whole number from {least} {limit}")


def _check_list(name: str, value: JSON) -> None:
    key, build = _LISTS[name]
    _check_objects(name, value, key)
    for item in value:
        build(item)


def _check_objects(name: str, value: JSON, key: str) -> None:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{name} must be a list of objects")
    ids = [item.get(key) for item in value]
    if not all(isinstance(i, str) and i for i in ids) or len(set(ids)) != len(ids):
        raise ValueError(f"each of {name} needs its own {key}, a non-empty string")
