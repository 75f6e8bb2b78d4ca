"""What a token manager tells about itself, for whoever counts. Holds no token, and nothing that names one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["TokenEvent", "TokenEventKind"]


class TokenEventKind(Enum):
    """What happened."""

    ISSUED = "issued"
    REFRESHED = "refreshed"
    REFUSED = "refused"
    WAITED = "waited"


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """
    One thing that happened on the way to a token.

    :param scope: ``app`` or ``channel:<id>``.
    :param reason: of a refusal: the class of its error.
    :param seconds: how long this task waited for another one to renew the token.
    """

    kind: TokenEventKind
    scope: str
    reason: str = ""
    seconds: float = 0.0
