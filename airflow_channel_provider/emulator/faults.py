"""Faults on demand: each waits in a queue for the next requests it fits, and is gone when used up.

A fault with a share strikes only some of them, chosen at random but the same in each run.

What a fault does is decided here; whether the call behind it is carried out is part of its name's meaning.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

__all__ = ["ACTING", "OPTIONS", "TOKEN_METHODS", "Fault", "FaultQueue"]

TOKEN_METHODS = frozenset({"issueToken", "refreshToken"})
# Faults that strike after the call was carried out; the others strike before.
ACTING = frozenset({"close_after", "http_500_after", "slow", "truncated", "empty", "first_page", "huge"})
# Every fault with its options: the value is the default, a tuple means one of (the first is the default).
OPTIONS: dict[str, dict[str, JSON]] = {
    "close_before": {},
    "close_after": {},
    "http_500": {},
    "http_500_after": {},
    "rate_limit": {
        "shape": ("body_epoch", "flat_rfc3339", "header", "retry_after"),
        "reset_after_seconds": 60.0,
        "second_document": False,
    },
    "slow": {"seconds": 1.0},
    "truncated": {"cut": False},
    "html": {"status": 502},
    "empty": {},
    "unauthorized": {"shape": ("http", "envelope", "proxied")},
    "token_quota": {
        "shape": ("token_fetch_fail", "http_429", "http_429_retry_after", "envelope_429"),
        "retry_after_seconds": None,
    },
    "first_page": {},
    "huge": {"megabytes": 1.0},
}
SEED = 1
_LIMITS = {"reset_after_seconds": (0, 1e7), "seconds": (0, 3600), "status": (300, 599), "megabytes": (0, 512)}


@dataclass(slots=True)
class Fault:
    """One fault that waits for requests."""

    name: str
    remaining: int
    method: str | None
    options: JSONObject = field(default_factory=dict)
    share: float = 1.0

    @property
    def acts(self) -> bool:
        """Whether the call behind it is carried out."""
        return self.name in ACTING

    def fits(self, method: str, path: str, needs_token: bool) -> bool:
        """
        Whether a request is one that this fault waits for.

        :param method: native method, or the short name of a Benlly endpoint.
        :param path: the request's path.
        :param needs_token: whether the request is one that must carry an access token.
        """
        if self.method is not None:
            return self.method in (method, path)
        if self.name == "token_quota":
            return method in TOKEN_METHODS
        if self.name in ("unauthorized", "rate_limit"):
            # The service's limiter and its token check only ever see calls that carry a token.
            return needs_token
        return True


class FaultQueue:
    """The faults that wait, oldest first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._random = random.Random(SEED)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def inject(
        self,
        name: str,
        *,
        count: int = 1,
        method: str | None = None,
        share: float = 1.0,
        options: Mapping[str, JSON] | None = None,
    ) -> Fault:
        """
        Let a fault wait for the next requests.

        :param name: which fault.
        :param count: for how many requests.
        :param method: only for this native method, app function, Benlly endpoint or path.
        :param share: of the requests that it fits, so many are hit, from above 0 to 1.
        :param options: of the fault; see :data:`OPTIONS`.
        :raises ValueError: no such fault, option or value.
        """
        if name not in OPTIONS:
            raise ValueError(f"no fault {name!r}; there are {', '.join(sorted(OPTIONS))}")
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError("count must be a whole number from 1 up")
        if method is not None and not isinstance(method, str):
            raise ValueError("method must be a string or null")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
            raise ValueError("share must be a number above 0, up to 1")
        fault = Fault(name, count, method, _complete(name, dict(options or {})), share)
        self._waiting.append(fault)
        return fault

    def take(self, method: str, path: str, *, needs_token: bool = True) -> Fault | None:
        """
        The fault that strikes this request, used up by one; None if none does.

        :param method: see :meth:`Fault.fits`, as for the others.
        """
        for fault in self._waiting:
            if fault.fits(method, path, needs_token) and self._strikes(fault):
                fault.remaining -= 1
                if not fault.remaining:
                    self._waiting.remove(fault)
                return fault
        return None

    def _strikes(self, fault: Fault) -> bool:
        return fault.share >= 1 or self._random.random() < fault.share

    def clear(self) -> None:
        """Forget all that wait."""
        self._waiting.clear()

    def listing(self) -> list[JSONObject]:
        """The faults that wait, as JSON."""
        return [
            {
                "fault": f.name,
                "remaining": f.remaining,
                "method": f.method,
                "share": f.share,
                "options": f.options,
            }
            for f in self._waiting
        ]


def _complete(name: str, options: JSONObject) -> JSONObject:
    known = OPTIONS[name]
    for key, value in options.items():
        if key not in known:
            raise ValueError(
                f"fault {name!r} has no option {key!r}; it has {', '.join(sorted(known)) or 'none'}"
            )
        _check_option(key, value, known[key])
    return {
        key: options.get(key, default[0] if isinstance(default, tuple) else default)
        for key, default in known.items()
    }


def _check_option(key: str, value: JSON, default: JSON) -> None:
    if isinstance(default, tuple):
        if value not in default:
            raise ValueError(f"{key} must be one of {', '.join(default)}")
    elif isinstance(default, bool):
        if not isinstance(value, bool):
            raise ValueError(f"{key} must be true or false")  # noqa: TRY004 - one error for all options
    else:
        low, high = _LIMITS.get(key, (0, 1e7))
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"{key} must be a number from {low} to {high:g}")
