"""What is known of one request while it is carried out, for the answer and for the journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.journal import redact

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.answers import Answer
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

# Redacting a large body costs more than the call itself; the journal then says how large it was.
_PARAMS_KEPT_BYTES = 65_536


@dataclass(slots=True)
class RequestRecord:
    """One request: who sent it, what it asks for, what became of it."""

    service: str
    path: str
    at: float
    method: str = ""
    params: JSON = None
    size: int = 0
    scope: str | None = None
    fingerprint: str | None = None
    app_id: str | None = None
    client: str | None = None
    request_id: str | None = None
    error: str | None = None
    acted: bool = False
    repeated: bool = False
    forgets_cursor: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    token_request: JSONObject | None = None

    def entry(self, answer: Answer | None, fault: str | None) -> JSONObject:
        """
        The record as the journal keeps it.

        :param answer: what was answered; None if the connection was dropped.
        :param fault: the fault that was applied, if any.
        """
        outcome = f"fault:{fault}" if fault else "refused" if self.error else "ok"
        small = self.size <= _PARAMS_KEPT_BYTES
        return {
            "at": self.at,
            "service": self.service,
            "path": self.path,
            "method": self.method,
            "params": redact(self.params) if small else f"… ({self.size} bytes)",
            "scope": self.scope,
            "app_id": self.app_id,
            "client": self.client,
            "token_fingerprint": self.fingerprint,
            "http_status": None if answer is None else answer.status,
            "outcome": outcome,
            "error": self.error,
            "acted": self.acted,
            "repeated": self.repeated,
            "request_id": self.request_id,
            **(self.token_request or {}),
        }
