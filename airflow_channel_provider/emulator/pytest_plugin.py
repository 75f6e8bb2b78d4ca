"""A pytest fixture: an emulator for one test. Use it with ``pytest_plugins`` or ``-p``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_channel_provider.emulator.runners import EmulatorThread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

__all__ = ["channel_talk_emulator", "channel_talk_emulator_settings"]


@pytest.fixture
def channel_talk_emulator_settings() -> Mapping[str, Any]:
    """The settings of :func:`channel_talk_emulator`: none. Override it for others, such as ``contract: lenient``."""
    return {}


@pytest.fixture
def channel_talk_emulator(channel_talk_emulator_settings: Mapping[str, Any]) -> Iterator[EmulatorThread]:
    """An emulator, fresh for this test; change its settings with ``.configure(...)``, also while it runs."""
    with EmulatorThread(channel_talk_emulator_settings) as emulator:
        yield emulator
