"""
How one caller gets a token if no fresh one is stored: it asks the policy, then renews the token or waits for the
process that does.

No lock and no transaction of the store is held while a request is under way: the charge is durable before the request
is sent, so a process that dies on the way loses no count.
"""

from __future__ import annotations

import logging
import random
import uuid

from airflow_channel_provider.exceptions import ChannelError, ChannelRequestError
from airflow_channel_provider.tokens import errors, policy
from airflow_channel_provider.tokens.context import TokenContext
from airflow_channel_provider.tokens.exchange import TokenEvent, TokenEventKind
from airflow_channel_provider.tokens.look import OLD_TOKEN_SECONDS, View, look, use
from airflow_channel_provider.tokens.policy import (
    AlreadyRenewed,
    Decision,
    Renew,
    RenewalInProgress,
    RenewalRequest,
)
from airflow_channel_provider.tokens.repository import RecordSnapshot
from airflow_channel_provider.tokens.stages import Stage
from airflow_channel_provider.tokens.stores.base import HostLock
from airflow_channel_provider.tokens.types import Token

log = logging.getLogger(__name__)

HOST_LOCK_SECONDS = 0.3
"""Seconds between two checks of a waiting process that the renewing one still lives."""


class _Waiting:
    """
    How this task waits for another process that renews.

    :ivar pause_seconds: the longest next pause.
    :ivar seconds: how long it has waited so far.
    :ivar since: when it began to wait for a process that holds the host lock and no lease; host clock, seconds.
    :ivar next_claim_at: when it asks the policy again; host clock, seconds.
    """

    def __init__(self, pause_seconds: float) -> None:
        self.pause_seconds = pause_seconds
        self.seconds = 0.0
        self.since: float | None = None
        self.next_claim_at = 0.0


