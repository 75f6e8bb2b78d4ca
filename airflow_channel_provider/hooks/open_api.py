"""The hook to Open API v5, which reads what native functions can't: lists of chats, their messages, events and calls.

It has a connection type of its own, since it authenticates with a pair of keys of one channel. It needs no token and
spends nothing of the token quota. Each channel has a rate limit; all tasks of the channel slow down before it is
reached.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_channel_provider import configuration, metrics
from airflow_channel_provider.connection_form import OPEN_API_FORM, ConnectionForm
from airflow_channel_provider.connections import OpenApiSettings
from airflow_channel_provider.exceptions import (
    ChannelConfigurationError,
    ChannelRateLimitError,
    ChannelResponseError,
)
from airflow_channel_provider.hooks._base import ServiceHook, naming_connection, opened_once
from airflow_channel_provider.ids import required_id
from airflow_channel_provider.masking import mask_credential
from airflow_channel_provider.prepared_call import PreparedCall, identified
from airflow_channel_provider.request_ids import for_call

if TYPE_CHECKING:
    from airflow_channel_provider.api.open_api import OpenApiClient
    from airflow_channel_provider.contract.model import RetryClass
    from airflow_channel_provider.hooks._pace import SharedPace
    from airflow_channel_provider.hooks._paging import Page, Pages

__all__ = ["ChannelTalkOpenApiHook"]

STREAMS: Mapping[str, str] = {
    "user_chats": "/user-chats",
    "messages": "/user-chats/{userChatId}/messages",
    "chats_of_user": "/users/{userId}/user-chats",
    "user_events": "/users/{userId}/events",
    "managers": "/managers",
    "groups": "/groups",
    "group_messages": "/groups/{groupId}/messages",
    "bots": "/bots",
    "chat_tags": "/chat-tags",
    "webhooks": "/webhooks",
}
"""Short names of lists; any other list is named by its path."""


class ChannelTalkOpenApiHook(ServiceHook):
    """
    Reads and writes through Open API v5 of Channel Talk.

    :param channel_talk_open_api_conn_id: connection of the type ``channel_talk_open_api``.
    :param call_attempts: maximum number of attempts of one call, including the first; default: the option
        ``[channel_talk] call_attempts``.
    :param max_wait_seconds: longest single wait for the rate limit inside the task, in seconds; default: the option
        ``[channel_talk] max_wait_seconds``.
    """

    conn_name_attr: ClassVar[str] = "channel_talk_open_api_conn_id"
    default_conn_name: ClassVar[str] = "channel_talk_open_api_default"
    conn_type: ClassVar[str] = OPEN_API_FORM.conn_type
    hook_name: ClassVar[str] = OPEN_API_FORM.hook_name
    form: ClassVar[ConnectionForm] = OPEN_API_FORM
    opened: ClassVar[tuple[str, ...]] = ("client", "_pace")

    def __init__(
        self,
        channel_talk_open_api_conn_id: str = "channel_talk_open_api_default",
        *,
        call_attempts: int | None = None,
        max_wait_seconds: float | None = None,
    ) -> None:
        super().__init__(call_attempts=call_attempts, max_wait_seconds=max_wait_seconds)
        self.channel_talk_open_api_conn_id = channel_talk_open_api_conn_id

    @opened_once
    def settings(self) -> OpenApiSettings:
        """
        The connection, looked up once; both keys are masked.

        :raises ChannelConfigurationError: a field of the connection is missing or invalid.
        :raises ChannelError: Airflow finds no such connection.
        """
        settings = OpenApiSettings.from_connection(self._find_connection())
        for secret in (settings.access_key, settings.access_secret):
            mask_credential(secret)
        return settings

    @opened_once
    def client(self) -> OpenApiClient:
        """The client underneath."""
        from airflow_channel_provider.api.open_api import OpenApiClient

        settings = self.settings
        try:
            return OpenApiClient(
                self._transport, access_key=settings.access_key, access_secret=settings.access_secret
            )
        except ChannelConfigurationError as error:
            raise ChannelConfigurationError(f"Connection {settings.conn_id!r}: {error.message}") from None

    @opened_once
    def _pace(self) -> SharedPace:
        from airflow_channel_provider.hooks._pace import shared_pace
        from airflow_channel_provider.hooks._stores import open_store

        settings = self.settings
        store = open_store(configuration.store(), for_tokens=False)
        return shared_pace(store, settings.base_url, settings.access_key)

    def close(self) -> None:
        """Close the connections to the service, and leave to others what this task has taken of the rate limit."""
        if (pace := self.__dict__.get("_pace")) is not None:
            pace.rest()
        super().close()

    def get_conn(self) -> OpenApiClient:
        """Return the client underneath; it sends each request once."""
        return self.client

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """
        Read.

        :param path: below ``/open/v5``, such as ``/user-chats/6459...``.
        :param params: query parameters.
        :return: the answer.
        :raises ChannelError: as for :meth:`request`.
        """
        return self.request("GET", path, params=params)

    def request(
        self,
        verb: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
    ) -> Any:
        """
        Send one request, and again where that changes nothing.

        Reads are repeated, and writes that leave the same as once. A message without a ``requestId`` gets one, so that
        a repetition is the same message.

        :param verb: GET, POST, PUT, PATCH or DELETE.
        :param path: below ``/open/v5``.
        :param params: query parameters; a list is sent as one parameter an item.
        :param json: the body.
        :return: the answer, None where it is empty; a read whose answer is empty is repeated.
        :raises ChannelConfigurationError: an argument or the connection is invalid; nothing was sent.
        :raises ChannelAmbiguousResultError: a write was sent, and whether it took effect is unknown.
        :raises ChannelRateLimitError: the rate limit is used up, and the wait for it is longer than
            ``max_wait_seconds``.
        :raises ChannelRequestError: the service refused.
        """
        from airflow_channel_provider.api.open_api import VERBS, checked_path
        from airflow_channel_provider.contract.open_api import operation_of
        from airflow_channel_provider.retry import retry_after_seconds

        verb, path = str(verb).upper(), checked_path(path)
        if verb not in VERBS:
            raise ChannelConfigurationError(f"The verb must be one of {', '.join(VERBS)}.")
        for name, value in (("params", params), ("json", json)):
            if value is not None and not isinstance(value, Mapping):
                raise ChannelConfigurationError(f"{name} must be a mapping, not {type(value).__name__}.")
        operation = operation_of(verb, path)
        call = _prepared(f"{verb} {path}", operation.retry, json or {})
        body = None if json is None and call.request_id is None else call.params

        def send() -> Any:
            self._pace.acquire(most_wait_seconds=self._policy.max_wait_seconds, sleep=self._sleep)
            try:
                answer = self.client.request(verb, path, params=params, json=body)
            except ChannelRateLimitError as error:
                self._pace.refused(retry_after_seconds(error, now=time.time()))
                raise
            finally:
                self._pace.note(self.client.rate_limit)
            if answer is None and verb == "GET":
                # Taken for a page, it would be the end of a list.
                raise ChannelResponseError(f"GET {path}: the answer is empty.", method=call.method)
            return answer

        # No ids in the name of a metric.
        timed = metrics.timed_call(f"{verb} {operation.path}")
        with naming_connection(self.channel_talk_open_api_conn_id), timed:
            return self._policy.run(call, send)

    def iterate(
        self,
        stream: str,
        *,
        limit: int | None = None,
        page_size: int | None = None,
        items_field: str | None = None,
        **filters: Any,
    ) -> Iterator[Any]:
        """
        Yield the items of a list, page by page, to its end.

        :param stream: a name of :data:`STREAMS`, such as ``user_chats``, or the path of a list.
        :param limit: maximum number of items; default: all.
        :param page_size: items in one request, at most 500; default: 500.
        :param items_field: the field of the answer that holds the items; default: what is known of the list.
        :param filters: what the path of the stream needs (``user_chat_id``, ``user_id``, ``group_id``), and query
            parameters such as ``state`` and ``sortOrder``.
        :raises ChannelConfigurationError: no such list, or an argument is missing or invalid; raised at once.
        :raises ChannelResponseError: an answer is no page, or the pages repeat.
        :raises ChannelError: as for :meth:`request`.
        """
        pages = self._pages_of(stream, filters, limit=limit, page_size=page_size, items_field=items_field)
        return self._items(pages)

    def pages(self, stream: str, *, since: object = None, **filters: Any) -> Iterator[Page]:
        """
        Yield the pages of a list, each with all of its answer.

        :param stream: as for :meth:`iterate`.
        :param since: the cursor of the page to begin with; None: the first.
        :param filters: as for :meth:`iterate`.
        :raises ChannelError: as for :meth:`iterate`.
        """
        from airflow_channel_provider.hooks._paging import ends_of

        pages = self._pages_of(stream, filters, mark_of=ends_of)
        with naming_connection(self.channel_talk_open_api_conn_id):
            yield from pages.pages(since)

    def _pages_of(
        self,
        stream: str,
        filters: Mapping[str, Any],
        *,
        page_size: int | None = None,
        items_field: str | None = None,
        **how: Any,
    ) -> Pages:
        from airflow_channel_provider.contract.model import Listing, Paging
        from airflow_channel_provider.contract.open_api import MAX_PAGE_SIZE, find_operation
        from airflow_channel_provider.hooks._paging import Pages

        path, params = _filled(STREAMS.get(stream, stream), filters)
        found = find_operation("GET", path)
        items = items_field or (found[0].items if found else None)
        if items is None:
            raise ChannelConfigurationError(
                f"{stream!r} is not a known list; give one of {', '.join(STREAMS)} or a path, and give "
                "items_field."
            )
        if found and "sortOrder" in found[0].required:
            params.setdefault("sortOrder", "asc")
        is_whole = isinstance(page_size, int) and not isinstance(page_size, bool)
        if page_size is not None and not (is_whole and 1 <= page_size <= MAX_PAGE_SIZE):
            raise ChannelConfigurationError(f"page_size must be a whole number from 1 to {MAX_PAGE_SIZE}.")
        return Pages(
            lambda page_params: self.get(path, page_params),
            f"GET {path}",
            Listing(items, Paging.QUERY),
            params,
            page_size=page_size,
            **how,
        )

    def _items(self, pages: Pages) -> Iterator[Any]:
        with naming_connection(self.channel_talk_open_api_conn_id):
            yield from pages.items()

    # Airflow < 3.2 asks for these two, and overlooks those that a class has inherited.

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return what the connection form hides and renames, for Airflow < 3.2."""
        return cls.form.behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's own fields, for Airflow < 3.2."""
        return cls.form.widgets()

    def _check_connection(self) -> str:
        """Read the channel and say its name."""
        from airflow_channel_provider.api.redaction import quote

        answer = self.get("/channel")
        channel = answer.get("channel") if isinstance(answer, Mapping) else None
        name = channel.get("name") if isinstance(channel, Mapping) else None
        # Whatever name the service returns, it must not show a key.
        keys = (self.settings.access_key, self.settings.access_secret)
        which = (
            f"channel {quote(name, keys)!r}" if isinstance(name, str) and name else "a channel without a name"
        )
        return f"The keys work: {which} at {self.settings.base_url}."


def _prepared(method: str, retry_class: RetryClass, body: Mapping[str, Any]) -> PreparedCall:
    """Return the call as it will be sent; a message gets a request id where it has none."""
    if not retry_class.is_message:
        return PreparedCall(method, retry_class, body)
    body, request_id = identified(body, lambda: for_call(method, body))
    return PreparedCall(method, retry_class, body, request_id=request_id)


def _filled(template: str, filters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Fill a path in; return it with the parameters that are left."""
    from airflow_channel_provider.contract.open_api import fill_path, variables_of

    left, values = dict(filters), {}
    for name in variables_of(template):
        snake = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()
        values[name] = required_id(snake, left.pop(snake, None), f"the id that the list {template} needs")
    return fill_path(template, values), left
