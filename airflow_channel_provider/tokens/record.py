"""
The one document that all tasks of one app share: ledger, leases, what is known of each token, and what went wrong.

It holds no secret and no token, so it survives a reissued App Secret. Its JSON carries a format number; a document of
another format, or with a value that fails its :mod:`.validation`, counts as lost, and a lost document counts as half
spent. Its name and its history, which only people read, are repaired instead. What is written is always readable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from airflow_channel_provider.tokens import validation
from airflow_channel_provider.tokens.budget import Charge, Ledger, Quota
from airflow_channel_provider.tokens.history import KEPT_ROWS, History
from airflow_channel_provider.tokens.types import CHANNEL_TALK

__all__ = [
    "ERROR_FIELDS",
    "FORMAT",
    "MAX_CONNECTIONS",
    "AppName",
    "AppRecord",
    "Failure",
    "Lease",
    "TokenFacts",
]

T = TypeVar("T")

FORMAT = 1

MAX_CONNECTIONS = 20
"""So many connections of one app are remembered by name, those that bought a token last."""

KEPT_TOKENS, KEPT_FAILURES = 5_000, 1_000

LONGEST_PAUSE_SECONDS = 3600.0
"""Nothing that went wrong is remembered for longer, but for a quota with a longer window."""

ERROR_FIELDS = ("class", "message", "method", "http_status", "code", "error_type", "service_message")
"""What is remembered of a refusal."""

_TEXT_LENGTH = 250


@dataclass(frozen=True, slots=True)
class Lease:
    """
    Somebody is renewing a scope's token right now.

    :param owner: unique to one renewal.
    :param host: where the owner runs, as the store names hosts; lets a dead owner be told from a slow one.
    :param until: store clock, seconds; after that the lease means nothing.
    """

    owner: str
    host: str
    until: float


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """
    What may be known of a token without having it.

    :param replacements: tokens in a row, up to this one, that were bought for one that the service had refused.
    :param refresh_refusals: refused refreshes in a row, this one's way here included.
    :param dropped: a person wants it used no more.
    :param blob: under which name it is sealed in the store; empty where it has to stay there when it is dropped.
    """

    fingerprint: str
    issued_at: float
    expires_at: float
    replacements: int = 0
    refresh_refusals: int = 0
    dropped: bool = False
    blob: str = ""


@dataclass(frozen=True, slots=True)
class AppName:
    """
    Whose record it is, for people.

    :param app_id: empty where the connections give none.
    :param connections: ids of the connections that bought tokens, the latest last.
    :param service: whose tokens they are.
    :param unlimited: that service counts no token requests.
    """

    base_url: str = ""
    app_id: str = ""
    connections: tuple[str, ...] = ()
    service: str = CHANNEL_TALK.service
    unlimited: bool = False

    def used_by(self, other: AppName) -> AppName:
        """Add the connections of another use of the same app."""
        known = tuple(name for name in self.connections if name not in other.connections)
        return replace(other, connections=(*known, *other.connections)[-MAX_CONNECTIONS:])


@dataclass(frozen=True, slots=True)
class Failure:
    """
    What the last token request of a scope met, for all tasks to know.

    :param count: failures in a row.
    :param until: nobody tries again before then (store clock, seconds).
    :param error: a refusal that a repetition would meet again (see :mod:`.refusals`); None for a passing trouble.
    :param secret_mark: fingerprint of the App Secret that was refused; another secret is free to try at once.
    :param refresh_refused: the refresh token is no good, so the next renewal issues.
    :param at: when (store clock, seconds).
    """

    count: int
    until: float
    error: Mapping[str, Any] | None = None
    secret_mark: str = ""
    refresh_refused: bool = False
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class AppRecord:
    """
    See the module.

    :param leases: by scope.
    :param tokens: by scope.
    :param failures: by scope; refusals by scope and App Secret.
    :param outage: failures in a row over all scopes, and until when all of them pause.
    :param secret_refused: the App Secret itself is refused, whatever the scope.
    :param name: whose record it is.
    :param history: see :mod:`.history`.
    """

    ledger: Ledger = field(default_factory=Ledger)
    leases: Mapping[str, Lease] = field(default_factory=dict)
    tokens: Mapping[str, TokenFacts] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    outage: Failure | None = None
    secret_refused: Failure | None = None
    name: AppName = field(default_factory=AppName)
    history: History = ()

    def scopes_in_use(self, now: float, quota: Quota) -> int:
        """How many scopes draw on the quota: those with a live token or a charge in the window."""
        alive = {scope for scope, facts in self.tokens.items() if facts.expires_at > now}
        return len(alive | {charge.scope for charge in self.ledger.live(now, quota) if charge.scope})

    def with_lease(self, scope: str, lease: Lease) -> AppRecord:
        """Let one renewal hold the scope."""
        return replace(self, leases={**self.leases, scope: lease})

    def without_lease(self, scope: str, owner: str) -> AppRecord:
        """Give the scope back, unless somebody else holds it by now."""
        lease = self.leases.get(scope)
        return replace(self, leases=_without(self.leases, scope)) if lease and lease.owner == owner else self

    def failure_of(self, scope: str, secret_mark: str) -> Failure | None:
        """Return what the last token request of a scope met with this App Secret: a refusal, or a passing trouble."""
        return self.failures.get(f"{scope}|{secret_mark}") or self.failures.get(scope)

    def with_token(self, scope: str, facts: TokenFacts, secret_mark: str = "") -> AppRecord:
        """Note a new token; earlier failures of its scope, and any outage, are over."""
        return replace(
            self,
            tokens={**self.tokens, scope: facts},
            failures=_without(_without(self.failures, scope), f"{scope}|{secret_mark}"),
            outage=None,
            secret_refused=None,
        )

    def with_dropped_token(self, scope: str) -> AppRecord:
        """Let nobody use the present token of a scope any more; whoever needs one next renews it."""
        facts = self.tokens.get(scope)
        return (
            self
            if facts is None
            else replace(self, tokens={**self.tokens, scope: replace(facts, dropped=True)})
        )

    def is_dropped(self, scope: str, fingerprint: str) -> bool:
        """Tell whether a person wants this token used no more."""
        facts = self.tokens.get(scope)
        return facts is not None and facts.dropped and facts.fingerprint == fingerprint

    def with_failure(self, scope: str, failure: Failure, *, outage: Failure | None) -> AppRecord:
        """Note what a token request met; a refusal for its App Secret only, so that another one's stays known."""
        key = scope if failure.error is None else f"{scope}|{failure.secret_mark}"
        return replace(self, failures={**self.failures, key: failure}, outage=outage)

    def forgetting(self, now: float) -> AppRecord:
        """Drop what no longer matters, so that the document does not grow: a day's worth is kept."""
        day = 86_400.0
        return replace(
            self,
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
        Tell whether all of this may have been written by now.

        What lies further ahead would hold everybody up until then: a lease, a refusal, a charge.
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
        """Return those of the scopes, of all scopes, and of the App Secret."""
        found = list(self.failures.values())
        if self.outage is not None:
            found.append(self.outage)
        if self.secret_refused is not None:
            found.append(self.secret_refused)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the document as plain JSON values."""
        return {"format": FORMAT, **asdict(replace(self, history=())), "history": self.history}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> AppRecord | None:
        """
        Read a document.

        :return: None where it is of another format or not a document of ours.
        """
        try:
            if document["format"] != FORMAT:
                return None
            return _check(_parsed(document))
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


# Known keys only, so that a document of a later release, which may hold more, is not taken for a lost one. A record is
# read far more often than anything is wrong with it: it is made as it stands, and its values are looked at together.


def _parsed(document: Mapping[str, Any]) -> AppRecord:
    outage, refused = document["outage"], document["secret_refused"]
    return AppRecord(
        ledger=_ledger(document["ledger"]),
        leases={scope: _lease(values) for scope, values in document["leases"].items()},
        tokens={scope: _facts(values) for scope, values in document["tokens"].items()},
        failures={key: _failure(values) for key, values in document["failures"].items()},
        outage=_failure(outage) if outage is not None else None,
        secret_refused=_failure(refused) if refused is not None else None,
        name=_name(document.get("name")),
        history=_history(document.get("history")),
    )


def _ledger(values: Mapping[str, Any]) -> Ledger:
    charges = values["charges"]
    if not isinstance(charges, (list, tuple)):
        raise TypeError("no charges")
    return Ledger(
        charges=tuple([Charge(one["id"], one["at"], one["scope"], one["kind"]) for one in charges]),
        blocked_until=values["blocked_until"],
        refusals=values["refusals"],
    )


def _lease(values: Mapping[str, Any]) -> Lease:
    return Lease(values["owner"], values["host"], values["until"])


def _facts(values: Mapping[str, Any]) -> TokenFacts:
    return TokenFacts(
        values["fingerprint"],
        values["issued_at"],
        values["expires_at"],
        replacements=values.get("replacements", 0),
        refresh_refusals=values.get("refresh_refusals", 0),
        dropped=values.get("dropped", False),
        blob=values.get("blob", ""),
    )


def _failure(values: Mapping[str, Any]) -> Failure:
    error = values.get("error")
    return Failure(
        values["count"],
        values["until"],
        error=_error(error) if error is not None else None,
        secret_mark=values.get("secret_mark", ""),
        refresh_refused=values.get("refresh_refused", False),
        at=values.get("at", 0.0),
    )


def _check(record: AppRecord) -> AppRecord:
    """
    Look at all that a decision may read.

    :raises ValueError: some of it is not plausible.
    """
    ledger = record.ledger
    validation.check_sizes(ledger.charges, record.leases, record.tokens, record.failures)
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
        counts.append(failure.count)
        texts.append(failure.secret_mark)
        flags.append(failure.refresh_refused)
    validation.check(times=times, counts=counts, names=texts, flags=flags)
    validation.check_lives([facts.expires_at - facts.issued_at for facts in record.tokens.values()])
    return record


# What is put right, since only people read it.


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
