"""What a client of the emulator's control plane lets people and the App Store do; see :class:`EmulatorControl`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject


class AppStoreControl(ABC):
    """What happens between people, the App Store and the apps that serve functions or take webhooks."""

    @abstractmethod
    def _send(self, name: str, body: JSONObject | None = None, query: JSONObject | None = None) -> JSON:
        """Send one request to the control plane."""

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