class TokenAcquisition:
    """
    One caller's way to a token.

    :param rejected: fingerprint of the token that the service has just refused.
    :param ask_again: send a request although a refusal is remembered.
    :param give_up_at: host clock, seconds; until then it waits for another process that renews.
    """

    def __init__(
        self,
        context: TokenContext,
        scope: str,
        channel_id: str | None,
        rejected: str | None,
        ask_again: bool,
        give_up_at: float,
    ) -> None:
        self.context = context
        self.scope = scope
        self.channel_id = channel_id
        self.rejected = rejected
        self.ask_again = ask_again
        self.give_up_at = give_up_at
        self._waiting = _Waiting(context.repository.store.poll_seconds[0])
        # Fingerprint of the token that, by the record, another process has just stored; and the same, once it was
        # announced twice and could not be read: then it is renewed.
        self._announced: str | None = None
        self._missing: str | None = None
        # The refresh token was refused, and the credentials are tried.
        self._sends_credentials = False

    def run(self, view: View) -> Token:
        """
        Return a token that lives.

        :param view: what the store shows.
        :raises ChannelError: see :meth:`.manager.TokenManager.get`.
        """
        try:
            while (token := self._attempt(view)) is None:
                view = look(self.context, self.scope, self.rejected)
            return token
        finally:
            if self._waiting.seconds > 0:
                waited = TokenEvent(TokenEventKind.WAITED, self.scope, seconds=self._waiting.seconds)
                self.context.on_event(waited)

    def _attempt(self, view: View) -> Token | None:
        """Return a token to use; None to look again."""
        if view.token is not None and view.stage is Stage.FRESH:
            return use(self.context, view.token, view.fresh_seconds, view.snapshot)
        try:
            result = self._claim(view)
        except ChannelError as error:
            living = view.living_token
            if living is not None and view.snapshot.host_time(living.expires_at) > self.context.clock():
                log.warning(
                    "Went on with the old token of scope %s, whose renewal failed: %s", self.scope, error
                )
                return self._use_old(living, view.snapshot)
            if self._may_try_again(error):
                return None
            raise
        if isinstance(result, Token):
            return use(self.context, result, result.life_seconds / 2, view.snapshot)
        return self._follow(result, view)

    def _may_try_again(self, error: ChannelError) -> bool:
        if isinstance(error, errors.HeldUpError):
            # Nothing was spent, and the next try may find a quicker store or an idle machine.
            return self.context.clock() < self.give_up_at
        if isinstance(error, errors.RefreshRefusedError) and not self._sends_credentials:
            self._sends_credentials = True  # the record has the refusal, so the next request sends them
            return True
        return False

    # ------------------------------------------------------------------------------------------------ renewing

    def _claim(self, view: View) -> Token | Decision:
        """Renew the token if the policy lets this process do so; otherwise return the decision."""
        repository, clock, waiting = self.context.repository, self.context.clock, self._waiting
        snapshot = view.snapshot
        lease = snapshot.record.leases.get(self.scope)
        if lease is not None and clock() < waiting.next_claim_at:
            return RenewalInProgress(lease.until)
        if self.rejected is not None:
            facts = policy.refused_again(snapshot.record, snapshot.now, self.scope, self.rejected)
            if facts is not None:
                raise errors.replaced_too_often(facts, snapshot.now, self.context, self.scope)
        with repository.host_lock(self.scope) as host_lock:
            if host_lock is HostLock.TAKEN and not self._outlasted(snapshot):
                waiting.next_claim_at = clock() + HOST_LOCK_SECONDS
                return RenewalInProgress(snapshot.now + policy.LEASE_SECONDS)
            request = self._request(view, host_lock)
            decision, claimed = repository.claim(request)
            if isinstance(decision, Renew):
                return self._renew(decision, request, claimed, view)
        if isinstance(decision, RenewalInProgress):
            soon = decision.until - claimed.now if host_lock is HostLock.UNKNOWN else HOST_LOCK_SECONDS
            waiting.next_claim_at = clock() + soon
        return decision

    def _outlasted(self, snapshot: RecordSnapshot) -> bool:
        """Return whether the holder of the host lock has had its time: it may be stopped, not dead."""
        lease = snapshot.record.leases.get(self.scope)
        if lease is not None:
            return lease.until <= snapshot.now
        now = self.context.clock()
        self._waiting.since = self._waiting.since or now
        return now - self._waiting.since > policy.LEASE_SECONDS

    def _request(self, view: View, host_lock: HostLock) -> RenewalRequest:
        repository = self.context.repository
        return RenewalRequest(
            scope=self.scope,
            owner=uuid.uuid4().hex,
            host=repository.store.host,
            stage=view.stage,
            held=view.token.fingerprint if view.token is not None else None,
            outliving=view.refreshable is not None,
            refused=self.rejected,
            missing=self._missing,
            secret_mark=repository.secret_mark,
            alone_on_host=host_lock is HostLock.OURS,
            ask_again=self.ask_again,
            why=self._reason(view),
            asked_by=self.context.asked_by(),
        )

    def _reason(self, view: View) -> str:
        if self.rejected is not None:
            return "the service refused the last token"
        token, now = view.token, view.snapshot.now
        if token is None:
            facts = view.snapshot.record.tokens.get(self.scope)
            dropped = facts is not None and facts.dropped
            return "somebody dropped the last token" if dropped else "no token is stored"
        if view.stage is Stage.EXPIRED:
            return f"the last token expired {now - token.expires_at:.0f} s ago"
        return f"the last token ends in {token.expires_at - now:.0f} s"

    def _renew(self, decision: Renew, request: RenewalRequest, claimed: RecordSnapshot, view: View) -> Token:
        # Imported for token requests alone: most tasks find a token that is there.
        from airflow_channel_provider.tokens.renewal import Renewal

        context = self.context
        self._log_request(decision, request, claimed, view.token)
        held = view.token or view.refreshable
        try:
            token = Renewal(context, request, decision, self.channel_id, held).run(claimed)
        except ChannelRequestError as error:
            reason = errors.class_name(error)
            context.on_event(TokenEvent(TokenEventKind.REFUSED, self.scope, reason=reason))
            raise
        kind = TokenEventKind.REFRESHED if decision.refresh else TokenEventKind.ISSUED
        context.on_event(TokenEvent(kind, self.scope))
        return token

    def _log_request(
        self, decision: Renew, request: RenewalRequest, claimed: RecordSnapshot, token: Token | None
    ) -> None:
        """Log one line for people, with the same as fields for machines."""
        quota, service = self.context.repository.quota, self.context.service
        old = token if token is not None else claimed.record.tokens.get(self.scope)
        fields = {
            "token_request": service.refresh if decision.refresh else service.issue,
            "scope": self.scope,
            "why": request.why,
            "old_age_seconds": None if old is None else round(claimed.now - old.issued_at, 1),
            "quota_left": claimed.record.ledger.left(claimed.now, quota),
            "quota_limit": quota.limit,
        }
        log.info(
            "Token request: %s for scope %s, since %s%s%s.",
            fields["token_request"],
            self.scope,
            fields["why"],
            "" if old is None else f" (issued {claimed.now - old.issued_at:.0f} s ago)",
            f"; {fields['quota_left']} of {quota.limit} requests of this window left" if quota.limit else "",
            extra=fields,
        )

    # ------------------------------------------------------------------------------------------------ using, waiting

    def _follow(self, decision: Decision, view: View) -> Token | None:
        """Return a token to use in spite of the decision, None to look again; otherwise raise."""
        if isinstance(decision, AlreadyRenewed):
            announced_twice = self._announced == decision.fingerprint
            self._missing = decision.fingerprint if announced_twice else None
            self._announced = decision.fingerprint
            return None
        waits = isinstance(decision, RenewalInProgress) and view.stage is not Stage.EARLY
        if waits and self.context.clock() < self.give_up_at:
            self._pause()
            return None
        if (living := view.living_token) is not None:
            return self._use_old(living, view.snapshot)
        raise errors.blocked_error(decision, view.snapshot, self.context, self.scope)

    def _pause(self) -> None:
        context, waiting = self.context, self._waiting
        started = context.clock()
        context.sleep(waiting.pause_seconds * random.uniform(0.5, 1.0))
        waiting.seconds += context.clock() - started
        waiting.pause_seconds = min(waiting.pause_seconds * 1.5, context.repository.store.poll_seconds[1])

    def _use_old(self, token: Token, snapshot: RecordSnapshot) -> Token:
        return use(
            self.context, token, min(OLD_TOKEN_SECONDS, (token.expires_at - snapshot.now) / 2), snapshot
        )
