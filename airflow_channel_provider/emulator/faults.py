"""Faults on demand: each waits in a queue for the next matching requests, and is removed when used up.

A fault with a share hits only some of them, chosen at random but the same in each run. It is applied either before the
call, which is then not carried out, or after it, in place of its answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.answers import (
    Answer,
    Delivery,
    http_body,
    quota_answer,
    rate_limit_answer,
    unauthorized_answer,
)
from airflow_channel_provider.emulator.jsontypes import dump

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.request_record import RequestRecord

TOKEN_METHODS = frozenset({"issueToken", "refreshToken"})
# Applied after the call was carried out; the others before it.
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

_TEXTS = {
    "close_before": "connection dropped",
    "http_500": "internal server error",
    "html": "gateway error as HTML",
    "rate_limit": "rate limit exceeded",
    "unauthorized": "token refused though alive",
    "token_quota": "token quota used up",
}
_HTML = (
    "<html>\r\n<head><title>{status} Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>{status} Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


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
        :param share: share of the matching requests that it hits, above 0 and up to 1.
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
        The fault that hits this request, used up by one; None if none does.

        :param method: see :meth:`Fault.fits`, as for the others.
        """
        for fault in self._waiting:
            if fault.fits(method, path, needs_token) and self._hits(fault):
                fault.remaining -= 1
                if not fault.remaining:
                    self._waiting.remove(fault)
                return fault
        return None

    def _hits(self, fault: Fault) -> bool:
        return fault.share >= 1 or self._random.random() < fault.share

    def clear(self) -> None:
        """Remove all that wait."""
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


def _server_error() -> Answer:
    return Answer(500, dump(http_body(500, "Internal Server Error", "Internal Server Error")))


def apply_fault_before_call(
    fault: Fault, record: RequestRecord, quota_left_seconds: float, rate_limit: int
) -> Delivery:
    """
    Answer, or drop the connection, without acting.

    :param fault: one that does not act.
    :param record: the request; gets its error.
    :param quota_left_seconds: until the token window ends.
    :param rate_limit: the number that a 429 names.
    """
    options = fault.options
    record.error = _TEXTS[fault.name]
    if fault.name == "close_before":
        return Delivery(None)
    if fault.name == "html":
        status = int(options["status"])
        return Delivery(Answer(status, _HTML.format(status=status).encode(), content_type="text/html"))
    if fault.name == "rate_limit":
        reset_at = record.at + options["reset_after_seconds"]
        second = options["second_document"]
        return Delivery(
            rate_limit_answer(
                options["shape"], limit=rate_limit, reset_at=reset_at, now=record.at, second_document=second
            )
        )
    if fault.name == "unauthorized":
        return Delivery(unauthorized_answer(options["shape"]))
    if fault.name == "token_quota":
        if record.token_request is not None:
            record.token_request["refused_by_quota"] = True
        wait = options["retry_after_seconds"]
        return Delivery(quota_answer(options["shape"], quota_left_seconds if wait is None else wait))
    return Delivery(_server_error())


def apply_fault_after_call(fault: Fault, answer: Answer) -> Delivery:
    """
    Change the answer of a call that was carried out.

    :param fault: one that acts.
    :param answer: what would have been answered.
    """
    if fault.name == "close_after":
        return Delivery(None)
    if fault.name == "http_500_after":
        return Delivery(_server_error())
    if fault.name == "first_page":
        return Delivery(answer)
    if fault.name == "slow":
        return Delivery(answer, delay_seconds=fault.options["seconds"])
    if fault.name == "truncated":
        if not fault.options["cut"]:
            answer.body = answer.body[: len(answer.body) // 2]
        return Delivery(answer, cut=fault.options["cut"])
    if fault.name == "empty":
        return Delivery(Answer(200, b"", answer.headers))
    # Blanks, so that it says what it would have said: a refusal stays one.
    answer.body = answer.body[:-1] + b" " * int(fault.options["megabytes"] * 1_000_000) + answer.body[-1:]
    return Delivery(answer)
