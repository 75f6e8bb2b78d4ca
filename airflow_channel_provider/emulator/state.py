"""All that the emulator remembers of Channel Talk: apps, channels, tokens, windows, messages. No HTTP, no faults.

One :class:`World` is one service. It is changed only from one thread, one call at a time, so each call is atomic.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.app_calls import AppCallLog
from airflow_channel_provider.emulator.clock import Scheduler
from airflow_channel_provider.emulator.generated import GeneratedChats
from airflow_channel_provider.emulator.generated_numbers import Numbers
from airflow_channel_provider.emulator.outbox import Outbox
from airflow_channel_provider.emulator.quota import FixedWindow
from airflow_channel_provider.emulator.seed_data import DEMO_APP_ID, DEMO_SECRET, endpoint_of, populate
from airflow_channel_provider.emulator.tokens import TokenBook, new_secret
from airflow_channel_provider.emulator.webhooks import Webhook, announce_message, announce_opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_channel_provider.emulator.app_calls import Endpoint
    from airflow_channel_provider.emulator.clock import Clock
    from airflow_channel_provider.emulator.hooks import Hook
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.settings import Settings

MESSAGES_KEPT = 100_000
# Settings that make other chats.
_GENERATION = ("generated_chats", "generated_messages_per_chat", "generated_days", "generated_seed")


@dataclass(slots=True)
class App:
    """
    One app: its secret, what it may do and where it is installed.

    :param commands_by: by the function that registered them.
    """

    app_id: str
    secret: str
    permissions: frozenset[str] | None
    channels: frozenset[str] | None
    function_endpoint: Endpoint | None
    quota: FixedWindow
    rate: FixedWindow
    old_secrets: set[str] = field(default_factory=set)
    commands_by: dict[str, list[JSONObject]] = field(default_factory=dict)
    toggles: dict[str, bool] = field(default_factory=dict)
    extensions: dict[tuple[str, str], JSONObject] = field(default_factory=dict)
    tables: dict[tuple[str | None, str], JSONObject] = field(default_factory=dict)
    hooks: dict[str, JSONObject] = field(default_factory=dict)
    declared_hooks: list[Hook] = field(default_factory=list)

    @property
    def commands(self) -> list[JSONObject]:
        """Its commands, in whichever way they were registered; of two with the same name and scope the newer way's."""
        found: dict[tuple[str, str], JSONObject] = {}
        for way in ("registerCommands", "registerExtension"):
            found |= {(c["scope"], c["name"]): c for c in self.commands_by.get(way, [])}
        return list(found.values())

    def installed_on(self, channel_id: str) -> bool:
        """Whether the app is installed on a channel."""
        return self.channels is None or channel_id in self.channels


@dataclass(slots=True)
class Channel:
    """One channel with everybody and everything in it, by id."""

    id: str
    name: str
    users: dict[str, JSONObject]
    managers: dict[str, JSONObject]
    groups: dict[str, JSONObject]
    user_chats: dict[str, JSONObject]
    direct_chats: dict[str, JSONObject] = field(default_factory=dict)
    contacts: dict[tuple[str, str], JSONObject] = field(default_factory=dict)
    medium_links: dict[str, JSONObject] = field(default_factory=dict)
    commerce: dict[str, JSONObject] = field(default_factory=dict)
    schemas: dict[str, JSONObject] = field(default_factory=dict)
    events: deque[JSONObject] = field(default_factory=lambda: deque(maxlen=10_000))
    generated: GeneratedChats | None = None

    @classmethod
    def build(cls, given: JSONObject, now: float) -> Channel:
        """
        A channel from its setting.

        :param given: ``id`` and any of name, users, managers, groups, user_chats.
        :param now: epoch seconds.
        """
        full, stamp = populate(given), int(now * 1000)
        channel_id = full["id"]
        base = {"channelId": channel_id, "createdAt": stamp}
        return cls(
            id=channel_id,
            name=full["name"],
            users=_by_id(
                full["users"], {**base, "type": "member", "blocked": False, "tags": []}, _complete_user
            ),
            managers=_by_id(
                full["managers"], {**base, "roleId": "role-1", "removed": False, "operator": True}
            ),
            groups=_by_id(full["groups"], {**base, "scope": "all"}, _complete_group),
            user_chats=_by_id(full["user_chats"], {**base, **new_chat_fields(stamp)}),
        )

    def generate(self, settings: Settings, now: float) -> None:
        """
        Have generated chats beside the others, in place of those that there were.

        :param settings: how many, and which.
        :param now: epoch seconds; the newest of them changed last shortly before.
        """
        self.generated = None
        if not settings.generated_chats:
            return
        numbers = Numbers(
            settings.generated_chats,
            settings.generated_messages_per_chat,
            settings.generated_seed,
            end_at_ms=int(now * 1000),
            span_ms=int(settings.generated_days * 86_400_000),
        )
        self.generated = generated = GeneratedChats(self.id, self.managers, numbers)
        self.user_chats = _Adopting(self.user_chats, generated.chat, generated.take_chat)
        self.users = _Adopting(self.users, generated.user, generated.take_user)


