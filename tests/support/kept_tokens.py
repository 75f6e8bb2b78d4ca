"""An Airflow whose tokens lie in its Variables, renewed by a keeper and read by tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_channel_provider.exceptions import (
    ChannelNotSentError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.tokens.keeping import Kept, keep_tokens
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.stores.variable import VariableStore
from support.token_service import TokenService
from support.variables import FakeVariables

SECRET = "c2VjcmV0LW9mLXRlc3RzXy0=="
START = 1_700_000_000.0
RUN_EVERY_SECONDS = 300.0
RUNS_OF_HALF_A_DAY = 144


@dataclass
class World:
    """
    One Airflow, one app, a service, and a true time that only moves when told or when somebody waits.

    :param boots: the boot of the host that the present process runs on; None: it can't be told.
    """

    now: float = START
    off_seconds: float = 0.0
    boot: str | None = None
    waited: list[float] = field(default_factory=list)
    variables: FakeVariables = field(default_factory=FakeVariables)

    def __post_init__(self) -> None:
        self.service = TokenService(lambda: self.now)

    def store(self, settle_seconds: float = 0.0) -> VariableStore:
        return VariableStore(
            self.variables,
            settle_seconds=settle_seconds,
            sleep=self.sleep,
            clock=self.wall,
            steady=lambda: self.now - START,
        )

    def wall(self) -> float:
        return self.now + self.off_seconds

    def task(self, secret: str = SECRET, store: VariableStore | None = None) -> TokenManager:
        """A task process: it remembers nothing."""
        return TokenManager(
            base_url="https://service.test",
            app_id="app",
            secret=secret,
            store=store or self.store(),
            exchange=self.service,
            label="Connection 'c'",
            sleep=self.sleep,
            clock=lambda: self.now,
        )

    def keep(
        self,
        *channel_ids: str | None,
        secret: str = SECRET,
        ahead_seconds: float = 420.0,
        ask_again: bool = False,
    ) -> dict[str, Kept]:
        """One run of the keeper, in a process of its own."""
        kept = keep_tokens(
            self.task(secret), channel_ids or (None,), ahead_seconds=ahead_seconds, ask_again=ask_again
        )
        return {one.scope: one for one in kept}

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds

    def kinds(self) -> list[str]:
        return [kind for _, kind, _ in self.service.log]

    def document(self) -> str:
        (name,) = (name for name in self.variables.values if name.count("__") == 1)
        return name


def raising(error: BaseException, kind: str | None = None) -> Callable[[str], None]:
    def trouble(asked: str) -> None:
        if kind in (None, asked):
            raise error

    return trouble


def seconds_until(error: ChannelNotSentError | ChannelTokenQuotaError, now: float) -> float:
    assert error.retry_at is not None
    return error.retry_at.timestamp() - now
