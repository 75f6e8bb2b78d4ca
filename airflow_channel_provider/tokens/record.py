"""
The one document that all tasks of one app share: ledger, leases, what is known of each token, and what went wrong.

It holds no secret and no token, so it survives a reissued App Secret. Its JSON carries a format number; a document of
another format, or with a value that fails its :mod:`.validation`, counts as lost, and a lost document counts as half
spent. Its name and its history, which only people read, are repaired instead. What is written is always readable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from airflow_channel_provider.tokens import validation
from airflow_channel_provider.tokens.budget import Charge, Ledger, Quota
from airflow_channel_provider.tokens.types import APP_SCOPE, CHANNEL_TALK
from airflow_channel_provider.values import Values

T = TypeVar("T")

FORMAT = 1

Row = Sequence[Any]
History = tuple[Row, ...]
"""Token requests as plain values; the module :mod:`.history` reads and writes them."""

KEPT_ROWS = 500
"""A day has 480 granted requests at most; those that could not be sent come on top."""

_NONE: Mapping[str, Any] = MappingProxyType({})

MAX_CONNECTIONS = 20
"""The most connections of one app in its record: those that sent a token request last."""

KEPT_TOKENS, KEPT_FAILURES = 5_000, 1_000

LONGEST_PAUSE_SECONDS = 3600.0
"""The longest time that a failure is remembered, unless the window of the quota is longer."""

ERROR_FIELDS = ("class", "message", "method", "http_status", "code", "error_type", "service_message")
"""The fields of a refusal in the record."""

SECRET_REFUSAL = "ChannelAuthenticationError"  # noqa: S105 - the name of an error class
"""The class in the record of a refusal that may mean the App Secret."""

_TEXT_LENGTH = 250


class Lease(Values):
    """
    One process is renewing the token of a scope.

    :param owner: unique to one renewal.
    :param host: host of the owner, as the store names hosts; shows whether the owner is dead or only slow.
    :param until: end of the lease (store clock, seconds).
    """

    owner: str
    host: str
    until: float


class TokenFacts(Values):
    """
    The facts about a token that are no secret.

    :param replacements: tokens in a row, up to this one, that replaced one that the service had refused.
    :param refresh_refusals: refused refreshes in a row before this token was issued.
    :param dropped: a person has stopped its use.
    :param blob: name of the sealed token in the store; empty if it must stay there when the token is dropped.
    """

    fingerprint: str
    issued_at: float
    expires_at: float
    replacements: int = 0
    refresh_refusals: int = 0
    dropped: bool = False
    blob: str = ""


class AppName(Values):
    """
    The app of a record, for people.

    :param app_id: empty if the connections have none.
    :param connections: ids of the connections that sent token requests, the latest last.
    :param service: name of the service that gives the tokens.
    :param unlimited: the service limits no token requests.
    """

    base_url: str = ""
    app_id: str = ""
    connections: tuple[str, ...] = ()
    service: str = CHANNEL_TALK.service
    unlimited: bool = False

    def used_by(self, other: AppName) -> AppName:
        """Add the connections of another use of the same app."""
        known = tuple(name for name in self.connections if name not in other.connections)
        return other._replace(connections=(*known, *other.connections)[-MAX_CONNECTIONS:])


class Failure(Values):
    """
    A failed token request, for all tasks.

    :param in_a_row: failures in a row, this one included; ``count`` in the document.
    :param until: no request is sent before then (store clock, seconds).
    :param error: a refusal that a repetition would meet again; None for a failure that passes.
    :param secret_mark: fingerprint of the App Secret that was refused; another secret may be tried at once.
    :param refresh_refused: the refresh token was refused, so the next renewal issues.
    :param at: when it failed (store clock, seconds).
    :param of_scope: a token was issued with the same App Secret since, so the refusal means this scope alone.
    """

    in_a_row: int
    until: float
    error: Mapping[str, Any] | None = None
    secret_mark: str = ""
    refresh_refused: bool = False
    at: float = 0.0
    of_scope: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the failure as plain JSON values."""
        values = self._asdict()
        return {"count": values.pop("in_a_row"), **values}


