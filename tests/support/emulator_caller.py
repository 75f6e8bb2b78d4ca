"""A client of the emulator that sends what the services would be sent, and hands out their bare answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorThread

if TYPE_CHECKING:
    import requests

PATH = "/general/v1/native/functions"
GET_USER = {"channelId": "ch-1", "userId": "user-ch-1-1"}


def writing(request_id: str | None = None) -> dict[str, Any]:
    dto = {"botName": "bot", "plainText": "hello", "requestId": request_id}
    return {"channelId": "ch-1", "userChatId": "chat-ch-1-1", "dto": dto}


class Caller:
    """Talks to the emulator as a client of the services would."""

    def __init__(self, emulator: EmulatorThread, session: requests.Session) -> None:
        self.emulator = emulator
        self.session = session
        self.token = ""

    def native(self, method: str, params: Any, timeout: float = 10) -> requests.Response:
        headers = {"x-access-token": self.token}
        body = {"method": method, "params": params}
        return self.session.put(self.emulator.url + PATH, json=body, headers=headers, timeout=timeout)

    def issue(self, channel_id: str | None = "ch-1", secret: str = DEMO_SECRET) -> Any:
        answer = self.native("issueToken", {"secret": secret, "channelId": channel_id}).json()
        return answer.get("result", answer)

    def log_in(self) -> Caller:
        self.token = self.issue()["accessToken"]
        return self
