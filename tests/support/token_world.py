"""Task processes of one app over one store in memory, with a service and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.stores.memory import MemoryStore
from support.token_service import TokenService

SECRET = "c2VjcmV0LW9mLXRlc3RzXy0=="


@dataclass
class World:
    """One app, one store, a service, and a clock that only moves when told (or when somebody waits)."""

    now: float = 50_000.0
    masked: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    on_wait: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.store = MemoryStore(lambda: self.now)
        self.service = TokenService(lambda: self.now)

    def task(self, secret: str = SECRET, app_id: str | None = "app") -> TokenManager:
        """A task process: it remembers nothing, and shares only the store."""
        self.store.local_cache.clear()
        return TokenManager(
            base_url="https://service.test",
            app_id=app_id,
            secret=secret,
            store=self.store,
            exchange=self.service,
            on_secret=self.masked.append,
            label="Connection 'c'",
            sleep=self.sleep,
            clock=lambda: self.now,
        )

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds
        self.on_wait()

    def kinds(self) -> list[str]:
        return [kind for _, kind, _ in self.service.log]


def raising(error: BaseException, kind: str | None = None) -> Callable[[str], None]:
    def trouble(asked: str) -> None:
        if kind in (None, asked):
            raise error

    return trouble
