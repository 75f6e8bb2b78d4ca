"""The server's side of ``/_emulator``: reads what happened, sets faults and settings. JSON in, JSON out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.agents import change_chat
from airflow_channel_provider.emulator.answers import Answer, PendingAnswer
from airflow_channel_provider.emulator.chat_view import chat_view
from airflow_channel_provider.emulator.commands import click_button, run_command, suggest
from airflow_channel_provider.emulator.conversation import open_chat, write_message
from airflow_channel_provider.emulator.dialect import write_thing
from airflow_channel_provider.emulator.hooks import tell_app
from airflow_channel_provider.emulator.jsontypes import dump, load
from airflow_channel_provider.emulator.overview import overview
from airflow_channel_provider.emulator.ready_connections import ready_connections
from airflow_channel_provider.emulator.seed_data import endpoint_of
from airflow_channel_provider.emulator.webhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.service import Emulator
    from airflow_channel_provider.emulator.state import App, Channel

# Number of generated chats, or users, in one answer.
_STATE_PART = 1_000


class ControlPlane:
    """
    Answers the control requests of one emulator.

    :param emulator: what is controlled.
    """

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._reads: dict[str, Callable[[Mapping[str, str]], JSON]] = {
            "journal": self._journal,
            "token_requests": lambda query: emulator.journal.token_requests(),
            "app_calls": lambda query: emulator.world.app_calls.since(int(query.get("since", 0))),
            "deliveries": lambda query: emulator.outbox.listing(int(query.get("since", 0))),
            "webhooks": lambda query: self._webhooks(),
            "messages": self._messages,
            "commands": self._commands,
            "table": self._table,
            "tables": self._tables,
            "open_api_state": self._open_api_state,
            "authorizations": lambda query: emulator.benlly.authorizations(),
            "stats": lambda query: emulator.stats(),
            "faults": lambda query: emulator.faults.listing(),
            "settings": lambda query: emulator.settings.public(),
            "connections": lambda query: ready_connections(emulator),
            "overview": lambda query: overview(emulator),
            "conversation": lambda query: chat_view(emulator, query),
        }
        self._writes: dict[str, Callable[[JSONObject], JSON]] = {
            "inject": self._inject,
            "clear_faults": self._clear_faults,
            "revoke_tokens": self._revoke,
            "reissue_secret": lambda body: {"secret": emulator.world.reissue_secret(str(body.get("app_id")))},
            "reset": self._reset,
            "advance": self._advance,
            "configure": self._configure,
            "app_functions": self._app_function,
            "function_endpoint": self._function_endpoint,
            "webhook": self._set_webhook,
            "hook": lambda body: tell_app(emulator.world, body),
            "user_chats": lambda body: change_chat(emulator.world, body),
            "open_chat": lambda body: self._thing("userChat", open_chat(emulator.world, body)),
            "write_message": lambda body: self._thing("message", write_message(emulator.world, body)),
            "run_command": lambda body: run_command(emulator.world, body),
            "suggest": lambda body: suggest(emulator.world, body),
            "click_button": lambda body: click_button(emulator.world, body),
            "change_generated": self._change_generated,
        }

    def handle(
        self, http_method: str, path: str, query: Mapping[str, str], body: bytes
    ) -> Answer | PendingAnswer:
        """
        Carry out one control request.

        :param http_method: GET to read, POST to change.
        :param path: ``/_emulator/<name>``.
        :param query: of the URL.
        :param body: a JSON object, or nothing.
        :return: the answer, or what it depends on.
        """
        emulator = self._emulator
        emulator.world.scheduler.run_due(emulator.clock.now())
        name = path.removeprefix("/_emulator").strip("/")
        if http_method == "GET" and name in self._reads:
            return self._answer(lambda: self._reads[name](query))
        if http_method == "POST" and name in self._writes:
            return self._answer(lambda: self._writes[name](_object(body)))
        reads, writes = ", ".join(sorted(self._reads)), ", ".join(sorted(self._writes))
        return Answer(404, dump({"error": f"GET one of {reads}; POST one of {writes}"}))

    def _answer(self, act: Callable[[], JSON]) -> Answer | PendingAnswer:
        try:
            result = act()
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            return Answer(400, dump({"error": str(error) or type(error).__name__}))
        if isinstance(result, PendingAnswer):
            pending = result
            return PendingAnswer(
                pending.find_out, lambda found: self._answer(lambda: pending.conclude(found))
            )
        return Answer(200, dump(result), {"Cache-Control": "no-store"})

    def _thing(self, kind: str, thing: JSONObject) -> JSONObject:
        return write_thing(kind, thing, self._emulator.settings.dialect)

    def _journal(self, query: Mapping[str, str]) -> JSON:
        limit = query.get("limit")
        return self._emulator.journal.since(int(query.get("since", 0)), None if limit is None else int(limit))

    def _messages(self, query: Mapping[str, str]) -> JSON:
        messages = self._emulator.world.messages.listing(query.get("chat_id"))
        return [write_thing("message", message, self._emulator.settings.dialect) for message in messages]

    def _open_api_state(self, query: Mapping[str, str]) -> JSON:
        kind, start = query.get("kind", ""), int(query.get("start", 0))
        channel = self._channel(query.get("channel_id"))
        items: list[JSON] = []
        if start == 0:
            kept = _written_in(self._emulator, channel, kind)
            items = [write_thing(kind.removesuffix("s"), item, "plain") for item in kept]
        following = None
        if channel.generated is not None:
            made, following = channel.generated.state_part(kind, start, _STATE_PART)
            items += made
        return {"items": items, "next": following}

    def _change_generated(self, body: JSONObject) -> JSON:
        channel, count = self._channel(body.get("channel_id")), body.get("count", 1)
        if channel.generated is None:
            raise ValueError(f"channel {channel.id!r} has no generated chats")
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 1_000_000:
            raise ValueError("count must be a whole number from 1 to 1,000,000")
        channel.generated.live_on(count, self._emulator.clock.now())
        return {"changes": channel.generated.changes}

    def _channel(self, channel_id: JSON) -> Channel:
        channels = self._emulator.world.channels
        found = next(iter(channels.values()), None) if channel_id is None else channels.get(str(channel_id))
        if found is None:
            raise ValueError(f"no channel {channel_id!r}")
        return found

    def _commands(self, query: Mapping[str, str]) -> JSON:
        app = self._app(query.get("app_id"))
        return app.commands

    def _table(self, query: Mapping[str, str]) -> JSON:
        tables = self._app(query.get("app_id")).tables
        table = tables.get((query.get("channel_id"), query.get("table_name")))
        if table is None:
            raise ValueError(f"no table {query.get('table_name')!r}")
        return {**table, "rows": list(table["rows"].values())}

    def _tables(self, query: Mapping[str, str]) -> JSON:
        return [
            {"channel_id": channel_id, "table_name": name, "rows": len(table["rows"])}
            for (channel_id, name), table in self._app(query.get("app_id")).tables.items()
        ]

    def _app(self, app_id: JSON) -> JSON:
        app = self._emulator.world.apps.get(str(app_id))
        if app is None:
            raise ValueError(f"no app {app_id!r}")
        return app

    def _inject(self, body: JSONObject) -> JSON:
        known = ("fault", "count", "method", "share", "options")
        unknown = sorted(set(body) - set(known))
        if unknown:
            raise ValueError(f"inject takes {', '.join(known)}, not {', '.join(unknown)}")
        options = body.get("options") or {}
        self._emulator.faults.inject(
            str(body.get("fault")),
            count=body.get("count", 1),
            method=body.get("method"),
            share=body.get("share", 1.0),
            options=options,
        )
        return self._emulator.faults.listing()

    def _clear_faults(self, body: JSONObject) -> None:
        self._emulator.faults.clear()

    def _reset(self, body: JSONObject) -> None:
        self._emulator.reset()

    def _configure(self, body: JSONObject) -> None:
        self._emulator.configure(body)

    def _revoke(self, body: JSONObject) -> JSON:
        scope, refresh_tokens = body.get("scope"), bool(body.get("refresh_tokens", False))
        revoked = 0
        if scope != "user":
            revoked += self._emulator.world.tokens.revoke(scope, refresh_tokens=refresh_tokens)
        if scope in (None, "user"):
            revoked += self._emulator.benlly.tokens.revoke(refresh_tokens=refresh_tokens)
        return {"revoked": revoked}

    def _advance(self, body: JSONObject) -> JSON:
        self._emulator.clock.advance(float(body.get("seconds", -1)))
        return {"now": self._emulator.clock.now()}

    def _app_function(self, body: JSONObject) -> None:
        app_id, method = body.get("app_id"), body.get("method")
        if not isinstance(app_id, str) or not isinstance(method, str):
            raise TypeError("app_id and method must be strings")
        status = body.get("http_status")
        if status is not None and not (type(status) is int and 200 <= status < 600):
            raise ValueError("http_status must be a whole number from 200 to 599")
        self._emulator.world.app_answers[(app_id, method)] = {
            key: body[key] for key in ("result", "error", "http_status") if body.get(key) is not None
        }

    def _function_endpoint(self, body: JSONObject) -> None:
        app: App = self._app(body.get("app_id"))
        app.function_endpoint = endpoint_of({**body, "function_endpoint": body.get("url")})

    def _webhooks(self) -> JSON:
        return [
            {
                "name": webhook.name,
                "channel_id": webhook.channel_id,
                "events": sorted(webhook.events),
                "event_form": webhook.event_form,
                "blocked_at": self._emulator.outbox.blocked_at(webhook.name),
            }
            for webhook in self._emulator.world.webhooks.values()
        ]

    def _set_webhook(self, body: JSONObject) -> JSON:
        name = body.get("name")
        if not isinstance(name, str) or not name:
            raise ValueError("name must be a non-empty string")
        webhooks, outbox = self._emulator.world.webhooks, self._emulator.outbox
        if body.get("url") is None:
            webhooks.pop(name, None)
        else:
            webhooks[name] = Webhook.build({key: value for key, value in body.items() if value is not None})
        outbox.unblock(name)
        return self._webhooks()


def _written_in(emulator: Emulator, channel: Channel, kind: str) -> Iterable[JSONObject]:
    """What is kept of a channel: all that is not generated."""
    if kind == "userChats":
        return channel.user_chats.values()
    if kind == "users":
        return channel.users.values()
    if kind == "messages":
        messages = emulator.world.messages.listing()
        return (m for m in messages if m["channelId"] == channel.id and m["chatType"] == "userChat")
    raise ValueError("kind must be one of userChats, messages, users")


def _object(body: bytes) -> JSONObject:
    parsed = load(body) if body.strip() else {}
    if not isinstance(parsed, dict):
        raise TypeError("the body must be a JSON object")
    return parsed
