"""
The one document that all tasks of one app share: ledger, leases, what is known of each token, and what went wrong.

It holds no secret and no token, so it survives a reissued App Secret. Its JSON carries a format number; a document of
another format, or one that does not parse, counts as lost, and a lost document counts as half spent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from airflow_channel_provider.tokens.budget import Charge, Ledger, Quota
from airflow_channel_provider.tokens.dialect import CHANNEL_TALK
from airflow_channel_provider.tokens.history import History

__all__ = ["FORMAT", "MAX_CONNECTIONS", "AppName", "AppRecord", "Failure", "Lease", "TokenFacts"]

FORMAT = 1

MAX_CONNECTIONS = 20
"""So many connections of one app are remembered by name, those that bought a token last."""


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
    """

    fingerprint: str
    issued_at: float
    expires_at: float
    replacements: int = 0
    refresh_refusals: int = 0
    dropped: bool = False


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
            tokens={scope: facts for scope, facts in self.tokens.items() if facts.expires_at + day > now},
            failures={
                scope: failure for scope, failure in self.failures.items() if failure.until + day > now
            },
        )

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
            return _parsed(document)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            return None


def _parsed(document: Mapping[str, Any]) -> AppRecord:
    ledger = document["ledger"]
    return AppRecord(
        ledger=Ledger(
            charges=tuple(
                Charge(str(c["id"]), _number(c["at"]), str(c["scope"]), str(c["kind"]))
                for c in ledger["charges"]
            ),
            blocked_until=_number(ledger["blocked_until"]),
            refusals=int(ledger["refusals"]),
        ),
        leases={scope: _lease(values) for scope, values in document["leases"].items()},
        tokens={scope: _facts(values) for scope, values in document["tokens"].items()},
        failures={key: _failure(values) for key, values in document["failures"].items()},
        outage=_failure(document["outage"]) if document["outage"] else None,
        secret_refused=_failure(document["secret_refused"]) if document["secret_refused"] else None,
        name=_name(document.get("name") or {}),
        history=_history(document.get("history")),
    )


# Known keys only, so that a document of a later release, which may hold more, is not taken for a lost one.


def _lease(values: Mapping[str, Any]) -> Lease:
    return Lease(str(values["owner"]), str(values["host"]), _number(values["until"]))


def _facts(values: Mapping[str, Any]) -> TokenFacts:
    return TokenFacts(
        str(values["fingerprint"]),
        _number(values["issued_at"]),
        _number(values["expires_at"]),
        replacements=int(values.get("replacements", 0)),
        refresh_refusals=int(values.get("refresh_refusals", 0)),
        dropped=bool(values.get("dropped", False)),
    )


def _name(values: Mapping[str, Any]) -> AppName:
    connections = tuple(map(str, values.get("connections", ())))
    return AppName(
        str(values.get("base_url", "")),
        str(values.get("app_id", "")),
        connections,
        str(values.get("service", CHANNEL_TALK.service)),
        bool(values.get("unlimited", False)),
    )


def _history(rows: object) -> History:
    return tuple(row for row in rows if isinstance(row, list)) if isinstance(rows, list) else ()


def _failure(values: Mapping[str, Any]) -> Failure:
    error = values.get("error")
    return Failure(
        int(values["count"]),
        _number(values["until"]),
        error=dict(error) if error is not None else None,
        secret_mark=str(values.get("secret_mark", "")),
        refresh_refused=bool(values.get("refresh_refused", False)),
        at=_number(values.get("at", 0.0)),
    )


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("no number")
    return float(value)


def _without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}