class _Adopting(dict[str, "JSONObject"]):
    """Things by id; a generated one moves in when it is looked up, since whoever looks it up may change it."""

    def __init__(
        self,
        things: dict[str, JSONObject],
        find: Callable[[str], JSONObject | None],
        take: Callable[[str], JSONObject | None],
    ) -> None:
        super().__init__(things)
        self._find, self._take = find, take

    def __missing__(self, item_id: str) -> JSONObject:
        if (found := self._take(str(item_id))) is None:
            raise KeyError(item_id)
        self[item_id] = found
        return found

    def __contains__(self, item_id: object) -> bool:
        return super().__contains__(item_id) or self._find(str(item_id)) is not None

    def get(self, item_id: str, default: JSON = None) -> JSON:
        """One thing, or the default."""
        try:
            return self[item_id]
        except KeyError:
            return default


def new_chat_fields(stamp: int) -> JSONObject:
    """What a user chat has besides its ids; ``stamp`` in epoch milliseconds."""
    return {
        "state": "opened", "assigneeId": None, "managerIds": [], "tags": [], "openedAt": stamp, "updatedAt": stamp,
        "closedAt": None, "version": 1,
    }  # fmt: skip


def _by_id(items: list[JSONObject], base: JSONObject, complete: JSON = None) -> dict[str, JSONObject]:
    made = [{**base, **item} for item in items]
    return {item["id"]: complete(item) if complete else item for item in made}


def _complete_user(user: JSONObject) -> JSONObject:
    return {**user, "profile": user.get("profile") or {"name": user.get("name")}}


def _complete_group(group: JSONObject) -> JSONObject:
    title = group.get("title") or group.get("name") or group["id"]
    return {**group, "title": title, "name": group.get("name") or title}


class MessageBox:
    """
    Every message, newest last; a repeated requestId in the same chat finds the first one again.

    :param kept: how many are remembered; with a message goes the memory of its requestId.
    :param on_add: is called with each new message.
    """

    def __init__(self, kept: int = MESSAGES_KEPT, on_add: Callable[[JSONObject], None] | None = None) -> None:
        self._kept = kept
        self._on_add = on_add
        self._all: deque[JSONObject] = deque()
        self._by_id: dict[str, JSONObject] = {}
        self._by_request: dict[tuple[str, str, str, str], JSONObject] = {}
        self._by_chat: dict[str, deque[JSONObject]] = {}
        self.count = 0

    def repeated(
        self, channel_id: str, chat_type: str, chat_id: str, request_id: str | None
    ) -> JSONObject | None:
        """The message that this requestId has already written into this chat, if any."""
        return self._by_request.get((channel_id, chat_type, chat_id, request_id)) if request_id else None

    def add(self, message: JSONObject) -> JSONObject:
        """
        Keep a new message.

        :param message: complete, with channelId, chatType, chatId and, optionally, requestId; ``id`` is given here.
        """
        self.count += 1
        message = {"id": f"msg-{self.count:08d}", **message}
        self._all.append(message)
        self._by_id[message["id"]] = message
        self._by_chat.setdefault(message["chatId"], deque()).append(message)
        if message.get("requestId"):
            self._by_request[_request_key(message)] = message
        if len(self._all) > self._kept:
            gone = self._all.popleft()
            del self._by_id[gone["id"]]
            self._by_request.pop(_request_key(gone), None)
            of_chat = self._by_chat[gone["chatId"]]
            of_chat.popleft()
            if not of_chat:
                del self._by_chat[gone["chatId"]]
        if self._on_add is not None:
            self._on_add(message)
        return message

    def get(self, message_id: str) -> JSONObject | None:
        """One message by its id."""
        return self._by_id.get(message_id)

    def listing(self, chat_id: str | None = None) -> list[JSONObject]:
        """Messages, oldest first; of one chat if asked."""
        return list(self._all if chat_id is None else self._by_chat.get(chat_id, ()))

    def latest(self, count: int) -> list[JSONObject]:
        """The last messages, oldest first."""
        return list(self._all)[-count:]


def _request_key(message: JSONObject) -> tuple[str, str, str, str]:
    return (message["channelId"], message["chatType"], message["chatId"], message.get("requestId") or "")


