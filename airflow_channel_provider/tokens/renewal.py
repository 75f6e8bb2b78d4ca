"""
One token request that is already charged: send it, store the token, and record the result for all tasks.

The lease is given back whatever happens, except if the process dies. A token that the service gave but the store does
not take is used by this process all the same.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelError,
    ChannelNotSentError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelResponseError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.tokens import errors, history, transitions, validation
from airflow_channel_provider.tokens.budget import Charge
from airflow_channel_provider.tokens.context import TokenContext
from airflow_channel_provider.tokens.history import Outcome
from airflow_channel_provider.tokens.policy import Renew, RenewalRequest
from airflow_channel_provider.tokens.record import AppRecord, TokenFacts
from airflow_channel_provider.tokens.repository import RecordSnapshot, wall_time_in
from airflow_channel_provider.tokens.types import Token

log = logging.getLogger(__name__)

LATEST_SEND_SECONDS = 5.0
"""A charge covers a request that is sent within this of it; a process that was stopped for longer must not send."""


@dataclass
class Renewal:
    """
    One charged token request, from its sending to its result in the record.

    :param request: as it was claimed.
    :param decision: the decision of the policy: to refresh or to issue.
    :param held: the pair whose refresh token may be sent, if this process can read one.
    :param charges: of this renewal, the last of them for the last request.
    """

    context: TokenContext
    request: RenewalRequest
    decision: Renew
    channel_id: str | None
    held: Token | None
    charges: list[Charge] = field(default_factory=list)

    def run(self, claimed: RecordSnapshot) -> Token:
        """
        Send the request and settle its charge.

        :param claimed: the record with the charge.
        :raises ChannelTokenQuotaError: the service refused because of its quota.
        :raises ChannelRequestError: the service refused for another reason.
        :raises ChannelNotSentError: it may work later.
        """
        self._add_charge(self.request.owner, refresh=self.decision.refresh)
        if self._is_too_late(claimed):
            self._withdraw()
            raise self._held_up()
        try:
            token = self._buy()
            self._share(token)
        except errors.NoRoomError:
            self._abandon()
            raise
        except ChannelRateLimitError as error:
            raise self._noted_quota(error) from error
        except ChannelRequestError as error:
            raise self._noted_failure(error, lasting=errors.is_lasting(error)) from error
        except (ChannelNotSentError, ChannelAmbiguousResultError, ChannelResponseError) as error:
            raise self._noted_failure(error, lasting=False) from error
        except Exception:
            # A fault of our own. Without a pause for all, each task would repeat it, at one request each.
            self._note_failed(Outcome.INTERRUPTED, sent=True, answered=False, document=None)
            raise
        except BaseException:
            self._abandon()
            raise
        return token

    def _is_too_late(self, charged: RecordSnapshot) -> bool:
        return self.context.clock() - charged.host_now > LATEST_SEND_SECONDS

    def _add_charge(self, charge_id: str, *, refresh: bool) -> None:
        kind = "refresh" if refresh else "issue"
        self.charges.append(Charge(charge_id, 0.0, self.request.scope, kind))

    # ------------------------------------------------------------------------------------------------ sending

    def _buy(self) -> Token:
        exchange, repository = self.context.exchange, self.context.repository
        requested_at = self.decision.requested_at
        if self.decision.refresh and self.held is not None:
            repository.mask(self.held)
            answer = exchange.refresh(self.held.refresh_token)
        else:
            answer = exchange.issue(self.channel_id)
        repository.mask(answer)
        if not answer.access_token:
            # The seed marks accessToken as optional: then it is exchanged for the refresh token, once.
            charged = self._charge_again()
            if self._is_too_late(charged):
                raise self._held_up()
            requested_at = charged.now
            answer = exchange.refresh(answer.refresh_token)
            repository.mask(answer)
            if not answer.access_token:
                raise ChannelResponseError(
                    f"{self.context.label}: the service answered twice with a refresh token and no access token.",
                    method=self.context.service.refresh,
                )
        expires_at = requested_at + self._life_seconds(answer.expires_in_seconds)
        return Token(answer.access_token, answer.refresh_token, requested_at, expires_at, self.request.scope)

    def _life_seconds(self, answered: float) -> float:
        """Limit a life that no service means: the token may be good, whatever the number is."""
        life_seconds = min(answered, validation.LONGEST_LIFE_SECONDS)
        if life_seconds < answered:
            log.warning(
                "%s: by the answer of the service the token of scope %s lives for longer than %.0f s, so its unit is "
                "hardly a second; it is used for so long, or until it is refused.",
                self.context.label,
                self.request.scope,
                life_seconds,
            )
        return life_seconds

    def _charge_again(self) -> RecordSnapshot:
        charge_id = uuid.uuid4().hex
        charges, quota = tuple(self.charges), self.context.repository.quota
        granted = False

        def apply(record: AppRecord, now: float) -> AppRecord:
            nonlocal granted
            after = transitions.exchange_charge(record, now, self.request, charges, charge_id, quota)
            granted = after is not None
            return record if after is None else self._with_second_request(after, now, charge_id)

        snapshot = self.context.repository.update(apply)
        if not granted:
            retry_after = snapshot.record.ledger.available_at(snapshot.now, quota) - snapshot.now
            raise errors.NoRoomError(
                f"{self.context.label}: the answer had no access token, and the quota leaves no request to exchange "
                "its refresh token.",
                method=self.context.service.refresh,
                retry_at=wall_time_in(retry_after),
                retry_after_seconds=retry_after,
            )
        self._add_charge(charge_id, refresh=True)
        return snapshot

    def _with_second_request(self, record: AppRecord, now: float, charge_id: str) -> AppRecord:
        why = "the answer had no access token"
        second = history.TokenRequest(
            charge_id, now, self.request.scope, "refresh", why, self.request.asked_by
        )
        rows = history.set_outcome(record.history, self.charges[-1].id, now, Outcome.GRANTED)
        return record._replace(history=history.add_request(rows, second))

    def _share(self, token: Token) -> None:
        repository = self.context.repository
        # Who drops a token drops its blob, unless the refresh token in it outlives the access token.
        blob = "" if self.context.service.refresh_outlives else repository.blob_name(token.scope)
        facts = TokenFacts(token.fingerprint, token.issued_at, token.expires_at, blob=blob)
        try:
            repository.write_token(token)
        except ChannelError as error:
            log.warning(
                "The new token of scope %s could not be shared with other tasks: %s", token.scope, error
            )
            self._abandon(Outcome.GRANTED)
            return
        charges, refresh = tuple(self.charges), self.decision.refresh
        self._note(
            lambda record, now: transitions.succeeded(
                record, now, self.request, facts, charges, refresh=refresh
            ),
            Outcome.GRANTED,
        )

    # ------------------------------------------------------------------------------------------------ recording

    def _note(
        self, change: Callable[[AppRecord, float], AppRecord], outcome: Outcome, detail: str = ""
    ) -> RecordSnapshot | None:
        """Record the result of the last request, for the decisions of other processes and for people."""
        last = self.charges[-1].id

        def apply(record: AppRecord, now: float) -> AppRecord:
            after = change(record, now)
            return after._replace(history=history.set_outcome(after.history, last, now, outcome, detail))

        # A store that fails here has the charge already, and the lease runs out by itself.
        with suppress(ChannelError):
            return self.context.repository.update(apply)
        return None

    def _abandon(self, outcome: Outcome = Outcome.INTERRUPTED) -> None:
        charges = tuple(self.charges)
        self._note(lambda record, now: transitions.abandoned(record, now, self.request, charges), outcome)

    def _withdraw(self) -> None:
        """Give back the first charge, which is too old to be sent, since this process was stopped."""
        charge = self.charges[-1]
        self._note(lambda record, now: transitions.withdrawn(record, self.request, charge), Outcome.NOT_SENT)

    def _held_up(self) -> errors.HeldUpError:
        return errors.HeldUpError(
            f"{self.context.label}: this process was held up before it could send its token request, and did not send "
            "it.",
            retry_at=wall_time_in(0.0),
        )

    def _noted_quota(self, error: ChannelRateLimitError) -> ChannelTokenQuotaError:
        quota, charges = self.context.repository.quota, tuple(self.charges)
        snapshot = self._note(
            lambda record, now: transitions.refused_for_quota(
                record, now, self.request, charges, quota, error.retry_after_seconds
            ),
            Outcome.QUOTA,
            _summary(error),
        )
        retry_after = error.retry_after_seconds
        if snapshot is not None:
            retry_after = snapshot.record.ledger.available_at(snapshot.now, quota) - snapshot.now
        return ChannelTokenQuotaError(
            f"{self.context.label}: the service refused a token request because of its quota: {error.message}",
            method=error.method,
            http_status=error.http_status,
            code=error.code,
            error_type=error.error_type,
            service_message=error.service_message,
            retry_at=wall_time_in(retry_after) if retry_after is not None else None,
            retry_after_seconds=retry_after,
        )

    def _noted_failure(self, error: ChannelError, *, lasting: bool) -> ChannelError:
        snapshot = self._note_failed(
            _outcome_of(error, lasting=lasting),
            sent=not isinstance(error, ChannelNotSentError),
            answered=isinstance(error, (ChannelRequestError, ChannelResponseError)),
            document=errors.as_json(error) if lasting and isinstance(error, ChannelRequestError) else None,
            detail=_summary(error),
        )
        if lasting and self.decision.refresh:
            return errors.RefreshRefusedError(
                f"{self.context.label}: the refresh token was refused: {error.message}",
                method=error.method,
                http_status=error.http_status,
            )
        failure = None
        if snapshot is not None:
            failure = snapshot.record.failure_of(self.request.scope, self.request.secret_mark)
        if snapshot is not None and failure is not None:
            return errors.cached_error(failure, snapshot.now, self.context, self.request.scope, cause=error)
        return error if lasting else self._no_token(error)

    def _note_failed(
        self,
        outcome: Outcome,
        *,
        sent: bool,
        answered: bool,
        document: Mapping[str, Any] | None,
        detail: str = "",
    ) -> RecordSnapshot | None:
        charges = tuple(self.charges)
        return self._note(
            lambda record, now: transitions.failed(
                record,
                now,
                self.request,
                charges,
                sent=sent,
                answered=answered,
                refresh=self.decision.refresh,
                life_seconds=self.held.life_seconds if self.held is not None else 0.0,
                error=document,
            ),
            outcome,
            detail,
        )

    def _no_token(self, error: ChannelError) -> ChannelNotSentError:
        """Make the caller's error: whatever happened to the token request, the call that needed it was not sent."""
        return ChannelNotSentError(
            f"{self.context.label}: no token for scope {self.request.scope} is available now: {error.message}",
            method=error.method,
            http_status=error.http_status,
        )


def _outcome_of(error: ChannelError, *, lasting: bool) -> Outcome:
    if isinstance(error, ChannelNotSentError):
        return Outcome.NOT_SENT
    return Outcome.REFUSED if lasting else Outcome.UNCLEAR


def _summary(error: ChannelError) -> str:
    """Return class and status of an error, but nothing of a message that may hold the service's words."""
    status = f", HTTP {error.http_status}" if error.http_status else ""
    return f"{type(error).__name__}{status}"
