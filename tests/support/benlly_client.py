"""A client of Benlly behind which there is nothing."""

from __future__ import annotations

from typing import Any


class FakeBenllyClient:
    """Answers from a script: an exception is raised, anything else returned; the last answer repeats."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.calls: list[tuple[int, str | None]] = []
        self.access_tokens: list[str] = []

    def deauthorize_channel(self, channel_id: int, *, access_token: str) -> Any:
        return self.authorize_channel(-channel_id, access_token=access_token)

    def authorize_channel(self, channel_id: int, *, access_token: str, token: str | None = None) -> Any:
        self.calls.append((channel_id, token))
        self.access_tokens.append(access_token)
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer
