"""Clears the local variables of the frames in a traceback, when an error leaves a hook.

Airflow shows a traceback with the local variables of each frame if ``DEV=1``, and masks nothing there; other tools do
so as well. Below a hook these are tokens, secrets and bodies, in libraries as well as here, so they are cleared as soon
as an error passes the hook. Files, lines and messages stay.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import traceback
from collections.abc import Iterator
from types import FrameType


def clear_frames(error: BaseException, *, but_of: BaseException | None = None) -> None:
    """
    Clear the local variables of all frames that an error and its causes have left.

    :param but_of: an error of the caller, whose frames and causes stay as they are.
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
def clearing_frames() -> Iterator[None]:
    """Clear the frames below if an error leaves the block."""
    handled = sys.exc_info()[1]
    try:
        yield
    except BaseException as error:
        clear_frames(error, but_of=handled)
        raise
