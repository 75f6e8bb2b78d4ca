"""
The token endpoint as a plain object with an injected clock: quota in a fixed window, lives, rotation, troubles.

And a store for simulated days, in which a hundred thousand tasks look at the record and few of them change it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelAuthenticationError, ChannelTokenQuotaError
from airflow_channel_provider.tokens.record import AppRecord
from airflow_channel_provider.tokens.stores import document as document_format
from airflow_channel_provider.tokens.stores.base import Change, Snapshot
from airflow_channel_provider.tokens.stores.memory import MemoryStore

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class Answer:
    access_token: str
    refresh_token: str
    expires_in_seconds: float


@dataclass
class TokenService:
    """
    One app at the service.

    :param clock: the service's own clock.
    :param anchor: ``first`` (the window starts at the first request) or ``clock`` (at multiples of its length).
    :param trouble: raises instead of answering, by request kind; called before the request is counted or acted on.
    """

    clock: Callable[[], float]
    anchor: str = "first"
    limit: int = 10
    window_seconds: float = 1800.0
    life_seconds: float = 1800.0
    counts_refused: bool = False
    trouble: Callable[[str], None] = lambda kind: None
    log: list[tuple[float, str, str | None]] = field(default_factory=list)
    refusals: int = 0
    _window: float | None = None
    _count: int = 0
    _serial: itertools.count[int] = field(default_factory=itertools.count)
    _refresh_tokens: dict[str, str | None] = field(default_factory=dict)

    def issue(self, channel_id: str | None) -> Answer:
        self._request("issue", channel_id)
        return self._pair(channel_id)

    def refresh(self, refresh_token: str) -> Answer:
        self._request("refresh", self._refresh_tokens.get(refresh_token))
        if refresh_token not in self._refresh_tokens:
            raise ChannelAuthenticationError("invalid refresh token", method="refreshToken", http_status=200)
        return self._pair(self._refresh_tokens.pop(refresh_token))

    def times(self, kind: str | None = None) -> list[float]:
        return [at for at, logged, _ in self.log if kind in (None, logged)]

    def _pair(self, channel_id: str | None) -> Answer:
        serial = next(self._serial)
        self._refresh_tokens[f"refresh-{serial}"] = channel_id
        return Answer(f"access-{serial}", f"refresh-{serial}", self.life_seconds)

    def _request(self, kind: str, channel_id: str | None) -> None:
        now = self.clock()
        self.log.append((now, kind, channel_id))
        start = now // self.window_seconds * self.window_seconds if self.anchor == "clock" else now
        if self._window is None or now >= self._window + self.window_seconds:
            self._window, self._count = start, 0
        if self._count >= self.limit:
            self._count += self.counts_refused
            self.refusals += 1
            raise ChannelTokenQuotaError("token fetch fail", method=f"{kind}Token", http_status=200)
        self._count += 1
        self.trouble(kind)


class ParsedOnceStore(MemoryStore):
    """A store in memory that parses its document when it is written, not at each look."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._parsed: dict[str, Snapshot] = {}

    def load(self, document: str) -> Snapshot:
        found, now = self._parsed.get(document), self._clock()
        return Snapshot(None, now) if found is None else found._replace(now=max(found.now, now))

    def update(self, document: str, change: Change[Any]) -> Any:
        before = self._documents.get(document)
        result = super().update(document, change)
        written = self._documents.get(document)
        if written is not None and written is not before:
            self._parsed[document] = document_format.read(written, clock=self._clock())
        return result


def parse_records_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the record of a document when it is met first, not at each look; a record is never changed."""
    parse = AppRecord.from_json
    last: tuple[Any, AppRecord | None] = (None, None)

    def from_json(document: Any) -> AppRecord | None:
        nonlocal last
        if document is not last[0]:
            last = document, parse(document)
        return last[1]

    monkeypatch.setattr(AppRecord, "from_json", from_json)


def busiest_window(times: list[float], window_seconds: float = 1800.0) -> int:
    """The most requests in any stretch of one window."""
    ordered = sorted(times)
    most, start = 0, 0
    for end, at in enumerate(ordered):
        while ordered[start] <= at - window_seconds:
            start += 1
        most = max(most, end - start + 1)
    return most
