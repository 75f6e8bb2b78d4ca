"""The requests and their outcomes, without secrets; bounded, the oldest entries are dropped.

Numbers (``n``) start at 1 and never repeat until a reset, so ``since`` works however many entries fell off.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.quota import most_in_any_window

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

ENTRIES_KEPT = 100_000
_TEXT_KEPT = 4_000
_DEPTH_KEPT = 12
_SECRET_KEYS = frozenset(
    {
        "secret", "appsecret", "clientsecret", "token", "accesstoken", "refreshtoken", "devicetoken", "usertoken",
        "password", "authorization", "xaccesstoken", "memberhash", "apikey", "privatekey", "credentials",
        "authtoken", "apicredentials", "endpointtoken", "signingkey", "xsignature",
    }
)  # fmt: skip
_secret_spellings: dict[str, bool] = {}


def _is_secret(key: str) -> bool:
    known = _secret_spellings.get(key)
    if known is None:
        known = key.lower().replace("_", "").replace("-", "") in _SECRET_KEYS
        if len(_secret_spellings) < 5_000:
            _secret_spellings[key] = known
    return known


def redact(value: JSON, _depth: int = 0) -> JSON:
    """
    Copy of a JSON value in which every secret is ``***``.

    Found by the name of the key, at any depth, whatever its case and whether written snake_case or camelCase. Very
    long texts are cut and very deep nests left out: the journal is for people.

    :param value: parameters of a call.
    """
    if isinstance(value, dict):
        if _depth >= _DEPTH_KEPT:
            return "…"
        return {k: ("***" if _is_secret(k) and v else redact(v, _depth + 1)) for k, v in value.items()}
    if isinstance(value, list):
        return "…" if _depth >= _DEPTH_KEPT else [redact(item, _depth + 1) for item in value[:200]]
    if isinstance(value, str) and len(value) > _TEXT_KEPT:
        return f"{value[:_TEXT_KEPT]}… ({len(value)} characters)"
    return value


class Journal:
    """
    The entries, and counts that outlive them.

    :param kept: how many entries are remembered.
    """

    def __init__(self, kept: int = ENTRIES_KEPT) -> None:
        self._entries: deque[JSONObject] = deque(maxlen=kept)
        self._token_requests: deque[JSONObject] = deque(maxlen=kept)
        self._errors: deque[JSONObject] = deque(maxlen=200)
        self._arrivals: dict[str, deque[float]] = {}
        self._kept = kept
        self.calls = 0
        self.quota_refusals = 0
        self.by_scope: dict[str, int] = {}

    def add(self, entry: JSONObject) -> JSONObject:
        """
        Write an entry; it is given its number.

        :param entry: all but ``n``, already redacted.
        """
        self.calls += 1
        entry = {"n": self.calls, **entry}
        self._entries.append(entry)
        if "kind" in entry:
            self._count_token_request(entry)
        if entry["outcome"] != "ok":
            self._errors.append(entry)
        return entry

    def _count_token_request(self, entry: JSONObject) -> None:
        self._token_requests.append(entry)
        scope = entry["scope"] or "unknown"
        self.by_scope[scope] = self.by_scope.get(scope, 0) + 1
        self.quota_refusals += bool(entry["refused_by_quota"])
        arrivals = self._arrivals.setdefault(entry["app_id"] or "unknown", deque(maxlen=self._kept))
        arrivals.append(entry["at"])

    def since(self, n: int = 0, limit: int | None = None) -> list[JSONObject]:
        """
        Entries after number ``n``, oldest first.

        :param n: the last number that the caller has seen.
        :param limit: maximum number.
        """
        first = self.calls - len(self._entries) + 1
        start = max(0, n + 1 - first)
        return list(islice(self._entries, start, None if limit is None else start + limit))

    def errors(self) -> list[JSONObject]:
        """The latest entries that are no plain success, oldest first."""
        return list(self._errors)

    def token_requests(self) -> list[JSONObject]:
        """Entries of issueToken and refreshToken, oldest first."""
        return list(self._token_requests)

    def token_request_count(self) -> int:
        """How many token requests have arrived."""
        return sum(self.by_scope.values())

    def most_token_requests(self, window_seconds: float) -> int:
        """
        The most token requests of any one app that arrived within any stretch of time of this length.

        :param window_seconds: the length.
        """
        return max(
            (most_in_any_window(times, window_seconds) for times in self._arrivals.values()), default=0
        )
