"""
What a token request of either service is answered with: a pair and its life, checked before anybody may store it.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple, TypeGuard

from airflow_channel_provider.api.json_body import JSON

TOKEN_TIMEOUT_SECONDS = 12.0
"""Limit of a whole token request: whoever renews for all others must be done, or known to have failed, soon."""

_HEADER_SAFE = r"[\x21-\x7e]{1,16384}"


class TokenAnswer(NamedTuple):
    """
    A valid answer to a token request.

    :param access_token: may be empty with Channel Talk, whose description marks it optional. Such an answer is to be
        exchanged once, by its refresh token.
    :param refresh_token: may be empty with Benlly, where the user's credentials buy the next pair then.
    :param expires_in_seconds: finite, more than 0; counts from before the request was sent.
    """

    access_token: str
    refresh_token: str
    expires_in_seconds: float

    def __repr__(self) -> str:
        return f"TokenAnswer(expires_in_seconds={self.expires_in_seconds})"


def is_header_safe(value: object) -> TypeGuard[str]:
    """Return whether a value is a text that a header may hold: not empty, no spaces, ASCII, not too long."""
    return isinstance(value, str) and re.fullmatch(_HEADER_SAFE, value) is not None


def seconds_of(value: JSON) -> float | None:
    """
    Read a life in seconds, be it a number or, as JSON made of protobuf writes an int64, a text.

    :return: None where it is no finite number above 0.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None
