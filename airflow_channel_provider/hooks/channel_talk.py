"""The hook of Channel Talk.

A hook looks up its connection once, opens nothing until the first call, and shares its token with every other hook of
the same app on every worker. It connects settings, token manager, client and retry policy; each of them decides its own
matter. A call is prepared (:func:`.prepared_call.prepare`), then sent.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from airflow_channel_provider import configuration, metrics, request_ids
from airflow_channel_provider.connection_form import CHANNEL_TALK_FORM, ConnectionForm
from airflow_channel_provider.connections import ChannelTalkSettings
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.hooks._base import (
    CONNECTION_TEST,
    TEST_WAIT_SECONDS,
    ServiceHook,
    naming_connection,
    opened_once,
)
from airflow_channel_provider.ids import as_text, optional_id, required_id
from airflow_channel_provider.masking import mask_secret, mask_tokens_in
from airflow_channel_provider.prepared_call import (
    WAY_OUT,
    NewRequestId,
    PreparedCall,
    as_mapping,
    described,
    prepare,
)

if TYPE_CHECKING:
    from airflow_channel_provider.api.client import ChannelTalkClient
    from airflow_channel_provider.contract.shapes import Violation
    from airflow_channel_provider.hooks._paging import Pages
    from airflow_channel_provider.hooks._tokens import TokenUser
    from airflow_channel_provider.tokens.manager import TokenManager

__all__ = ["ChannelTalkHook"]

log = logging.getLogger(__name__)


class RateLimiter(Protocol):
    """Paces the requests of several threads."""

    def acquire(self) -> None:
        """Wait until a request may be sent."""

    def sleep(self, seconds: float) -> None:
        """Wait for a while."""


class ChannelTalkHook(ServiceHook):
    """
    Calls native functions and app functions of Channel Talk.

    :param channel_talk_conn_id: connection of the type ``channel_talk``.
    :param call_attempts: maximum number of attempts for one call, including the first; default: the option
        ``[channel_talk] call_attempts``. An attempt whose token was refused has done nothing and does not count.
    :param max_wait_seconds: longest single wait for a token or a rate limit inside a call, in seconds; default:
        the option ``[channel_talk] max_wait_seconds``.
    :param contract: ``strict``: a call that breaks the vendor's published contract is not sent; ``off``: it is sent
        all the same, in case the service has moved on; default: the option ``[channel_talk] contract``.
    :param caller: who uses the hook, shown beside each token request; default: the running task.
    :param rate_limiter: paces the requests where several threads share the hook. A rate limit is then raised at once,
        since the limiter waits for all of them, and repetitions are logged at level DEBUG.
    """

    conn_name_attr: ClassVar[str] = "channel_talk_conn_id"
    default_conn_name: ClassVar[str] = "channel_talk_default"
    conn_type: ClassVar[str] = CHANNEL_TALK_FORM.conn_type
    hook_name: ClassVar[str] = CHANNEL_TALK_FORM.hook_name
    form: ClassVar[ConnectionForm] = CHANNEL_TALK_FORM
    opened: ClassVar[tuple[str, ...]] = ("client", "manager", "_token_user", "_enforces_contract")

    def __init__(
        self,
        channel_talk_conn_id: str = "channel_talk_default",
        *,
        call_attempts: int | None = None,
        max_wait_seconds: float | None = None,
        contract: str | None = None,
        caller: str | None = None,
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        super().__init__(call_attempts=call_attempts, max_wait_seconds=max_wait_seconds)
        self.caller = caller
        self.channel_talk_conn_id = channel_talk_conn_id
        self.contract = contract
        self._rate_limiter = rate_limiter
        if rate_limiter is not None:
            self._sleep = rate_limiter.sleep
            self._repeats_rate_limited = False
            self._repetition_log_level = logging.DEBUG

    @opened_once
    def settings(self) -> ChannelTalkSettings:
        """
        The connection, looked up once; its secret is masked.

        :raises ChannelConfigurationError: a field of the connection is missing or invalid.
        :raises ChannelError: Airflow finds no such connection.
        """
        settings = ChannelTalkSettings.from_connection(self._find_connection())
        mask_secret(settings.secret)
        return settings

    @opened_once
    def client(self) -> ChannelTalkClient:
        """The client, without a token of its own."""
        from airflow_channel_provider.api.client import ChannelTalkClient

        return ChannelTalkClient(self._transport)

    @opened_once
    def manager(self) -> TokenManager:
        """The manager of the tokens that all tasks share."""
        from airflow_channel_provider.hooks._stores import open_store
        from airflow_channel_provider.hooks._tokens import ClientExchange
        from airflow_channel_provider.tokens.budget import Quota
        from airflow_channel_provider.tokens.manager import TokenManager

        settings = self.settings
        return TokenManager(
            base_url=settings.base_url,
            app_id=settings.app_id,
            secret=settings.secret,
            store=open_store(configuration.store()),
            exchange=ClientExchange(self.client, settings.secret),
            on_secret=mask_secret,
            quota=Quota(configuration.token_quota(), configuration.token_quota_window_seconds()),
            label=f"Connection {settings.conn_id!r}",
            on_event=metrics.token_event,
            connection=self._known_conn_id(),
            asked_by=self._caller,
        )

    @opened_once
    def _token_user(self) -> TokenUser:
        from airflow_channel_provider.hooks._tokens import TokenUser

        return TokenUser(
            self.manager,
            wait_seconds=self.max_wait_seconds,
            sleep=self._sleep,
            on_repeat=metrics.call_repeated,
        )

    @opened_once
    def _enforces_contract(self) -> bool:
        return configuration.contract(self.contract) == "strict"

    def get_conn(self) -> ChannelTalkClient:
        """Return the client underneath; its calls take a token from :meth:`get_access_token`."""
        return self.client

    def get_access_token(self, channel_id: str | None = None) -> str:
        """
        Return a live access token. It is masked in logs; keep it out of XComs and templates.

        :param channel_id: the channel; default: the connection's, and without one the app token.
        :raises ChannelTokenQuotaError: no token is left in the present window.
        :raises ChannelAuthenticationError: the App Secret was refused.
        """
        channel = optional_id("channel_id", channel_id) or self.settings.channel_id
        with naming_connection(self.channel_talk_conn_id):
            return self.manager.get(channel, wait_seconds=self.max_wait_seconds).access_token

    def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        channel_id: str | None = None,
        deduplicate: bool = True,
    ) -> Any:
        """
        Call a native function.

        ``channelId`` and ``appId`` are filled in where the function needs them and ``params`` lacks them. A message
        gets a ``dto.requestId``, so that a repetition is the same message.

        :param method: name of the native function, such as ``getChannel``.
        :param params: its parameters.
        :param channel_id: the channel to act in; default: ``params["channelId"]``, else the connection's.
        :param deduplicate: whether a message without ``dto.requestId`` gets one.
        :return: the result, None where the function has none.
        :raises ChannelConfigurationError: a parameter, the channel or the connection is missing or invalid, or the
            call breaks a certain rule of the vendor's contract, see ``contract``.
        :raises ChannelAmbiguousResultError: a write was sent, and whether it took effect is unknown.
        :raises ChannelRequestError: the service refused.
        """
        request_id = request_ids.for_call if deduplicate else None
        return self.send(self.prepare(method, params, channel_id=channel_id, request_id=request_id))

    def prepare(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        channel_id: str | None = None,
        request_id: NewRequestId = request_ids.for_call,
    ) -> PreparedCall:
        """
        Return a call of a native function as :meth:`send` sends it. Warn once in a task of what breaks an uncertain
        rule of the contract.

        :param method: as for :meth:`call`.
        :param params: as for :meth:`call`.
        :param channel_id: as for :meth:`call`.
        :param request_id: for a message that has none: an id that each try of the task sends, or a function of method
            and parameters that makes one; None: it is sent without one.
        :raises ChannelConfigurationError: as for :meth:`call`.
        """
        call = prepare(
            method,
            params,
            settings=self.settings,
            channel_id=channel_id,
            request_id=request_id,
            enforce_contract=self._enforces_contract,
        )
        warn_once(call)
        return call

    def send(self, call: PreparedCall) -> Any:
        """
        Send a call of a native function, and again where that is safe.

        :param call: from :meth:`prepare`.
        :return: the result, None where the function has none.
        :raises ChannelError: as for :meth:`call`.
        """
        return self._run(
            call,
            lambda token: mask_tokens_in(
                self.client.call_native(call.method, call.params or None, access_token=token)
            ),
        )

    def iterate(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        channel_id: str | None = None,
        page_size: int | None = None,
        limit: int | None = None,
        items_field: str | None = None,
    ) -> Iterator[Any]:
        """
        Yield the items of a list-like function, page by page, to the end of the list.

        :param method: name of the native function, such as ``searchManagers``.
        :param params: its parameters; ``pagination.sortOrder`` (default: ascending) and ``pagination.since`` are kept.
        :param channel_id: as for :meth:`call`.
        :param page_size: items in one request, at most 500; default: the maximum.
        :param limit: maximum number of items; default: all.
        :param items_field: the field of the result that holds the items; default: what is known of the function.
        :raises ChannelConfigurationError: the function is no list, or an argument is invalid; raised at once.
        :raises ChannelResponseError: an answer is no page, or the pages repeat.
        :raises ChannelError: as for :meth:`call`.
        """
        from airflow_channel_provider.hooks._paging import MAX_PAGE_SIZE, Pages, listing_of

        if isinstance(page_size, int) and page_size > MAX_PAGE_SIZE and self._enforces_contract:
            raise ChannelConfigurationError(
                f"{method}: page_size must be from 1 to {MAX_PAGE_SIZE}. {WAY_OUT}", method=method
            )
        pages = Pages(
            lambda page_params: self.call(method, page_params, channel_id=channel_id),
            method,
            listing_of(method, items_field),
            as_mapping(method, params),
            page_size=page_size,
            limit=limit,
        )
        return self._items(pages)

    def _items(self, pages: Pages) -> Iterator[Any]:
        with naming_connection(self.channel_talk_conn_id):
            yield from pages.items()

    def call_app_function(
        self,
        app_id: str,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        context: Mapping[str, Any] | None = None,
        channel_id: str | None = None,
        system_version: str | None = None,
    ) -> Any:
        """
        Call a function that an app offers through the App Store. What it does is not known, so it is never repeated
        after an unclear outcome.

        :param app_id: the app whose function it is.
        :param method: name of the function.
        :param params: its parameters.
        :param context: the function's ``context``: on whose behalf it acts; default: the channel, where there is one.
        :param channel_id: the channel to act in; default: the connection's, and without one the app token is used.
        :param system_version: which version of the function is meant, such as ``v1``; default: as the service has it.
        :return: the result.
        :raises ChannelError: as for :meth:`call`.
        """
        from airflow_channel_provider.contract.model import RetryClass

        given, app = as_mapping(method, params), required_id("app_id", app_id, "the App ID of the app")
        channel = optional_id("channel_id", channel_id) or self.settings.channel_id

        if context is None:
            context = {"channel": {"id": channel}} if channel else {}

        def send(token: str) -> Any:
            return self.client.call_app_function(
                app,
                method,
                given,
                access_token=token,
                context=context,
                system_version=as_text(system_version),
            )

        return self._run(PreparedCall(method, RetryClass.UNSAFE, given, channel), send)

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
        """Get a token and try it. Costs a token request only if no valid one is stored."""
        from airflow_channel_provider.hooks._connection_test import ConnectionTest
        from airflow_channel_provider.hooks._tokens import TokenUser
        from airflow_channel_provider.inbound_connections import EndpointSettings

        EndpointSettings.from_connection(self._find_connection())
        self.caller = self.caller or CONNECTION_TEST
        wait_seconds = min(TEST_WAIT_SECONDS, self.max_wait_seconds)
        user = TokenUser(self.manager, wait_seconds=wait_seconds, sleep=self._sleep)
        return ConnectionTest(self.settings, self.manager, self.client, user, wait_seconds).run()

    def _run(self, call: PreparedCall, send: Callable[[str], Any]) -> Any:
        def send_once(token: str) -> Any:
            if self._rate_limiter is not None:
                self._rate_limiter.acquire()
            return send(token)

        with naming_connection(self.channel_talk_conn_id), metrics.timed_call(call.method):
            return self._policy.run(call, lambda: self._token_user.send(call.channel_id, send_once))


class _Warned:
    """Which uncertain rules of the contract the present task was warned of; starts anew with another task."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._task: object = None
        self._rules: set[tuple[str, str, str]] = set()

    def new(self, call: PreparedCall) -> Sequence[Violation]:
        """Return the broken rules that the task was not warned of before."""
        task = request_ids.current_task()
        new: list[Violation] = []
        with self._lock:
            if task != self._task:
                self._task, self._rules = task, set()
            for violation in call.warnings:
                rule = (call.method, violation.rule.kind, re.sub(r"\[\d+\]", "[]", violation.path))
                if rule not in self._rules:
                    self._rules.add(rule)
                    new.append(violation)
        return new


_warned = _Warned()


def warn_once(call: PreparedCall) -> None:
    """Warn of each uncertain rule of the contract that a call breaks, once in a task."""
    if call.warnings and (new := _warned.new(call)):
        log.warning(
            "%s: %s. It is sent all the same, since nothing is known to check that.",
            call.method,
            described(new),
        )
