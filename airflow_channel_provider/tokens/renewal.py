"""
One token request that is already charged: send it, store what came, write down how it went for all to see.

Whatever happens, short of the death of the process, the lease is given back. A token that could be bought but not
stored is used by this process all the same.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelError,
    ChannelNotSentError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelResponseError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.tokens import history, outcomes, plausible, refusals
from airflow_channel_provider.tokens.budget import Charge
from airflow_channel_provider.tokens.clock import steady
from airflow_channel_provider.tokens.dialect import CHANNEL_TALK, Dialect
from airflow_channel_provider.tokens.exchange import TokenExchange
from airflow_channel_provider.tokens.history import Outcome
from airflow_channel_provider.tokens.policy import Renew, Request
from airflow_channel_provider.tokens.record import AppRecord, TokenFacts
from airflow_channel_provider.tokens.shared import Moment, SharedApp, wall_time_in
from airflow_channel_provider.tokens.token import Token

__all__ = ["HeldUpError", "Renewal"]

log = logging.getLogger(__name__)

LATEST_SEND_SECONDS = 5.0
"""A charge covers a request that is sent within this of it; a process that was stopped longer must not send."""


@dataclass
class Renewal:
    """
    See the module.

    :param held: the token that is to be replaced, where it can still be read.
    :param label: names the connection in messages.
    :param clock: seconds of this host.
    :param dialect: of the service.
    """

    shared: SharedApp
    exchange: TokenExchange
    request: Request
    channel_id: str | None
    held: Token | None
    label: str
    clock: Callable[[], float] = steady
    dialect: Dialect = CHANNEL_TALK
    charges: list[Charge] = field(default_factory=list)

    def run(self, go: Renew, *, claimed_at: float) -> Token:
        """
        Send the request and settle its charge.

        :param claimed_at: host clock before it was charged, seconds.
        :raises ChannelTokenQuotaError: the service refused for its quota.
        :raises ChannelRequestError: the service refused for another reason.
        :raises ChannelNotSentError: it may work later.
        """
        self._add_charge(self.request.owner, refresh=go.refresh)
        if self.clock() - claimed_at > LATEST_SEND_SECONDS:
            raise self._withdrawn()
        try:
            token = self._buy(go)
            self._share(token, refresh=go.refresh)
        except _NoRoomError:
            self._abandon()
            raise
        except ChannelRateLimitError as error:
            raise self._noted_quota(error) from error
        except ChannelRequestError as error:
            raise self._noted_failure(go, error, lasting=refusals.is_lasting(error)) from error
        except (ChannelNotSentError, ChannelAmbiguousResultError, ChannelResponseError) as error:
            raise self._noted_failure(go, error, lasting=False) from error
        except Exception:
            # A fault of our own. Without a pause for all, each task would repeat it, at one request each.
            self._note_failed(go, Outcome.INTERRUPTED, sent=True, answered=False, document=None)
            raise
        except BaseException:
            self._abandon()
            raise
        return token

    def _add_charge(self, charge_id: str, *, refresh: bool) -> None:
        kind = "refresh" if refresh else "issue"
        self.charges.append(Charge(charge_id, 0.0, self.request.scope, kind))

    # ------------------------------------------------------------------------------------------------ buying

    def _buy(self, go: Renew) -> Token:
        requested_at = go.requested_at
        if go.refresh and self.held is not None:
            answer = self.exchange.refresh(self.held.refresh_token)
        else:
            answer = self.exchange.issue(self.channel_id)
        self.shared.mask(answer)
        if not answer.access_token:
            # The seed marks accessToken as optional: then the refresh token buys it, once.
            requested_at = self._charge_again()
            answer = self.exchange.refresh(answer.refresh_token)
            self.shared.mask(answer)
            if not answer.access_token:
                raise ChannelResponseError(
                    f"{self.label}: the service answered twice with a refresh token and no access token.",
                    method=self.dialect.refresh,
                )
        expires_at = requested_at + self._life_seconds(answer.expires_in_seconds)
        return Token(answer.access_token, answer.refresh_token, requested_at, expires_at, self.request.scope)

    def _life_seconds(self, told: float) -> float:
        """Believe in no life that no service means: the token is bought and may be good, whatever the number is."""
        believed = min(told, plausible.LONGEST_LIFE_SECONDS)
        if believed < told:
            log.warning(
                "%s: by the answer of the service the token of scope %s lives for longer than %.0f s, so its unit is "
                "hardly a second; it is used for so long, or until it is refused.",
                self.label,
                self.request.scope,
                believed,
            )
        return believed

    def _charge_again(self) -> float:
        charge_id = uuid.uuid4().hex
        charges, quota = tuple(self.charges), self.shared.quota
        granted = False

        def apply(record: AppRecord, now: float) -> AppRecord:
            nonlocal granted
            after = outcomes.exchange_charge(record, now, self.request, charges, charge_id, quota)
            granted = after is not None
            return record if after is None else self._with_second_request(after, now, charge_id)

        moment = self.shared.change(apply)
        if not granted:
            retry_after = moment.record.ledger.available_at(moment.now, quota) - moment.now
            raise _NoRoomError(
                f"{self.label}: the answer had no access token, and the quota leaves no request to exchange its "
                "refresh token.",
                method=self.dialect.refresh,
                retry_at=wall_time_in(retry_after),
                retry_after_seconds=retry_after,
            )
        self._add_charge(charge_id, refresh=True)
        return moment.now

    def _with_second_request(self, record: AppRecord, now: float, charge_id: str) -> AppRecord:
        why = "the answer had no access token"
        second = history.TokenRequest(
            charge_id, now, self.request.scope, "refresh", why, self.request.asked_by
        )
        rows = history.ended(record.history, self.charges[-1].id, now, Outcome.GRANTED)
        return replace(record, history=history.began(rows, second))

    def _share(self, token: Token, *, refresh: bool) -> None:
        # Who drops a token drops its blob, but not a refresh token that is worth more than the token.
        blob = "" if self.dialect.refresh_outlives else self.shared.cache_key(token.scope)
        facts = TokenFacts(token.fingerprint, token.issued_at, token.expires_at, blob=blob)
        try:
            self.shared.write_token(token)
        except ChannelError as error:
            log.warning(
                "The new token of scope %s could not be shared with other tasks: %s", token.scope, error
            )
            self._abandon(Outcome.GRANTED)
            return
        charges = tuple(self.charges)
        self._note(
            lambda record, now: outcomes.succeeded(
                record, now, self.request, facts, charges, refresh=refresh
            ),
            Outcome.GRANTED,
        )

    # ------------------------------------------------------------------------------------------------ writing down

    def _note(
        self, change: Callable[[AppRecord, float], AppRecord], outcome: Outcome, detail: str = ""
    ) -> Moment | None:
        """Write down what became of the last request, for the decisions of others and for people."""
        last = self.charges[-1].id

        def apply(record: AppRecord, now: float) -> AppRecord:
            after = change(record, now)
            return replace(after, history=history.ended(after.history, last, now, outcome, detail))

        # A store that fails here has the charge already, and the lease runs out by itself.
        with suppress(ChannelError):
            return self.shared.change(apply)
        return None

    def _abandon(self, outcome: Outcome = Outcome.INTERRUPTED) -> None:
        charges = tuple(self.charges)
        self._note(lambda record, now: outcomes.abandoned(record, now, self.request, charges), outcome)

    def _withdrawn(self) -> HeldUpError:
        """Give back a request whose charge is older than it may be when it is sent: this process was stopped."""
        charge = self.charges[-1]
        self._note(lambda record, now: outcomes.withdrawn(record, self.request, charge), Outcome.NOT_SENT)
        return HeldUpError(
            f"{self.label}: this process was held up before it could send its token request, and did not send it.",
            retry_at=wall_time_in(0.0),
        )

    def _noted_quota(self, error: ChannelRateLimitError) -> ChannelTokenQuotaError:
        moment = self._note(
            lambda record, now: outcomes.refused_for_quota(
                record, now, self.request, tuple(self.charges), self.shared.quota, error.retry_after_seconds
            ),
            Outcome.QUOTA,
            _told(error),
        )
        retry_after = error.retry_after_seconds
        if moment is not None:
            retry_after = moment.record.ledger.available_at(moment.now, self.shared.quota) - moment.now
        return ChannelTokenQuotaError(
            f"{self.label}: the service refused a token request for its quota: {error.message}",
            method=error.method,
            http_status=error.http_status,
            code=error.code,
            error_type=error.error_type,
            service_message=error.service_message,
            retry_at=wall_time_in(retry_after) if retry_after is not None else None,
            retry_after_seconds=retry_after,
        )

    def _noted_failure(self, go: Renew, error: ChannelError, *, lasting: bool) -> ChannelError:
        moment = self._note_failed(
            go,
            _outcome_of(error, lasting=lasting),
            sent=not isinstance(error, ChannelNotSentError),
            answered=isinstance(error, (ChannelRequestError, ChannelResponseError)),
            document=refusals.as_json(error) if lasting and isinstance(error, ChannelRequestError) else None,
            detail=_told(error),
        )
        if lasting and go.refresh:
            return ChannelAuthenticationError(
                f"{self.label}: the refresh token was refused: {error.message}",
                method=error.method,
                http_status=error.http_status,
            )
        failure = None
        if moment is not None:
            failure = moment.record.failure_of(self.request.scope, self.request.secret_mark)
        if moment is None or failure is None:
            return error if lasting else self._no_token(error)
        return refusals.cached_error(
            failure, moment.now, self.label, self.request.scope, cause=error, dialect=self.dialect
        )

    def _note_failed(
        self,
        go: Renew,
        outcome: Outcome,
        *,
        sent: bool,
        answered: bool,
        document: Mapping[str, Any] | None,
        detail: str = "",
    ) -> Moment | None:
        charges = tuple(self.charges)
        return self._note(
            lambda record, now: outcomes.failed(
                record,
                now,
                self.request,
                charges,
                sent=sent,
                answered=answered,
                refresh=go.refresh,
                life_seconds=self.held.life_seconds if self.held is not None else 0.0,
                error=document,
            ),
            outcome,
            detail,
        )

    def _no_token(self, error: ChannelError) -> ChannelNotSentError:
        """Say it as the caller sees it: whatever became of the token request, the call it was for was not sent."""
        return ChannelNotSentError(
            f"{self.label}: no token for scope {self.request.scope} can be had for now: {error.message}",
            method=error.method,
            http_status=error.http_status,
        )


def _outcome_of(error: ChannelError, *, lasting: bool) -> Outcome:
    if isinstance(error, ChannelNotSentError):
        return Outcome.NOT_SENT
    return Outcome.REFUSED if lasting else Outcome.UNCLEAR


def _told(error: ChannelError) -> str:
    """Name an error without repeating what a service may have put into its message."""
    status = f", HTTP {error.http_status}" if error.http_status else ""
    return f"{type(error).__name__}{status}"


class HeldUpError(ChannelNotSentError):
    """So much time has passed since the charge that its request was not sent, and the charge given back."""


class _NoRoomError(ChannelTokenQuotaError):
    """Our own ledger, not the service, says that the quota is spent."""
