"""Python client of the emulator's control plane; standard library only, so that any test can import it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from airflow_channel_provider.emulator.app_store_control import AppStoreControl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Unpack

    from airflow_channel_provider.emulator.arguments import FaultOptions, SettingsArguments, UserChatChanges
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

_TIMEOUT_SECONDS = 30.0


class EmulatorControl(AppStoreControl):
    """
    Reads and controls a running emulator.

    :param url: its address, such as ``http://127.0.0.1:8765``.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        # A proxy of the environment must not come between a test and its emulator.
        self._opener = build_opener(ProxyHandler({}))

    @property
    def url(self) -> str:
        """The emulator's address, without a trailing slash."""
        return self._url

    def _send(self, name: str, body: JSONObject | None = None, query: JSONObject | None = None) -> JSON:
        wanted = {k: v for k, v in (query or {}).items() if v is not None}
        address = f"{self.url}/_emulator/{name}" + (f"?{urlencode(wanted)}" if wanted else "")
        data = None if body is None else json.dumps(body).encode()
        request = Request(address, data=data, headers={"Content-Type": "application/json"})  # noqa: S310
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            with error:
                raise ValueError(f"emulator, {name}: {_reason(error.read())}") from None

    def journal(self, since: int = 0) -> list[JSONObject]:
        """
        Every request that arrived, oldest first; secrets are ``***``, tokens are fingerprints.

        :param since: only those after this number; the ``n`` of the last one that is known.
        :return: of each request: ``n``, ``at`` (epoch seconds of the emulator's clock), ``service``, ``path``,
            ``method``, ``params``, ``scope`` (``app`` or ``channel:<id>``), ``app_id``, ``client``,
            ``token_fingerprint``, ``http_status`` (None: no answer), ``outcome`` (``ok``, ``refused`` or
            ``fault:<name>``), ``error``, ``acted`` (it was carried out), ``repeated`` (its requestId was known) and
            ``request_id``.
        """
        entries: list[JSONObject] = self._send("journal", query={"since": since})
        return entries

    def token_requests(self) -> list[JSONObject]:
        """
        Every issueToken and refreshToken, oldest first.

        :return: as of :meth:`journal`, and ``kind`` (``issue`` or ``refresh``), ``counted`` and ``refused_by_quota``.
        """
        entries: list[JSONObject] = self._send("token_requests")
        return entries

    def messages(self, chat_id: str | None = None) -> list[JSONObject]:
        """
        Messages that were written, oldest first; a requestId that was repeated wrote one.

        :param chat_id: only those of this user chat, group or direct chat.
        :return: as the service answers them: ``id``, ``channelId``, ``chatType``, ``chatId``, ``personType``,
            ``personId``, ``requestId``, ``plainText``, ``blocks`` and so on.
        """
        found: list[JSONObject] = self._send("messages", query={"chat_id": chat_id})
        return found

    def open_api_state(self, kind: str, channel_id: str | None = None) -> Iterator[JSONObject]:
        """
        All that the Open API would answer now, for a comparison with what was read from it.

        :param kind: ``userChats``, ``messages`` (of user chats) or ``users``.
        :param channel_id: of which channel; default: the first.
        :return: each thing once, in its last version, a part at a time.
        :raises ValueError: no such kind or channel.
        """
        start: int | None = 0
        while start is not None:
            query = {"kind": kind, "channel_id": channel_id, "start": start}
            part: JSONObject = self._send("open_api_state", query=query)
            yield from part["items"]
            start = part["next"]

    def change_generated(self, count: int = 1, channel_id: str | None = None) -> None:
        """
        Change generated chats: new messages, states, new chats, edits.

        :param count: how many changes, now.
        :param channel_id: of which channel; default: the first.
        :raises ValueError: the channel has no generated chats.
        """
        self._send("change_generated", {"count": count, "channel_id": channel_id})

    def commands(self, app_id: str) -> list[JSONObject]:
        """
        The commands that an app has registered.

        :param app_id: which app.
        """
        found: list[JSONObject] = self._send("commands", query={"app_id": app_id})
        return found

    def table(self, app_id: str, channel_id: str, table_name: str) -> JSONObject:
        """
        One data table of an app: ``schema`` and ``rows``.

        :param app_id: whose.
        :param channel_id: on which channel.
        :param table_name: which.
        :raises ValueError: there is none.
        """
        query = {"app_id": app_id, "channel_id": channel_id, "table_name": table_name}
        found: JSONObject = self._send("table", query=query)
        return found

    def tables(self, app_id: str) -> list[JSONObject]:
        """
        The data tables of an app: ``channel_id``, ``table_name`` and the number of ``rows`` of each.

        :param app_id: whose.
        """
        found: list[JSONObject] = self._send("tables", query={"app_id": app_id})
        return found

    def authorizations(self) -> list[JSONObject]:
        """
        Benlly's authorizations that were not taken back.

        :return: of each: ``channel_id``, ``auth_type``, ``device``, ``udid``, ``user``, its times, and
            ``device_token`` as ``***``.
        """
        found: list[JSONObject] = self._send("authorizations")
        return found

    def connections(self) -> list[JSONObject]:
        """
        Airflow connections to this emulator, those of Channel Talk first.

        :return: ``conn_id``, ``conn_type``, and the connection as ``shell``, a line that exports its JSON, and ``uri``.
        """
        found: list[JSONObject] = self._send("connections")
        return found

    def stats(self) -> JSONObject:
        """
        Counts since the start or the last reset.

        :return: ``calls``, ``token_requests``, ``token_requests_by_scope``, ``quota_refusals``, ``messages``,
            ``authorizations`` and ``max_token_requests_in_any_window``.
        """
        found: JSONObject = self._send("stats")
        return found

    def faults(self) -> list[JSONObject]:
        """
        The faults that still wait for requests.

        :return: of each: ``fault``, ``remaining`` (requests), ``method``, ``share`` and ``options``.
        """
        found: list[JSONObject] = self._send("faults")
        return found

    def inject(
        self,
        fault: str,
        *,
        count: int = 1,
        method: str | None = None,
        share: float = 1.0,
        **options: Unpack[FaultOptions],
    ) -> None:
        """
        Make the next requests fail.

        :param fault: close_before, close_after, http_500, http_500_after, rate_limit, slow, truncated, html, empty,
            unauthorized, token_quota, first_page or huge.
        :param count: how many requests, from 1 up.
        :param method: only calls of this native function, app function or Benlly endpoint (``authorize``,
            ``deauthorize``, ``oauth_token``), or of this path.
        :param share: share of the matching requests that it hits, above 0 and up to 1.
        :param options: of the fault: ``seconds`` of slow, ``megabytes`` of huge, ``status`` of html, ``cut`` of
            truncated, ``shape`` of rate_limit, unauthorized and token_quota, ``reset_after_seconds`` and
            ``second_document`` of rate_limit, ``retry_after_seconds`` of token_quota.
        :raises ValueError: no such fault, option or value.
        """
        body = {"fault": fault, "count": count, "method": method, "share": share, "options": options}
        self._send("inject", body)

    def clear_faults(self) -> None:
        """Remove the faults that still wait."""
        self._send("clear_faults", {})

    def revoke_tokens(self, scope: str | None = None, *, refresh_tokens: bool = False) -> int:
        """
        Make the service refuse access tokens that are alive.

        :param scope: ``app`` or ``channel:<id>``, ``user`` for those that Benlly's users were given; None for all.
        :param refresh_tokens: make it refuse the refresh tokens too.
        :return: how many access tokens it hit.
        """
        return int(self._send("revoke_tokens", {"scope": scope, "refresh_tokens": refresh_tokens})["revoked"])

    def reissue_secret(self, app_id: str) -> str:
        """
        Give an app a new App Secret; the old one is refused from now on.

        :param app_id: which app.
        :return: the new secret.
        """
        return str(self._send("reissue_secret", {"app_id": app_id})["secret"])

    def answer_app_function(
        self,
        app_id: str,
        method: str,
        *,
        result: JSON = None,
        error: JSON = None,
        http_status: int | None = None,
    ) -> None:
        """
        Set the answer of an app's function; without it, functions return what they were sent.

        :param app_id: the app that is called.
        :param method: its function.
        :param result: what it returns.
        :param error: or the error that it answers.
        :param http_status: of the answer, 200 unless given.
        """
        programmed = {"result": result, "error": error, "http_status": http_status}
        self._send("app_functions", {"app_id": app_id, "method": method, **programmed})

    def set_function_endpoint(self, app_id: str, url: str | None, *, signing_key: str | None = None) -> None:
        """
        Set the address where an app serves its functions; ``registerExtension`` asks there for its commands.

        :param app_id: whose.
        :param url: what the service adds its version to, such as ``http://127.0.0.1:8000/functions``; None: nowhere.
        :param signing_key: signs the calls, in hexadecimal; ``DEMO_SIGNING_KEY`` unless given.
        :raises ValueError: no such app, no such URL or no such key.
        """
        self._send("function_endpoint", {"app_id": app_id, "url": url, "signing_key": signing_key})

    def change_user_chat(
        self, user_chat_id: str, *, after_seconds: float = 0, **changes: Unpack[UserChatChanges]
    ) -> None:
        """
        Let an agent change a user chat.

        :param user_chat_id: which one.
        :param after_seconds: seconds from now, by the emulator's clock.
        :param changes: ``state`` (opened, closed, snoozed, initial, queued or missed) and ``assignee_id`` (a manager's,
            or None), either or both.
        :raises ValueError: no such chat or change.
        """
        self._send("user_chats", {"user_chat_id": user_chat_id, "after_seconds": after_seconds, **changes})

    def advance(self, seconds: float) -> None:
        """
        Shift the emulator's clock ahead: tokens age, windows end.

        :param seconds: how far, from 0 up; it never runs back.
        :raises ValueError: less than 0, or further than 300 years.
        """
        self._send("advance", {"seconds": seconds})

    def configure(self, **settings: Unpack[SettingsArguments]) -> None:
        """
        Change settings while it runs; tokens, windows and messages stay.

        :param settings: by name, such as ``quota_limit`` (token requests in a window), ``token_life_seconds``,
            ``rate_limit`` (calls in a window), ``latency_seconds``, ``dialect`` or ``contract``; ``apps`` and
            ``channels`` are set up anew.
        :raises ValueError: no such setting or value.
        """
        self._send("configure", {**settings})

    def reset(self) -> None:
        """Go back to the start: settings, data, clock, journal, faults."""
        self._send("reset", {})


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
