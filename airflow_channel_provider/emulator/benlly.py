"""Benlly: a user's token authorizes channels for a device. Times are written as Japan's, as in the published example.

Its errors are published nowhere; here they have the form of the framework that its traces point to.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.answers import Answer
from airflow_channel_provider.emulator.benlly_oauth import BenllyRefusedError, UserTokens, oauth_error
from airflow_channel_provider.emulator.jsontypes import dump
from airflow_channel_provider.emulator.tokens import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_channel_provider.emulator.jsontypes import JSONObject
    from airflow_channel_provider.emulator.request_record import RequestRecord

DEVICES = ("ios", "android", "web", "infoboard", "windows")
_JAPAN = timezone(timedelta(hours=9))


class Benlly:
    """
    One Benlly.

    :param settings: ``channels`` (id, auth_type), and those of :class:`.benlly_oauth.UserTokens`.
    """

    def __init__(self, settings: JSONObject) -> None:
        self.tokens = UserTokens()
        self._rows: dict[tuple[str, int, str], JSONObject] = {}
        self._acts = {
            "authorize": self._authorize,
            "deauthorize": self._deauthorize,
            "triggers": self._triggers,
        }
        self.apply(settings)

    def apply(self, settings: JSONObject) -> None:
        """Take users, tokens and channels from the settings; authorizations stay."""
        self.channels = {int(c["id"]): str(c.get("auth_type", "none")) for c in settings.get("channels", [])}
        self.tokens.apply(settings)

    def authorizations(self) -> list[JSONObject]:
        """Every row that was authorized and not taken back, without its device token."""
        return [dict(row["public"]) for row in self._rows.values()]

    def answer(
        self, record: RequestRecord, action: str, channel_id: int | None, headers: Mapping[str, str]
    ) -> Answer:
        """
        Carry out one request.

        :param record: its params are the body.
        :param action: ``authorize``, ``deauthorize``, ``triggers`` or ``oauth_token``.
        :param channel_id: from the path.
        :param headers: of the request, names in any case.
        """
        try:
            if action == "oauth_token":
                body = self.tokens.answer(record)
            else:
                user = self._user(record, headers)
                device = self._device(headers)
                channel = self._channel(channel_id)
                body = self._acts[action](record, user, device, channel, headers)
        except BenllyRefusedError as refused:
            record.error = refused.message
            return Answer(refused.status, dump({"message": refused.message, **refused.more}))
        record.acted = True
        return Answer(200, dump(body))

    def _user(self, record: RequestRecord, headers: Mapping[str, str]) -> str:
        kind, _, token = headers.get("Authorization", "").partition(" ")
        token = token.strip()
        if token:
            record.fingerprint = fingerprint(token)
        user = self.tokens.user_of(token, record.at)
        if kind.lower() != "bearer" or user is None:
            raise oauth_error(
                401, "access_denied", "The resource owner or authorization server denied the request."
            )
        return user

    @staticmethod
    def _device(headers: Mapping[str, str]) -> str:
        device = headers.get("X-Benlly-Request-Device", "")
        if device not in DEVICES:
            problem = f"The X-Benlly-Request-Device header must be one of {', '.join(DEVICES)}."
            raise BenllyRefusedError(400, problem, errors={"X-Benlly-Request-Device": [problem]})
        return device

    def _channel(self, channel_id: int | None) -> int:
        if channel_id is None or channel_id not in self.channels:
            raise BenllyRefusedError(404, "Channel not found.")
        return channel_id

    @staticmethod
    def _triggers(
        record: RequestRecord, user: str, device: str, channel_id: int, headers: Mapping[str, str]
    ) -> JSONObject:
        """List what a channel can react to; here no channel reacts to anything."""
        return {"data": []}

    def _authorize(
        self, record: RequestRecord, user: str, device: str, channel_id: int, headers: Mapping[str, str]
    ) -> JSONObject:
        udid = headers.get("X-Benlly-Udid", "").strip()
        if not udid:
            problem = "The X-Benlly-Udid header is required."
            raise BenllyRefusedError(400, problem, errors={"X-Benlly-Udid": [problem]})
        device_token = record.params.get("token")
        pushes = self.channels[channel_id] == "push_notification"
        if pushes and (not isinstance(device_token, str) or not device_token):
            raise BenllyRefusedError(
                422, "The given data was invalid.", errors={"token": ["The token field is required."]}
            )
        stamp = datetime.fromtimestamp(int(record.at), tz=_JAPAN).isoformat()
        old = self._rows.get((user, channel_id, udid))
        data: JSONObject = {"udid": udid, **({"device_token": device_token} if pushes else {})}
        data |= {"expired_at": None, "expired": False}
        data |= {"created_at": old["public"]["created_at"] if old else stamp, "updated_at": stamp}
        public = {
            "channel_id": channel_id,
            "auth_type": self.channels[channel_id],
            "device": device,
            "user": user,
        }
        public |= {**data, **({"device_token": "***"} if pushes else {})}
        self._rows[(user, channel_id, udid)] = {"public": public}
        return {"data": data}

    def _deauthorize(
        self, record: RequestRecord, user: str, device: str, channel_id: int, headers: Mapping[str, str]
    ) -> JSONObject:
        udid = headers.get("X-Benlly-Udid", "").strip()
        gone = [k for k in self._rows if k[:2] == (user, channel_id) and (not udid or k[2] == udid)]
        for key in gone:
            del self._rows[key]
        if not gone:
            raise BenllyRefusedError(404, "The channel is not authorized.")
        return {
            "data": {"udid": udid or None, "channel_id": channel_id, "device": device, "at": int(record.at)}
        }
