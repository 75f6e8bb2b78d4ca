"""Python client of the emulator's control plane; standard library only, so that any test can import it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

_TIMEOUT_SECONDS = 30.0


class EmulatorControl:
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

    def app_calls(self, since: int = 0) -> list[JSONObject]:
        """
        Every call to the function endpoint of an app, oldest first; secrets are ``***``.

        :param since: only those after this number; the ``n`` of the last one that is known.
        :return: of each call: ``n``, ``at`` (epoch seconds of the emulator's clock), ``app_id``, ``method``,
            ``params``, ``context``, ``http_status`` (None: no answer), ``outcome`` (``ok``, ``refused`` or
            ``unreachable``), ``error`` and ``result``.
        """
        entries: list[JSONObject] = self._send("app_calls", query={"since": since})
        return entries

    def deliveries(self, since: int = 0) -> list[JSONObject]:
        """
        Every webhook, and hook of an app, that was sent or is to be sent, oldest first.

        :param since: only those after this number; the ``n`` of the last one that is known.
        :return: of each: ``n``, ``kind`` (``webhook`` or ``hook``), ``target`` (name of the webhook, id of the app),
            ``event``, ``url`` without its query, ``made_at``, ``state`` (``waiting``, ``sending``, ``delivered``,
            ``refused`` or ``blocked``), ``attempts``, ``http_status`` and ``error`` of the last one, ``due_at`` while
            it waits, and ``ended_at``.
        """
        entries: list[JSONObject] = self._send("deliveries", query={"since": since})
        return entries

    def webhooks(self) -> list[JSONObject]:
        """
        The webhooks.

        :return: of each: ``name``, ``channel_id``, ``events``, ``event_form`` and ``blocked_at`` (None: it is not).
        """
        found: list[JSONObject] = self._send("webhooks")
        return found

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
        self, fault: str, *, count: int = 1, method: str | None = None, share: float = 1.0, **options: JSON
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

    def set_webhook(
        self,
        name: str,
        url: str | None,
        *,
        token: str | None = None,
        channel_id: str | None = None,
        events: Sequence[str] | None = None,
        event_form: str = "verb",
    ) -> None:
        """
        Send the events of the channels to an address; a webhook of the same name is replaced, and no longer blocked.

        :param name: of the webhook.
        :param url: address of the POST requests; None: removes the webhook.
        :param token: added to the URL as its parameter ``token``.
        :param channel_id: whose events; None: those of all channels.
        :param events: such as ``userChat.opened``; None: all.
        :param event_form: what ``event`` is in a body: ``verb``, as in the vendor's samples, or ``scope``, the name.
        :raises ValueError: no such URL, event or form.
        """
        wanted: JSONObject = {"name": name, "url": url, "token": token, "channel_id": channel_id}
        wanted |= {"events": None if events is None else list(events), "event_form": event_form}
        self._send("webhook", wanted)

    def call_hook(
        self,
        app_id: str,
        hook_type: str,
        *,
        channel_id: str | None = None,
        target_id: str | None = None,
        params: Mapping[str, JSON] | None = None,
    ) -> int:
        """
        Tell an app that something has happened to it, such as ``app.installed``.

        :param app_id: which app; it has registered the extension ``hook``.
        :param hook_type: what has happened.
        :param channel_id: on which channel; None: on none.
        :param target_id: of the widget or webhook; None: of all.
        :param params: what its function is given; the vendor publishes no names.
        :return: how many hooks are called; :meth:`deliveries` says what came of it.
        :raises ValueError: the app has no such hook.
        """
        wanted: JSONObject = {"app_id": app_id, "type": hook_type, "channel_id": channel_id}
        wanted |= {"target_id": target_id, "params": dict(params or {})}
        return int(self._send("hook", wanted)["hooks"])

    def open_chat(
        self, channel_id: str, *, user_id: str | None = None, text: str | None = None
    ) -> JSONObject:
        """
        Let a customer open a chat.

        :param channel_id: where.
        :param user_id: who; the channel's first user unless given.
        :param text: what the customer writes.
        :return: the user chat.
        :raises ValueError: no such channel or user.
        """
        wanted = {"channel_id": channel_id, "user_id": user_id, "text": text}
        chat: JSONObject = self._send("open_chat", wanted)
        return chat

    def write_message(
        self,
        chat_id: str,
        text: str,
        *,
        manager_id: str | None = None,
        user_id: str | None = None,
        root_message_id: str | None = None,
    ) -> JSONObject:
        """
        Let a person write into a chat.

        :param chat_id: a user chat, group or direct chat.
        :param text: what is written.
        :param manager_id: who writes; the channel's first manager unless given.
        :param user_id: or the user who writes.
        :param root_message_id: of the thread that it replies to.
        :return: the message.
        :raises ValueError: no such chat, person or message.
        """
        wanted = {"chat_id": chat_id, "text": text, "manager_id": manager_id, "user_id": user_id}
        message: JSONObject = self._send("write_message", {**wanted, "root_message_id": root_message_id})
        return message

    def run_command(
        self,
        name: str,
        chat_id: str,
        *,
        arguments: Mapping[str, JSON] | None = None,
        app_id: str | None = None,
        manager_id: str | None = None,
        user_id: str | None = None,
        root_message_id: str | None = None,
        language: str = "en",
        checked: bool = True,
    ) -> JSONObject:
        """
        Run a command in a chat as a person: the app is called, and its answer is written into the chat.

        :param name: of a command that an app has registered: for the desk if a manager runs it, for the front if a user
            does.
        :param chat_id: a user chat, group or direct chat.
        :param arguments: by parameter; a text is read as the type of its parameter.
        :param app_id: whose command, where several apps have one of this name.
        :param manager_id: who runs it; the channel's first manager unless given.
        :param user_id: or the user who runs it.
        :param root_message_id: of the thread in which it is run.
        :param language: of the person.
        :param checked: whether arguments that do not fit the command are refused, as Channel Desk does; otherwise they
            are sent.
        :return: ``type`` of the answer (None: none came), its ``text``, the ``message_id`` with it, and ``error``, the
            reason if there is no answer.
        :raises ValueError: no such command, chat, person or message, or an argument does not fit.
        """
        wanted: JSONObject = {"name": name, "chat_id": chat_id, "arguments": dict(arguments or {})}
        wanted |= {"app_id": app_id, "manager_id": manager_id, "user_id": user_id}
        wanted |= {"root_message_id": root_message_id, "language": language, "checked": checked}
        result: JSONObject = self._send("run_command", wanted)
        return result

    def suggest(
        self,
        name: str,
        chat_id: str,
        parameter: str,
        *,
        arguments: Mapping[str, JSON] | None = None,
        app_id: str | None = None,
        manager_id: str | None = None,
        user_id: str | None = None,
        language: str = "en",
    ) -> JSONObject:
        """
        Ask for suggestions for a parameter of a command, as while somebody types it.

        :param name: of the command; this and the others as of :meth:`run_command`.
        :param parameter: which is typed.
        :param arguments: what is typed so far, by parameter.
        :return: ``choices``, each with ``name`` and ``value``, and ``error``, why there are none.
        :raises ValueError: no such command or parameter, or nobody suggests values for it.
        """
        wanted: JSONObject = {"name": name, "chat_id": chat_id, "parameter": parameter}
        wanted |= {"arguments": dict(arguments or {}), "app_id": app_id}
        wanted |= {"manager_id": manager_id, "user_id": user_id, "language": language}
        result: JSONObject = self._send("suggest", wanted)
        return result

    def click_button(
        self,
        message_id: str,
        button: str | int,
        *,
        manager_id: str | None = None,
        user_id: str | None = None,
    ) -> JSONObject:
        """
        Click a button of a message.

        :param message_id: which message.
        :param button: its title, or its number from 0 on.
        :param manager_id: who clicks; the channel's first manager unless given.
        :param user_id: or the user who clicks.
        :return: ``type``: ``web`` with the ``url`` that it leads to, or as of :meth:`run_command`, where it runs one.
        :raises ValueError: no such message or button, or nothing can come of it.
        """
        wanted = {"message_id": message_id, "button": button, "manager_id": manager_id, "user_id": user_id}
        result: JSONObject = self._send("click_button", wanted)
        return result

    def change_user_chat(self, user_chat_id: str, *, after_seconds: float = 0, **changes: JSON) -> None:
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

    def configure(self, **settings: JSON) -> None:
        """
        Change settings while it runs; tokens, windows and messages stay.

        :param settings: by name, such as ``quota_limit`` (token requests in a window), ``token_life_seconds``,
            ``rate_limit`` (calls in a window), ``latency_seconds``, ``dialect`` or ``contract``; ``apps`` and
            ``channels`` are set up anew.
        :raises ValueError: no such setting or value.
        """
        self._send("configure", settings)

    def reset(self) -> None:
        """Go back to the start: settings, data, clock, journal, faults."""
        self._send("reset", {})


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