class World:
    """
    One Channel Talk.

    :param settings: how it starts.
    :param clock: its time.
    :param outbox: what it tells others goes there.
    """

    def __init__(self, settings: Settings, clock: Clock, outbox: Outbox | None = None) -> None:
        self.clock = clock
        self.outbox = outbox or Outbox()
        self.settings = settings
        self.tokens = TokenBook()
        self.messages = MessageBox(on_add=self._message_added)
        self.scheduler = Scheduler()
        self.app_calls = AppCallLog()
        self.app_answers: dict[tuple[str, str], JSONObject] = {}
        self.apps: dict[str, App] = {}
        self.by_secret: dict[str, App] = {}
        self.strangers: dict[str, FixedWindow] = {}
        self.channels: dict[str, Channel] = {}
        self.webhooks: dict[str, Webhook] = {}
        self._ids: dict[str, int] = {}
        self.apply(settings, rebuild_apps=True, rebuild_channels=True, rebuild_webhooks=True)

    def _message_added(self, message: JSONObject) -> None:
        """A message changes its user chat, and is announced."""
        if message["chatType"] == "userChat" and (channel := self.channels.get(message["channelId"])):
            chat = channel.user_chats.get(message["chatId"])
            if chat is not None:
                chat.update(updatedAt=message["createdAt"], version=chat["version"] + 1)
        announce_message(self, message)

    def apply(
        self,
        settings: Settings,
        *,
        rebuild_apps: bool = False,
        rebuild_channels: bool = False,
        rebuild_webhooks: bool = False,
    ) -> None:
        """
        Go on under other settings; windows and tokens live on.

        :param settings: the new ones.
        :param rebuild_apps: take the apps from them too.
        :param rebuild_channels: take the channels and their data from them too.
        :param rebuild_webhooks: take the webhooks from them too; none of them is blocked.
        """
        generates_anew = rebuild_channels or any(
            getattr(settings, name) != getattr(self.settings, name) for name in _GENERATION
        )
        self.settings = settings
        now = self.clock.now()
        if rebuild_channels:
            self.channels = {item["id"]: Channel.build(item, now) for item in settings.channels}
        if generates_anew:
            for channel in list(self.channels.values())[:1]:
                channel.generate(settings, now)
        if rebuild_apps:
            self.apps = {item["app_id"]: self._build_app(item) for item in settings.apps}
            self.by_secret = {app.secret: app for app in self.apps.values()}
        if rebuild_webhooks:
            self.webhooks = {item["name"]: Webhook.build(item) for item in settings.webhooks}
            for name in self.webhooks:
                self.outbox.unblock(name)
        self.outbox.first_pause_seconds = settings.webhook_retry_seconds
        self.outbox.blocks_after = settings.webhook_failures_until_blocked
        self.tokens.life_seconds = settings.token_life_seconds
        self.tokens.refresh_life_seconds = settings.refresh_token_life_seconds
        self.tokens.prefix = settings.token_prefix
        for window in (*(app.quota for app in self.apps.values()), *self.strangers.values()):
            self._tune_quota(window)
        for app in self.apps.values():
            app.rate.limit = settings.rate_limit or 0
            app.rate.window_seconds = settings.rate_limit_window_seconds

    def add_user_chat(self, channel: Channel, user_id: str, stamp: int, **more: JSON) -> JSONObject:
        """
        Open a new user chat.

        :param user_id: of a user of the channel.
        :param stamp: epoch milliseconds.
        :param more: further fields.
        """
        chat: JSONObject = {
            "id": self.new_id("chat"),
            "channelId": channel.id,
            "userId": user_id,
            "createdAt": stamp,
            **new_chat_fields(stamp),
            **more,
        }
        channel.user_chats[chat["id"]] = chat
        announce_opened(self, channel, chat)
        return chat

    def _build_app(self, given: JSONObject) -> App:
        permissions, channels = given.get("permissions"), given.get("channels")
        secret = given.get("secret") or (DEMO_SECRET if given["app_id"] == DEMO_APP_ID else new_secret())
        return App(
            app_id=given["app_id"],
            secret=secret,
            permissions=None if permissions is None else frozenset(permissions),
            channels=None if channels is None else frozenset(channels),
            function_endpoint=endpoint_of(given),
            quota=self._tune_quota(FixedWindow(10, 1800)),
            rate=FixedWindow(0, 60),
        )

    def _tune_quota(self, window: FixedWindow) -> FixedWindow:
        settings = self.settings
        window.limit, window.window_seconds = settings.quota_limit, settings.quota_window_seconds
        window.anchor, window.counts_refused = settings.quota_anchor, settings.quota_counts_refused
        return window

    def stranger_quota(self, name: str) -> FixedWindow:
        """The window of a caller whose secret belongs to no app; ``name`` is the secret's fingerprint."""
        if name not in self.strangers:
            if len(self.strangers) >= 1_000:
                self.strangers.pop(next(iter(self.strangers)))
            self.strangers[name] = self._tune_quota(FixedWindow(10, 1800))
        return self.strangers[name]

    def app_with_secret(self, secret: str) -> App | None:
        """The app whose current secret this is."""
        return self.by_secret.get(secret)

    def app_with_old_secret(self, secret: str) -> App | None:
        """The app whose secret this was once."""
        return next((app for app in self.apps.values() if secret in app.old_secrets), None)

    def reissue_secret(self, app_id: str) -> str:
        """
        Give an app a new secret; the old one is refused from now on, tokens live on.

        :param app_id: which app.
        :raises ValueError: no such app.
        """
        app = self.apps.get(app_id)
        if app is None:
            raise ValueError(f"no app {app_id!r}")
        app.old_secrets.add(app.secret)
        self.by_secret.pop(app.secret, None)
        app.secret = new_secret()
        self.by_secret[app.secret] = app
        return app.secret

    def new_id(self, kind: str) -> str:
        """The next id of a kind: ``user-new-1``, ``user-new-2``, …"""
        self._ids[kind] = self._ids.get(kind, 0) + 1
        return f"{kind}-new-{self._ids[kind]}"
