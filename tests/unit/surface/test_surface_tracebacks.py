"""What an error still knows when it has left a hook: where it has been, and nothing of what stood there."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Generator

import pytest

from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.hooks._tracebacks import clear_frames, clearing_frames

pytestmark = pytest.mark.promise(name="secrets")


def beneath(secret: str) -> None:
    copy = f"{secret} again"
    try:
        dict[int, str]()[len(copy)]
    except KeyError as error:
        raise ChannelError("it failed") from error


def values_of(error: BaseException, *, of_tests: bool = False) -> str:
    """Return the values of the frames of an error, but for those of the test."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return " ".join(
        repr(value)
        for frame in frames
        if frame.f_code.co_name.startswith("test_") == of_tests
        for value in frame.f_locals.values()
    )


def test_frames_beneath_lose_their_values_and_keep_their_lines() -> None:
    with pytest.raises(ChannelError) as caught, clearing_frames():
        beneath("the-secret")
    error = caught.value
    assert error.__cause__ is not None
    assert "the-secret" not in f"{values_of(error)} {values_of(error.__cause__)}"
    shown = "".join(traceback.format_exception(error))
    assert "dict[int, str]()[len(copy)]" in shown
    assert 'raise ChannelError("it failed") from error' in shown


def test_the_frame_that_asks_keeps_its_own() -> None:
    mine = "my-value"
    with pytest.raises(ChannelError) as caught, clearing_frames():
        beneath("the-secret")
    assert repr(mine) in values_of(caught.value, of_tests=True)


def test_an_error_that_is_being_handled_is_somebody_elses() -> None:
    def of_the_caller(value: str) -> None:
        raise ValueError(len(value))

    def ask_in_trouble() -> None:
        try:
            of_the_caller("value-of-the-caller")
        except ValueError:
            with clearing_frames():
                beneath("the-secret")

    with pytest.raises(ChannelError) as caught:
        ask_in_trouble()
    cause = caught.value.__cause__
    assert cause is not None
    assert isinstance(cause.__context__, ValueError)
    assert "'value-of-the-caller'" in values_of(cause.__context__)
    assert "the-secret" not in values_of(cause)


def test_errors_that_go_round_in_circles_end() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__context__, second.__cause__ = second, first
    clear_frames(first)


def test_an_error_that_comes_twice_ends_no_coroutine_that_has_met_it() -> None:
    error = ChannelError("the same")

    def ask() -> None:
        with clearing_frames():
            raise error

    async def waiting() -> int:
        met = 0
        for _ in range(3):
            try:
                ask()
            except ChannelError:
                met += 1
            await asyncio.sleep(0)
        return met

    assert asyncio.run(waiting()) == 3


def test_a_generator_is_left_by_those_who_have_enough_of_it() -> None:
    def numbers() -> Generator[int, None, None]:
        with clearing_frames():
            yield from range(10)

    found = numbers()
    assert (next(found), next(found)) == (0, 1)
    found.close()
    assert list(found) == []
