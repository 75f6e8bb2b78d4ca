"""A pytest fixture: an emulator for one test. Use it with ``pytest_plugins`` or ``-p``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_channel_provider.emulator.runners import EmulatorThread

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["channel_talk_emulator"]


@pytest.fixture
def channel_talk_emulator() -> Iterator[EmulatorThread]:
    """An emulator with default settings, fresh for this test; change them with ``.configure(...)``."""
    with EmulatorThread() as emulator:
        yield emulator
