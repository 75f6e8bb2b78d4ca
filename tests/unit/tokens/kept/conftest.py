"""The world of a keeper, whose clock only moves when told."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from support.kept_tokens import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    for module in ("variable", "envelope"):
        monkeypatch.setattr(f"airflow_channel_provider.tokens.stores.{module}.boot_id", lambda: world.boot)

    class Now(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(world.now, tz=timezone.utc)

    for name in ("shared", "keeping"):
        monkeypatch.setattr(f"airflow_channel_provider.tokens.{name}.datetime", Now)
    return world
