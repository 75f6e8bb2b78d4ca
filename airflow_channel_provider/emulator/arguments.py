"""What a test gives the emulator by name, as types for editors and type checkers; nothing imports it at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.jsontypes import JSONObject


class FaultOptions(TypedDict, total=False):
    """The options of faults; each belongs to the faults that its comment names."""

    shape: str  # rate_limit, unauthorized, token_quota
    reset_after_seconds: float  # rate_limit
    second_document: bool  # rate_limit
    retry_after_seconds: float | None  # token_quota
    seconds: float  # slow
    cut: bool  # truncated
    status: int  # html
    megabytes: float  # huge


class UserChatChanges(TypedDict, total=False):
    """What an agent can change of a user chat."""

    state: Literal["opened", "closed", "snoozed", "initial", "queued", "missed"]
    assignee_id: str | None


class SettingsArguments(TypedDict, total=False):
    """The settings that can be changed while it runs; :class:`.Settings` has their defaults."""

    apps: list[JSONObject]
    channels: list[JSONObject]
    benlly: JSONObject
    webhooks: list[JSONObject]
    webhook_retry_seconds: float
    webhook_failures_until_blocked: int | None
    token_life_seconds: float
    refresh_token_life_seconds: float
    token_prefix: str
    refresh_refusal: str
    not_installed_message: str
    quota_limit: int
    quota_window_seconds: float
    quota_anchor: str
    quota_counts_refused: bool
    quota_refusal_shape: str
    rate_limit: int | None
    rate_limit_window_seconds: float
    rate_limit_shape: str
    open_api_rate_limit: int
    open_api_rate_limit_window_seconds: float
    contract: str
    dialect: str
    answer_shape: str
    page_shape: str
    error_shape: str
    proxied_errors: bool
    command_group_type: str
    user_chats_close_after_seconds: float | None
    latency_seconds: float
    token_latency_seconds: float
    generated_chats: int
    generated_messages_per_chat: int
    generated_days: float
    generated_seed: int
    changes_per_request: float
    open_api_chat_order: str