class AppRecord(Values):
    """
    The document of one app.

    :param leases: by scope.
    :param tokens: by scope.
    :param failures: by scope; refusals by scope and App Secret.
    :param outage: failures in a row over all scopes, and until when all of them pause.
    :param name: the app, for people.
    :param history: rows of the module :mod:`.history`.
    """

    ledger: Ledger = Ledger()
    leases: Mapping[str, Lease] = _NONE
    tokens: Mapping[str, TokenFacts] = _NONE
    failures: Mapping[str, Failure] = _NONE
    outage: Failure | None = None
    name: AppName = AppName()
    history: History = ()

    def scopes_in_use(self, now: float, quota: Quota) -> int:
        """Return how many scopes use the quota: those with a live token or a charge in the window."""
        alive = {scope for scope, facts in self.tokens.items() if facts.expires_at > now}
        return len(alive | {charge.scope for charge in self.ledger.live(now, quota) if charge.scope})

    def with_lease(self, scope: str, lease: Lease) -> AppRecord:
        """Give the lease of a scope to one renewal."""
        return self._replace(leases={**self.leases, scope: lease})

    def without_lease(self, scope: str, owner: str) -> AppRecord:
        """Remove the lease of a scope, unless another renewal has it by now."""
        lease = self.leases.get(scope)
        return self._replace(leases=_without(self.leases, scope)) if lease and lease.owner == owner else self

    def failure_of(self, scope: str, secret_mark: str) -> Failure | None:
        """Return the failure of the last token request of a scope with this App Secret."""
        return self.failures.get(f"{scope}|{secret_mark}") or self.failures.get(scope)

    def refused_secrets(self) -> dict[str, Failure]:
        """
        Return the last refusal of each App Secret that is refused whatever the scope, by its mark.

        The service words a refused secret and a refused channel alike. It is the secret if the app token was refused,
        or two scopes and no token was issued with this secret since the first.
        """
        found: dict[str, dict[str, Failure]] = {}
        for key, failure in self.failures.items():
            if (failure.error or {}).get("class") == SECRET_REFUSAL and not failure.of_scope:
                found.setdefault(failure.secret_mark, {})[key] = failure
        return {
            mark: max(refusals.values(), key=lambda failure: failure.at)
            for mark, refusals in found.items()
            if len(refusals) > 1 or f"{APP_SCOPE}|{mark}" in refusals
        }

    def with_accepted_secret(self, secret_mark: str) -> AppRecord:
        """Note that a token was issued with this App Secret: where else it was refused, the scope was meant."""
        return self._replace(
            failures={
                key: failure._replace(of_scope=True) if failure.secret_mark == secret_mark else failure
                for key, failure in self.failures.items()
            }
        )

    def with_token(self, scope: str, facts: TokenFacts, secret_mark: str = "") -> AppRecord:
        """Add a new token, and remove earlier failures of its scope and any outage."""
        return self._replace(
            tokens={**self.tokens, scope: facts},
            failures=_without(_without(self.failures, scope), f"{scope}|{secret_mark}"),
            outage=None,
        )

    def with_dropped_token(self, scope: str) -> AppRecord:
        """Stop the use of the present token of a scope; the next process that needs one renews it."""
        facts = self.tokens.get(scope)
        return (
            self
            if facts is None
            else self._replace(tokens={**self.tokens, scope: facts._replace(dropped=True)})
        )

    def is_dropped(self, scope: str, fingerprint: str) -> bool:
        """Return whether a person has stopped the use of this token."""
        facts = self.tokens.get(scope)
        return facts is not None and facts.dropped and facts.fingerprint == fingerprint

    def with_failure(self, scope: str, failure: Failure, *, outage: Failure | None) -> AppRecord:
        """Add the failure of a token request; a refusal is kept for each App Secret."""
        key = scope if failure.error is None else f"{scope}|{failure.secret_mark}"
        return self._replace(failures={**self.failures, key: failure}, outage=outage)

    def forgetting(self, now: float) -> AppRecord:
        """Drop what is older than a day, so that the document does not grow."""
        day = 86_400.0
        return self._replace(
            leases={scope: lease for scope, lease in self.leases.items() if lease.until > now},
            tokens=_latest(
                {scope: facts for scope, facts in self.tokens.items() if facts.expires_at + day > now},
                lambda facts: facts.expires_at,
                most=KEPT_TOKENS,
            ),
            failures=_latest(
                {key: failure for key, failure in self.failures.items() if failure.until + day > now},
                lambda failure: failure.until,
                most=KEPT_FAILURES,
            ),
        )

    def fits(self, now: float, quota: Quota) -> bool:
        """
        Return whether all times in the record may have been written by now.

        A lease, a refusal or a charge that lies further ahead would stop all tasks until then.
        """
        soon = now + validation.AHEAD_SECONDS
        pauses_end = soon + max(LONGEST_PAUSE_SECONDS, quota.silence_seconds)
        for charge in self.ledger.charges:
            if charge.at > soon:
                return False
        for lease in self.leases.values():
            if lease.until > soon:
                return False
        for facts in self.tokens.values():
            if facts.issued_at > soon:
                return False
        for failure in self.all_failures():
            if failure.at > soon or failure.until > pauses_end:
                return False
        return self.ledger.blocked_until <= pauses_end

    def all_failures(self) -> list[Failure]:
        """Return the failures of the scopes, and the outage."""
        found = list(self.failures.values())
        if self.outage is not None:
            found.append(self.outage)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the document as plain JSON values."""
        return {
            "format": FORMAT,
            "ledger": {**self.ledger._asdict(), "charges": [one._asdict() for one in self.ledger.charges]},
            "leases": {scope: lease._asdict() for scope, lease in self.leases.items()},
            "tokens": {scope: facts._asdict() for scope, facts in self.tokens.items()},
            "failures": {key: failure.to_json() for key, failure in self.failures.items()},
            "outage": self.outage and self.outage.to_json(),
            "name": self.name._asdict(),
            "history": self.history,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> AppRecord | None:
        """
        Read a document.

        :return: None if it has another format or a value that is not plausible.
        """
        try:
            if document["format"] != FORMAT:
                return None
            return _check(_parsed(document))
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


# Known keys only, so that a document of a later release, which may have more, is not lost. A record is read far more
# often than anything is wrong with it: it is made as it stands, and its values are checked together.


def _parsed(document: Mapping[str, Any]) -> AppRecord:
    outage = document["outage"]
    return AppRecord(
        ledger=_ledger(document["ledger"]),
        leases={scope: _lease(values) for scope, values in document["leases"].items()},
        tokens={scope: _facts(values) for scope, values in document["tokens"].items()},
        failures={key: _failure(values) for key, values in document["failures"].items()},
        outage=_failure(outage) if outage is not None else None,
        name=_name(document.get("name")),
        history=_history(document.get("history")),
    )


def _ledger(values: Mapping[str, Any]) -> Ledger:
    charges = values["charges"]
    if not isinstance(charges, (list, tuple)):
        raise TypeError("no charges")
    return Ledger(
        tuple([Charge(one["id"], one["at"], one["scope"], one["kind"]) for one in charges]),
        values["blocked_until"],
        values["refusals"],
    )


def _lease(values: Mapping[str, Any]) -> Lease:
    return Lease(values["owner"], values["host"], values["until"])


def _facts(values: Mapping[str, Any]) -> TokenFacts:
    return TokenFacts(
        values["fingerprint"],
        values["issued_at"],
        values["expires_at"],
        values.get("replacements", 0),
        values.get("refresh_refusals", 0),
        values.get("dropped", False),
        values.get("blob", ""),
    )


def _failure(values: Mapping[str, Any]) -> Failure:
    error = values.get("error")
    return Failure(
        values["count"],
        values["until"],
        _error(error) if error is not None else None,
        values.get("secret_mark", ""),
        values.get("refresh_refused", False),
        values.get("at", 0.0),
        values.get("of_scope", False),
    )


def _check(record: AppRecord) -> AppRecord:
    """
    Check all values that a decision may read.

    :raises ValueError: some of it is not plausible.
    """
    ledger = record.ledger
    times, counts, flags = [ledger.blocked_until], [ledger.refusals], [False]
    texts = [*record.leases, *record.tokens, *record.failures]
    for charge in ledger.charges:
        times.append(charge.at)
        texts += (charge.id, charge.scope, charge.kind)
    for lease in record.leases.values():
        times.append(lease.until)
        texts += (lease.owner, lease.host)
    for facts in record.tokens.values():
        times += (facts.issued_at, facts.expires_at)
        counts += (facts.replacements, facts.refresh_refusals)
        texts += (facts.fingerprint, facts.blob)
        flags.append(facts.dropped)
    for failure in record.all_failures():
        times += (failure.until, failure.at)
        counts.append(failure.in_a_row)
        texts.append(failure.secret_mark)
        flags += (failure.refresh_refused, failure.of_scope)
    collections = ledger.charges, record.leases, record.tokens, record.failures
    lives = (facts.expires_at - facts.issued_at for facts in record.tokens.values())
    validation.check(
        times=times, counts=counts, names=texts, flags=flags, lives=lives, collections=collections
    )
    return record


# What is repaired, since only people read it.


def _error(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: validation.plain(values[key]) for key in ERROR_FIELDS if key in values}


def _name(values: object) -> AppName:
    if not isinstance(values, dict):
        return AppName()
    connections = values.get("connections")
    if not isinstance(connections, (list, tuple)):
        connections = ()
    base_url, app_id, service, *names = (
        validation.repaired(text, _TEXT_LENGTH)
        for text in (
            values.get("base_url"),
            values.get("app_id"),
            values.get("service"),
            *connections[-MAX_CONNECTIONS:],
        )
    )
    service, unlimited = service or CHANNEL_TALK.service, values.get("unlimited") is True
    return AppName(base_url, app_id, tuple(names), service, unlimited)


def _history(rows: object) -> History:
    return tuple([row for row in rows[-KEPT_ROWS:] if type(row) is list]) if isinstance(rows, list) else ()


def _latest(found: Mapping[str, T], ends_at: Callable[[T], float], *, most: int) -> dict[str, T]:
    """Return the entries that end last, far fewer than a document may have."""
    if len(found) <= most:
        return dict(found)
    return {key: found[key] for key in sorted(found, key=lambda key: ends_at(found[key]))[-most:]}


def _without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}
