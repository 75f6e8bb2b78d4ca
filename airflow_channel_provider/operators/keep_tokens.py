"""The keeper: renews tokens ahead of need.

With the store ``variable://`` it is the only one that renews, so a DAG of its own with ``max_active_runs=1`` has to run
it every few minutes. With the other stores it is a comfort: no task ever waits for a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.operators._base import DEFAULT_RETRY_POLICY, policy_argument
from airflow_channel_provider.operators._json import names
from airflow_channel_provider.operators._templates import TemplatesOfTheFile
from airflow_channel_provider.retry_policy import fail_at_once

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import RetryPolicy

    from airflow_channel_provider.exceptions import ChannelError
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
    from airflow_channel_provider.tokens.keeping import Kept

__all__ = ["KeepTokensOperator"]


class KeepTokensOperator(TemplatesOfTheFile, BaseOperator):
    """
    Renews the tokens of the listed scopes that end soon, and returns what became of each.

    List all scopes of an app in one task: two keepers at once can lose count of the quota with the store
    ``variable://``. For the same reason its DAG needs ``max_active_runs=1`` and the task must not be mapped; a pool of
    one slot guards against a second DAG. A run that was triggered by hand asks the service in spite of a refusal that
    is remembered.

    The task fails if a scope is left without a live token, and warns if a renewal failed while the old token lives.

    :param channel_ids: the channels whose tokens are kept, or a template that renders to JSON text of a list; default:
        the connection's channel. (templated)
    :param include_app: whether the app token is kept as well.
    :param channel_talk_conn_id: connection of the type ``channel_talk``. (templated)
    :param ahead_seconds: a token is renewed when it has less than this left, in seconds. Leave room for one more run:
        420 with a run every 5 minutes. More than a token's life of 1,800 renews at once. (templated)
    :param wait_seconds: how long the task waits at most, over all scopes, for what may pass: the quota, a trouble of
        the service, the lease of a keeper that died.
    :param retry_policy: what becomes of the task after an error, from Airflow 3.3 on; default:
        :class:`.ChannelRetryPolicy`. None: only ``retries`` and ``retry_delay`` say.
    """

    template_fields: Sequence[str] = ("channel_ids", "channel_talk_conn_id", "ahead_seconds")
    ui_color = "#e4e1ff"

    def __init__(
        self,
        *,
        channel_ids: Sequence[str] | str | None = None,
        include_app: bool = True,
        channel_talk_conn_id: str = "channel_talk_default",
        ahead_seconds: float | str = 420.0,
        wait_seconds: float = 120.0,
        retry_policy: RetryPolicy | None = DEFAULT_RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        super().__init__(**policy_argument(retry_policy), **kwargs)
        self.channel_ids = channel_ids
        self.include_app = include_app
        self.channel_talk_conn_id = channel_talk_conn_id
        self.ahead_seconds = ahead_seconds
        self.wait_seconds = wait_seconds

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Renew what is due."""
        from airflow_channel_provider.hooks._forgetting import forget_values, forgetting_values
        from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
        from airflow_channel_provider.tokens.keeping import keep_tokens

        with forgetting_values(), ChannelTalkHook(self.channel_talk_conn_id) as hook:
            self._warn_of_company(context, hook)
            kept = keep_tokens(
                hook.manager,
                self._scopes(hook),
                ahead_seconds=self._ahead_seconds(),
                wait_seconds=self.wait_seconds,
                ask_again=_by_hand(context),
            )
        self._report(kept)
        missing = [one for one in kept if one.action == "missing"]
        if missing and missing[0].problem is not None:
            error = _named(missing[0].problem, missing, len(kept))
            forget_values(error)
            fail_at_once(error)
            raise error
        return [_plain(one) for one in kept]

    def _scopes(self, hook: ChannelTalkHook) -> list[str | None]:
        from airflow_channel_provider.connections import is_whole

        channel_ids = names("channel_ids", self.channel_ids)
        if self.channel_ids in (None, "") and hook.settings.channel_id:
            channel_ids = [hook.settings.channel_id]
        if not all(isinstance(one, str) and one and is_whole(one) for one in channel_ids):
            raise ChannelConfigurationError("channel_ids must be a list of channel IDs, each of them text.")
        scopes = [None, *channel_ids] if self.include_app else list(channel_ids)
        if not scopes:
            raise ChannelConfigurationError(
                "There is no token to keep: include_app is off, channel_ids names none and the connection "
                f"{self.channel_talk_conn_id!r} has no default channel."
            )
        return scopes

    def _ahead_seconds(self) -> float:
        try:
            ahead_seconds = float(self.ahead_seconds)
        except ValueError:
            ahead_seconds = -1.0
        if not ahead_seconds >= 0:
            raise ChannelConfigurationError("ahead_seconds must be a number of seconds.")
        return ahead_seconds

    def _warn_of_company(self, context: Context, hook: ChannelTalkHook) -> None:
        from airflow_channel_provider.tokens.stores.base import is_kept

        if not is_kept(hook.manager.shared.store):
            return
        runs = getattr(context.get("dag"), "max_active_runs", 1)
        if runs != 1:
            self.log.warning(
                "The DAG of this keeper may run %s times at once; with this token store two keepers can spend more "
                "token requests than the quota. Set max_active_runs=1.",
                runs,
            )
        if (getattr(context["ti"], "map_index", -1) or 0) >= 0:
            self.log.warning(
                "This keeper is one of several mapped ones; with this token store they can spend more token requests "
                "than the quota. Give one task all channel_ids."
            )

    def _report(self, kept: Sequence[Kept]) -> None:
        width = max(len(one.scope) for one in kept)
        lines = [
            f"{one.scope:<{width}}  {one.action:<9}  {one.remaining_seconds:5.0f} s left" for one in kept
        ]
        self.log.info("Tokens:\n%s", "\n".join(lines))
        for one in kept:
            if one.problem is not None:
                tell = self.log.error if one.action == "missing" else self.log.warning
                tell("The token of scope %s was not renewed: %s", one.scope, one.problem)


def _by_hand(context: Context) -> bool:
    run_type = getattr(context["dag_run"], "run_type", None)
    return (
        str(getattr(run_type, "value", run_type)) == "manual" and getattr(context["ti"], "try_number", 1) == 1
    )


def _named(error: ChannelError, missing: Sequence[Kept], count: int) -> ChannelError:
    scopes = ", ".join(one.scope for one in missing)
    return error.add_context(before=f"{len(missing)} of {count} scopes have no live token now ({scopes}):")


def _plain(kept: Kept) -> dict[str, Any]:
    return {
        "scope": kept.scope,
        "action": kept.action,
        "remaining_seconds": round(kept.remaining_seconds),
        "problem": None if kept.problem is None else str(kept.problem),
    }
