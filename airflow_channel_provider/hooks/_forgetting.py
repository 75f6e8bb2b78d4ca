"""An error leaves a hook without the values of the frames that it came through.

A traceback may be shown with the values of each frame: Airflow does so with ``DEV=1``, and masks nothing there; other
tools do so as well. Beneath a hook these values are tokens, secrets and bodies, in libraries as well as here, so they
go as soon as an error passes the hook. Files, lines and messages stay.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import traceback
from collections.abc import Iterator
from types import FrameType

__all__ = ["forget_values", "forgetting_values"]


def forget_values(error: BaseException, *, but_of: BaseException | None = None) -> None:
    """
    Drop the values of all frames that an error and its causes have left.

    :param but_of: an error that is somebody else's, with all that caused it.
    """
    errors: list[BaseException | None] = [error]
    seen = {id(None), id(but_of)}
    while errors:
        one = errors.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            for frame, _ in traceback.walk_tb(one.__traceback__):
                _clear(frame)
            errors += [one.__cause__, one.__context__]


def _clear(frame: FrameType) -> None:
    # No coroutine is beneath a hook: one that an error has met before may go on, and clearing would end it.
    if not frame.f_code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        with contextlib.suppress(RuntimeError):  # it still runs, so that it is the caller's
            frame.clear()


@contextlib.contextmanager
def forgetting_values() -> Iterator[None]:
    """Drop the values of the frames beneath, where an error comes out of the block."""
    handled = sys.exc_info()[1]
    try:
        yield
    except BaseException as error:
        forget_values(error, but_of=handled)
        raise
