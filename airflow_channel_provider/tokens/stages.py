"""
What to do at the age of a token: nothing, an early renewal, a late one, or a new token. Pure functions.

A task that finds a fresh token needs no more of the decisions than this; the others are in :mod:`.policy`.
"""

from __future__ import annotations

from enum import Enum

AHEAD_SECONDS = 20.0
"""A token that was issued further ahead than this is of another clock, and is not used."""

EARLY_SHARE = 0.2
EARLY_FLOOR_SHARE = 120 / 1800
LATE_SHARE = 0.1
LATE_SECONDS = 60.0
FULL_EARLY_SCOPES, FLOOR_EARLY_SCOPES = 6, 9


class Stage(Enum):
    """What to do at the age of a token."""

    FRESH = "fresh"
    EARLY = "early"
    LATE = "late"
    EXPIRED = "expired"


def early_seconds(life_seconds: float, scopes: int) -> float:
    """
    Return how long before its end a token may be renewed.

    The last 20 % of its life for up to 6 scopes; less as more of them share the quota, down to 120 s of 1,800 from 9
    scopes on, since a longer lead means more requests a window.
    """
    room = (FLOOR_EARLY_SCOPES - scopes) / (FLOOR_EARLY_SCOPES - FULL_EARLY_SCOPES)
    share = EARLY_FLOOR_SHARE + (EARLY_SHARE - EARLY_FLOOR_SHARE) * min(1.0, max(0.0, room))
    return life_seconds * share


def late_seconds(life_seconds: float) -> float:
    """Return how long before its end a token must be renewed: 60 s, or a tenth of a short life."""
    return min(LATE_SECONDS, LATE_SHARE * life_seconds)


def stage_of(issued_at: float, expires_at: float, now: float, *, scopes: int = 1) -> Stage:
    """
    Return what a token's age asks for.

    :param scopes: how many scopes share the quota.
    """
    life, left = expires_at - issued_at, expires_at - now
    if left <= 0 or left > life + AHEAD_SECONDS:
        return Stage.EXPIRED
    if left <= late_seconds(life):
        return Stage.LATE
    return Stage.EARLY if left <= early_seconds(life, scopes) else Stage.FRESH
