"""
The order of things: look at the stored token, ask the policy, renew or wait for who does, serve the old one meanwhile.

A lock or a transaction of the store is never held over a request: the charge is durable before it is sent, and a
process that dies on the way has lost no one's count.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelError,
    ChannelNotSentError,
    ChannelRequestError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.tokens import policy
from airflow_channel_provider.tokens.dialect import Dialect
from airflow_channel_provider.tokens.events import TokenEvent, TokenEventKind
from airflow_channel_provider.tokens.exchange import TokenExchange
from airflow_channel_provider.tokens.policy import (
    AlreadyRenewed,
    CachedFailure,
    Decision,
    QuotaExhausted,
    Renew,
    RenewalInProgress,
    Request,
    Stage,
)
from airflow_channel_provider.tokens.record import Lease
from airflow_channel_provider.tokens.refusals import cached_error
from airflow_channel_provider.tokens.renewal import HeldUpError, Renewal
from airflow_channel_provider.tokens.shared import Moment, SharedApp, wall_time_in
from airflow_channel_provider.tokens.stores.base import CachedToken, HostLock
from airflow_channel_provider.tokens.token import Token

__all__ = ["OLD_TOKEN_SECONDS", "Search"]

log = logging.getLogger(__name__)

MEMO_SECONDS = 1800.0
"""So long a process goes on without a look, however long a token lives: a person may have dropped it."""

OLD_TOKEN_SECONDS = 5.0
"""How long a process goes on with an old token, whose renewal it must leave to others, before it looks again."""

_HOST_LOCK_EVERY_SECONDS = 0.3
"""How often a waiting process looks whether the one that renews still lives."""


class Means(Protocol):
    """What a search works with: the parts of a :class:`.manager.TokenManager`."""

    shared: SharedApp
    exchange: TokenExchange
    dialect: Dialect
    label: str
    sleep: Callable[[float], None]
    clock: Callable[[], float]
    on_event: Callable[[TokenEvent], None]
    asked_by: Callable[[], str]


@dataclass
class Search:
    """
    One caller's way to a token.

    :param manager: whose token it is.
    :param rejected: fingerprint of the token that the service has just refused.
    :param ask_again: ask the service in spite of a remembered refusal.
    :param give_up_at: host clock, seconds; until then it waits for another process that renews.
    """

    manager: Means
    scope: str
    channel_id: str | None
    rejected: str | None
    ask_again: bool
    give_up_at: float
    named: str | None = None
    missing: str | None = None
    turn_at: float = 0.0
    waits_since: float | None = None
    waited_seconds: float = 0.0
    ahead_of_host: float = 0.0
    outliving: Token | None = None
    refresh_refused: bool = False
    issues_now: bool = False
    pause: float = field(init=False)

    def __post_init__(self) -> None:
        self.pause = self.manager.shared.store.poll_seconds[0]

    def run(self) -> Token:
        """
        Return a token that lives.

        :raises ChannelError: see :meth:`.manager.TokenManager.get`.
        """
        while True:
            looked_at = self.manager.clock()
            moment, token, stage = self._look()
            if token is not None and stage is Stage.FRESH:
                return self._use(token, token.expires_at - moment.now - self._lead(token, moment))
            try:
                found = self._turn(moment, token, stage)
            except ChannelError as error:
                left = token.expires_at - moment.now if token is not None else 0.0
                if token is None or stage is Stage.EXPIRED or left <= self.manager.clock() - looked_at:
                    if isinstance(error, HeldUpError) and self.manager.clock() < self.give_up_at:
                        continue  # nothing was spent, and the next try may find a quicker store or an idle machine
                    if self.refresh_refused and not self.issues_now:
                        self.issues_now = True  # the record has it, so the next request shows the credentials
                        continue
                    raise
                log.warning(
                    "Went on with the old token of scope %s, whose renewal failed: %s", self.scope, error
                )
                return self._keep(token, moment)
            if isinstance(found, Token):
                return self._use(found, found.life_seconds / 2)
            kept = self._settle(found, moment, token, stage)
            if kept is not None:
                return kept

    def _look(self) -> tuple[Moment, Token | None, Stage]:
        shared = self.manager.shared
        looked_at = self.manager.clock()
        moment = shared.look()
        self.ahead_of_host = moment.now - looked_at
        pair = shared.read_token(self.scope)
        self.outliving = pair if self.manager.dialect.refresh_outlives else None
        token = shared.usable(moment, pair)
        if token is None or token.fingerprint == self.rejected:
            return moment, None, Stage.EXPIRED
        scopes = moment.record.scopes_in_use(moment.now, shared.quota)
        stage = policy.stage_of(token.issued_at, token.expires_at, moment.now, scopes=scopes)
        return moment, token, stage

    def _turn(self, moment: Moment, token: Token | None, stage: Stage) -> Token | Decision:
        """Renew if this is ours to do; otherwise tell what stands in the way."""
        lease = moment.record.leases.get(self.scope)
        if lease is not None and self.manager.clock() < self.turn_at:
            return RenewalInProgress(lease.until)
        self._refuse_a_second_renewal(moment)
        shared = self.manager.shared
        with shared.store.host_lock(shared.app, self.scope) as host_lock:
            if host_lock is HostLock.TAKEN and not self._outlasted(lease, moment):
                self.turn_at = self.manager.clock() + _HOST_LOCK_EVERY_SECONDS
                return RenewalInProgress(moment.now + policy.LEASE_SECONDS)
            request = self._request(moment, token, stage, host_lock)
            decision, claimed = shared.claim(request, self.manager.clock)
            if isinstance(decision, Renew):
                return self._renew(decision, request, claimed, token)
        if isinstance(decision, RenewalInProgress):
            soon = decision.until - claimed.now if host_lock is HostLock.UNKNOWN else _HOST_LOCK_EVERY_SECONDS
            self.turn_at = self.manager.clock() + soon
        return decision

    def _outlasted(self, lease: Lease | None, moment: Moment) -> bool:
        """Whether the holder of the host lock has had its time: it may be stopped, not dead."""
        if lease is not None:
            return lease.until <= moment.now
        self.waits_since = self.waits_since or self.manager.clock()
        return self.manager.clock() - self.waits_since > policy.LEASE_SECONDS

    def _request(self, moment: Moment, token: Token | None, stage: Stage, host_lock: HostLock) -> Request:
        return Request(
            scope=self.scope,
            owner=uuid.uuid4().hex,
            host=self.manager.shared.store.host,
            stage=stage,
            held=token.fingerprint if token is not None else None,
            outliving=self.outliving is not None,
            refused=self.rejected,
            missing=self.missing,
            secret_mark=self.manager.shared.secret_mark,
            alone_on_host=host_lock is HostLock.OURS,
            ask_again=self.ask_again,
            why=self._reason(stage, moment, token),
            asked_by=self.manager.asked_by(),
        )

    def _renew(self, go: Renew, request: Request, claimed: Moment, token: Token | None) -> Token:
        self._log_request(go, request, claimed, token)
        manager = self.manager
        renewal = Renewal(
            manager.shared,
            manager.exchange,
            request,
            self.channel_id,
            token or self.outliving,
            manager.label,
            manager.clock,
            manager.dialect,
        )
        try:
            renewed = renewal.run(go, claimed_at=claimed.host_at)
        except ChannelRequestError as error:
            manager.on_event(TokenEvent(TokenEventKind.REFUSED, self.scope, reason=type(error).__name__))
            self.refresh_refused = go.refresh and isinstance(error, ChannelAuthenticationError)
            raise
        kind = TokenEventKind.REFRESHED if go.refresh else TokenEventKind.ISSUED
        manager.on_event(TokenEvent(kind, self.scope))
        return renewed

    def _log_request(self, go: Renew, request: Request, claimed: Moment, token: Token | None) -> None:
        """Write one line for people, and the same as fields for machines."""
        facts, manager = claimed.record.tokens.get(self.scope), self.manager
        quota, dialect = manager.shared.quota, manager.dialect
        issued_at = token.issued_at if token is not None else facts.issued_at if facts is not None else None
        age = None if issued_at is None else round(claimed.now - issued_at, 1)
        fields = {
            "token_request": dialect.refresh if go.refresh else dialect.issue,
            "scope": self.scope,
            "why": request.why,
            "old_age_seconds": age,
            "quota_left": claimed.record.ledger.left(claimed.now, quota),
            "quota_limit": quota.limit,
        }
        log.info(
            "Token request: %s for scope %s, since %s%s%s.",
            fields["token_request"],
            self.scope,
            fields["why"],
            "" if age is None else f" (issued {age:.0f} s ago)",
            ""
            if quota.is_unlimited
            else f"; {fields['quota_left']} of {quota.limit} requests of this window left",
            extra=fields,
        )

    def _reason(self, stage: Stage, moment: Moment, token: Token | None) -> str:
        if self.rejected is not None:
            return "the service refused the last token"
        if token is None:
            facts = moment.record.tokens.get(self.scope)
            return (
                "somebody dropped the last token"
                if facts is not None and facts.dropped
                else "no token is stored"
            )
        if stage is Stage.EXPIRED:
            return f"the last token expired {moment.now - token.expires_at:.0f} s ago"
        return f"the last token ends in {token.expires_at - moment.now:.0f} s"

    def _settle(self, decision: Decision, moment: Moment, token: Token | None, stage: Stage) -> Token | None:
        """Take what the policy says: a token to go on with, or None to look again; otherwise raise."""
        if isinstance(decision, AlreadyRenewed):
            self.missing = decision.fingerprint if self.named == decision.fingerprint else None
            self.named = decision.fingerprint
            return None
        alive = token is not None and stage is not Stage.EXPIRED
        waiting = isinstance(decision, RenewalInProgress) and stage is not Stage.EARLY
        if waiting and self.manager.clock() < self.give_up_at:
            started = self.manager.clock()
            self.manager.sleep(self.pause * random.uniform(0.5, 1.0))
            self.waited_seconds += self.manager.clock() - started
            self.pause = min(self.pause * 1.5, self.manager.shared.store.poll_seconds[1])
            return None
        if token is not None and alive:
            return self._keep(token, moment)
        raise self._error(decision, moment)

    def _keep(self, token: Token, moment: Moment) -> Token:
        return self._use(token, min(OLD_TOKEN_SECONDS, (token.expires_at - moment.now) / 2))

    def _use(self, token: Token, seconds: float) -> Token:
        """Let this process use the token for a while without looking again."""
        manager, until = self.manager, self.manager.clock() + min(seconds, MEMO_SECONDS)
        manager.shared.store.local_cache[manager.shared.cache_key(self.scope)] = CachedToken(
            token, until, token.expires_at - self.ahead_of_host
        )
        return token

    def _lead(self, token: Token, moment: Moment) -> float:
        scopes = moment.record.scopes_in_use(moment.now, self.manager.shared.quota)
        return policy.early_seconds(token.life_seconds, scopes)

    def _refuse_a_second_renewal(self, moment: Moment) -> None:
        facts = policy.refused_again(moment.record, moment.now, self.scope, self.rejected)
        if facts is not None:
            age = moment.now - facts.issued_at
            raise ChannelAuthenticationError(
                f"{self.manager.label}: the service refused a token of scope {self.scope} that is {age:.0f} s old and "
                f"the {facts.replacements}. in a row that had replaced a refused one. It is not renewed again for now, "
                f"since that would hardly help; {self.manager.dialect.advice}."
            )

    def _error(self, decision: Decision, moment: Moment) -> ChannelError:
        label = self.manager.label
        if isinstance(decision, CachedFailure):
            return cached_error(decision.failure, moment.now, label, self.scope, dialect=self.manager.dialect)
        if isinstance(decision, QuotaExhausted):
            return self._quota_error(decision, moment)
        until = decision.until if isinstance(decision, RenewalInProgress) else moment.now
        return ChannelNotSentError(
            f"{label}: another task has been renewing the token of scope {self.scope} for longer than this one may "
            "wait; nothing was sent.",
            retry_at=wall_time_in(until - moment.now),
        )

    def _quota_error(self, decision: QuotaExhausted, moment: Moment) -> ChannelTokenQuotaError:
        quota, retry_after = self.manager.shared.quota, decision.at - moment.now
        retry_at = wall_time_in(retry_after)
        why = (
            "the service has refused token requests for its quota"
            if decision.blocked
            else f"all {quota.limit} token requests of {quota.window_seconds / 60:.0f} minutes are spent"
        )
        return ChannelTokenQuotaError(
            f"{self.manager.label}: {why}; the next one for scope {self.scope} may be sent at {retry_at:%H:%M:%S} UTC. "
            "Nothing was sent.",
            retry_at=retry_at,
            retry_after_seconds=retry_after,
        )
