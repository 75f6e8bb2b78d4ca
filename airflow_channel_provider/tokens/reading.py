"""
A task's way to a token where it may only read: use what the keeper stored, or say plainly what is missing, and wait.

Nothing is ever written or sent from here. A task can't tell the keeper that a token was refused either: it waits for
the next one, and fails where that is refused as well.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelError,
    ChannelNotSentError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.tokens import policy
from airflow_channel_provider.tokens.policy import CachedFailure, QuotaExhausted, Request, Stage
from airflow_channel_provider.tokens.refusals import cached_error
from airflow_channel_provider.tokens.shared import Moment, SharedApp, wall_time_in
from airflow_channel_provider.tokens.stores.base import is_kept
from airflow_channel_provider.tokens.token import Token

__all__ = ["Reading"]

COME_BACK_SECONDS = (90.0, 120.0)
"""When to look again, spread so that tasks that miss the same token do not return as one."""

RENEWED_AHEAD_SECONDS = 420.0
"""A keeper renews when less than this is left, so from then on there may be a newer token to be had."""

LOOK_AGAIN_SECONDS = 5.0
"""How long a process goes on with a token that may have been replaced, before it looks again."""


@dataclass(frozen=True)
class Reading:
    """
    One look for a token.

    :param shared: over a store that a keeper keeps.
    :param label: names the connection in messages.
    :param rejected: fingerprint of a token that the service has just refused.
    """

    shared: SharedApp
    label: str
    scope: str
    rejected: str | None = None

    def run(self) -> tuple[Token, float, float]:
        """
        Return a token that lives, in how many seconds this process should look again, and in how many the token ends.

        :raises ChannelNotSentError: there is none now; ``retry_at`` tells when to look again.
        :raises ChannelAuthenticationError: the keeper's App Secret is refused, or the token though it is new.
        :raises ChannelTokenQuotaError: the keeper has to wait for the quota.
        """
        moment = self.shared.look()
        token = self.shared.usable_token(moment, self.scope)
        if token is None or policy.stage_of(token.issued_at, token.expires_at, moment.now) is Stage.EXPIRED:
            raise self._missing(moment, token)
        if token.fingerprint == self.rejected:
            raise self._refused(moment, token)
        left = token.expires_at - moment.now
        return token, max(left - RENEWED_AHEAD_SECONDS, min(LOOK_AGAIN_SECONDS, left / 2)), left

    @property
    def _keeper(self) -> str:
        store = self.shared.store
        return store.keeper if is_kept(store) else "the keeper"

    def _missing(self, moment: Moment, token: Token | None) -> ChannelError:
        # What the policy would tell the keeper. Some moments ago: it needs a while to come to it once it may try again.
        asked_at = moment.now - COME_BACK_SECONDS[1]
        request = Request(self.scope, "", "", Stage.EXPIRED, secret_mark=self.shared.secret_mark)
        _, decision = policy.claim(moment.record, asked_at, request, self.shared.quota)
        if isinstance(decision, CachedFailure) and decision.failure.error is not None:
            return cached_error(decision.failure, moment.now, self.label, self.scope)
        if isinstance(decision, QuotaExhausted) and decision.at - moment.now > COME_BACK_SECONDS[1]:
            return self._out_of_quota(decision.at - moment.now)
        found = (
            f"the last one ended {moment.now - token.expires_at:.0f} s ago"
            if token is not None and token.expires_at <= moment.now
            else "none that this App Secret opens is there"
        )
        failure = moment.record.failure_of(self.scope, self.shared.secret_mark) or moment.record.outage
        trouble = f" Its last {failure.count} token requests failed." if failure is not None else ""
        return ChannelNotSentError(
            f"{self.label}: Airflow Variables hold no live token of scope {self.scope}: {found}. Tasks only read "
            f"them; they are renewed by {self._keeper}.{trouble} See that this DAG is switched on, that its "
            "KeepTokensOperator lists the scope with this connection, and that its last run succeeded. Nothing was "
            "sent.",
            retry_at=wall_time_in(random.uniform(*COME_BACK_SECONDS)),
        )

    def _out_of_quota(self, seconds: float) -> ChannelTokenQuotaError:
        seconds += random.uniform(*COME_BACK_SECONDS) - COME_BACK_SECONDS[0]
        retry_at = wall_time_in(seconds)
        return ChannelTokenQuotaError(
            f"{self.label}: no live token of scope {self.scope} is stored, and the quota leaves no request to "
            f"{self._keeper}, which renews it, before {retry_at:%H:%M:%S} UTC. Nothing was sent.",
            retry_at=retry_at,
            retry_after_seconds=seconds,
        )

    def _refused(self, moment: Moment, token: Token) -> ChannelError:
        age, left = moment.now - token.issued_at, token.expires_at - moment.now
        refused = f"{self.label}: the service refused the token of scope {self.scope}, {age:.0f} s old"
        if age < policy.REFUSED_AGAIN_SECONDS:
            return ChannelAuthenticationError(
                f"{refused}; a newer one would hardly do better. Check that the app is installed on the channel and "
                "that its App Secret was not reissued."
            )
        return ChannelNotSentError(
            f"{refused}. A task can neither renew it nor tell {self._keeper}, which does so on schedule: when it "
            f"has less than {RENEWED_AHEAD_SECONDS / 60:.0f} minutes left, of {left / 60:.0f} now. To have it renewed "
            "at once, trigger that DAG with ahead_seconds=1800.",
            retry_at=wall_time_in(random.uniform(*COME_BACK_SECONDS)),
        )
