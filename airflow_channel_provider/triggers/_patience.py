"""
How long a wait pauses between two looks, and how many looks in a row may fail before it is given up.

A failure that names its end is waited out and does not count; what no repetition can help is not waited for at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_channel_provider.exceptions import ChannelError

__all__ = ["Patience", "pause_seconds"]

_DOUBLINGS = 40
_LEAST_SECONDS = 1.0


def pause_seconds(
    interval_seconds: float, *, waited_seconds: float | None, most_seconds: float | None
) -> float:
    """
    Return how long to pause until the next look.

    Pauses that grow are doubled each time. How often they were is told by how long the wait has lasted, so that a
    triggerer that starts again goes on where the other was.

    :param interval_seconds: the first pause.
    :param waited_seconds: how long the wait has lasted; None: pauses do not grow.
    :param most_seconds: the longest pause that grew; None: no limit.
    """
    if waited_seconds is None:
        return interval_seconds
    first = max(interval_seconds, _LEAST_SECONDS)
    doublings = min(_DOUBLINGS, int(max(waited_seconds, 0.0) / first + 1).bit_length() - 1)
    grown = first * 2.0**doublings
    return grown if most_seconds is None else min(grown, max(most_seconds, 0.0))


@dataclass
class Patience:
    """
    Bears failures, up to a number in a row.

    :param most: how many.
    :param endless: any number of them, and what waiting can't help as well.
    """

    most: int
    endless: bool = False
    failed: int = 0

    def seconds_after(self, error: Exception, *, now: float) -> float:
        """
        Return how long to wait at least before the next look, in seconds.

        :param error: what the last look raised.
        :param now: seconds since the epoch.
        :raises Exception: the error itself, where waiting can't help, or has not helped.
        """
        from airflow_channel_provider.retry import retry_after_seconds
        from airflow_channel_provider.retry_policy import Action, decide

        if not self.endless and decide(error).action is Action.FAIL:
            raise error
        told = retry_after_seconds(error, now=now)
        if told is not None:
            return told
        self.failed += 1
        if not self.endless and self.failed > self.most:
            raise _worn_out(error, self.failed)
        return 0.0

    def restore(self) -> None:
        """Forget the failures: a look has succeeded."""
        self.failed = 0


def _worn_out(error: Exception, failed: int) -> Exception:
    if failed > 1 and isinstance(error, ChannelError):
        error.add_context(after=f"{failed} looks in a row failed (tolerated_failures).")
    return error
