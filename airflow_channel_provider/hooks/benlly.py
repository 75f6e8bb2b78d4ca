"""The hook of Benlly.

Whether an authorization may be repeated is not documented. So a request is sent again only if it provably did not
leave, or if its access token was refused, since it did nothing then. The access token is the connection's, or it is
fetched, renewed and shared by all tasks. Every token and credential is masked before anything else can see it,
including the token of a push service and the ``device_token`` of an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_channel_provider import configuration, metrics
from airflow_channel_provider.benlly_connection import BenllyLogin, BenllySettings
from airflow_channel_provider.connection_form import BENLLY_FORM, ConnectionForm
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.hooks._base import (
    CONNECTION_TEST,
    TEST_WAIT_SECONDS,
    ServiceHook,
    naming_connection,
    opened_once,
)
from airflow_channel_provider.masking import mask_credential, mask_secret, mask_tokens_in

if TYPE_CHECKING:
    from airflow_channel_provider.api.benlly import BenllyClient
    from airflow_channel_provider.hooks._tokens import TokenUser
    from airflow_channel_provider.tokens.manager import TokenManager
    from airflow_channel_provider.tokens.stores.base import TokenStore

__all__ = ["BenllyHook"]


class BenllyHook(ServiceHook):
    """
    Authorizes channels of Benlly that do not follow OAuth, and takes that back.

    :param benlly_conn_id: connection of the type ``benlly``.
    :param call_attempts: maximum number of attempts for a request that does not leave, including the first; default:
        the option ``[channel_talk] call_attempts``.
    :param max_wait_seconds: longest single wait inside a request, such as for an access token that another task
        fetches, in seconds; default: the option ``[channel_talk] max_wait_seconds``.
    :param caller: who uses the hook, shown beside each token request; default: the running task.
    """

    conn_name_attr: ClassVar[str] = "benlly_conn_id"
    default_conn_name: ClassVar[str] = "benlly_default"
    conn_type: ClassVar[str] = BENLLY_FORM.conn_type
    hook_name: ClassVar[str] = BENLLY_FORM.hook_name
    form: ClassVar[ConnectionForm] = BENLLY_FORM
    opened: ClassVar[tuple[str, ...]] = ("client", "manager", "_token_user")

    _repeats_rate_limited = False

    def __init__(
        self,
        benlly_conn_id: str = "benlly_default",
        *,
        call_attempts: int | None = None,
        max_wait_seconds: float | None = None,
        caller: str | None = None,
    ) -> None:
        super().__init__(call_attempts=call_attempts, max_wait_seconds=max_wait_seconds)
        self.caller = caller
        self.benlly_conn_id = benlly_conn_id

    @opened_once
    def settings(self) -> BenllySettings:
        """
        The connection, looked up once; its secrets are masked.

        :raises ChannelConfigurationError: a field of the connection is missing or invalid.
        :raises ChannelError: Airflow finds no such connection.
        """
        settings = BenllySettings.from_connection(self._find_connection())
        for secret in settings.login.secrets if settings.login else (settings.access_token or "",):
            mask_credential(secret)
        return settings

    @opened_once
    def client(self) -> BenllyClient:
        """The client for the device of the connection, without a token of its own."""
        from airflow_channel_provider.api.benlly import BenllyClient, checked_token

        settings = self.settings
        try:
            if settings.login is None:
                checked_token(settings.access_token)
            return BenllyClient(
                self._transport,
                device=settings.device,
                udid=settings.udid,
                body_encoding=settings.body_encoding,
            )
        except ChannelConfigurationError as error:
            raise ChannelConfigurationError(f"Connection {settings.conn_id!r}: {error.message}") from None

    @opened_once
    def manager(self) -> TokenManager:
        """
        Hands out the access tokens that all tasks of the same user share.

        :raises ChannelConfigurationError: the connection has an access token of its own, or the store can't keep one.
        """
        from airflow_channel_provider.api.benlly_oauth import BenllyOAuthClient
        from airflow_channel_provider.hooks import _benlly_tokens
        from airflow_channel_provider.tokens.budget import Quota
        from airflow_channel_provider.tokens.manager import TokenManager
        from airflow_channel_provider.tokens.types import BENLLY

        settings, login = self.settings, self._login()
        client = BenllyOAuthClient(
            self._transport,
            client_id=login.client_id,
            client_secret=login.client_secret,
            body_encoding=settings.body_encoding,
        )
        return TokenManager(
            base_url=settings.base_url,
            app_id=_benlly_tokens.name_of(login),
            secret=_benlly_tokens.secret_of(login),
            store=self._store(),
            exchange=_benlly_tokens.LoginExchange(client, login),
            on_secret=mask_secret,
            quota=Quota.unlimited(),
            service=BENLLY,
            label=f"Connection {settings.conn_id!r}",
            on_event=metrics.token_event,
            connection=self._known_conn_id(),
            asked_by=self._caller,
        )

    def _login(self) -> BenllyLogin:
        settings = self.settings
        if settings.login is None:
            raise ChannelConfigurationError(
                f"Connection {settings.conn_id!r} has an access token as its password, so that none is fetched."
            )
        return settings.login

    def _store(self) -> TokenStore:
        from airflow_channel_provider.hooks._stores import open_store

        return open_store(configuration.store())

    @opened_once
    def _token_user(self) -> TokenUser:
        from airflow_channel_provider.hooks._tokens import TokenUser
        from airflow_channel_provider.tokens.types import BENLLY

        return TokenUser(
            self.manager,
            wait_seconds=self.max_wait_seconds,
            sleep=self._sleep,
            on_repeat=metrics.call_repeated,
            advice=BENLLY.advice,
        )

    def get_conn(self) -> BenllyClient:
        """Return the client underneath; its calls take a token from :meth:`get_access_token`."""
        return self.client

    def get_access_token(self) -> str:
        """
        Return the user's access token: the connection's, or a live one that all tasks share. It is masked in logs;
        keep it out of XComs and templates.

        :raises ChannelAuthenticationError: the client or the user was refused.
        :raises ChannelNotSentError: there is no token for now.
        """
        if (access_token := self.settings.access_token) is not None:
            return access_token
        with naming_connection(self.benlly_conn_id):
            return self.manager.get(wait_seconds=self.max_wait_seconds).access_token

    def authorize_channel(self, channel_id: int | str, *, token: str | None = None) -> dict[str, Any]:
        """
        Permit the interaction with a channel.

        :param channel_id: id of the channel, a whole number.
        :param token: access token of the push service; for a channel whose ``auth_type`` is ``push_notification``.
        :return: the ``data`` object of the answer. For a push channel it holds the secret ``device_token``.
        :raises ChannelConfigurationError: the channel id is no whole number, or the connection is invalid.
        :raises ChannelAmbiguousResultError: the request was sent, and whether it took effect is unknown.
        :raises ChannelRequestError: the service refused.
        """
        from airflow_channel_provider.api.benlly import checked_id

        act = self._authorization(token or None)
        # An error finds this frame still running, so that the token may not stay in it; see _tracebacks.
        del token
        number = checked_id(channel_id)
        return self._carry_through("authorize", lambda access_token: act(number, access_token))

    def _authorization(self, token: str | None) -> Callable[[int, str], dict[str, Any]]:
        if token:
            mask_credential(token)
        return lambda number, access_token: self.client.authorize_channel(
            number, access_token=access_token, token=token
        )

    def deauthorize_channel(self, channel_id: int | str) -> dict[str, Any]:
        """
        Take the permission to interact with a channel back.

        :param channel_id: id of the channel, a whole number.
        :return: the ``data`` object of the answer, empty where it has none: what it holds is documented nowhere.
        :raises ChannelError: as for :meth:`authorize_channel`.
        """
        from airflow_channel_provider.api.benlly import checked_id

        number = checked_id(channel_id)
        return self._carry_through(
            "deauthorize",
            lambda access_token: self.client.deauthorize_channel(number, access_token=access_token),
        )

    def _carry_through(self, operation: str, act: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        from airflow_channel_provider.contract.model import RetryClass
        from airflow_channel_provider.prepared_call import PreparedCall

        def send(access_token: str) -> dict[str, Any]:
            return mask_tokens_in(act(access_token))

        call = PreparedCall(operation, RetryClass.UNSAFE)
        with naming_connection(self.benlly_conn_id):
            return self._policy.run(call, lambda: self._with_token(send))

    def _with_token(self, send: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        if (access_token := self.settings.access_token) is not None:
            return send(access_token)
        return self._token_user.send(None, send)

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
        """Check the connection's fields, that its host answers, and that it takes or gives an access token."""
        access_token = self.settings.access_token
        if access_token is None:
            return self._check_login()
        accepted, status = self.client.accepts_token(access_token)
        url = self.settings.base_url
        read = f"a read that changes nothing was answered with HTTP {status}"
        if accepted:
            return f"The fields are complete, and {url} accepts the access token: {read}."
        return (
            f"The fields are complete and {url} answers, but whether it accepts the access token is unknown: {read}, "
            "and the first authorization will show it."
        )

    def _check_login(self) -> str:
        """Get a token. Costs a request only where no live one is stored."""
        self.caller = self.caller or CONNECTION_TEST
        found = self.manager.peek()
        wait_seconds = min(TEST_WAIT_SECONDS, self.max_wait_seconds)
        # Whoever tests has probably corrected something since the refusal that all tasks remember.
        token = found or self.manager.get(wait_seconds=wait_seconds, ask_again=True)
        how = "An access token that is already shared is live" if found else "Benlly gave an access token"
        return (
            f"{how}: client {self._login().client_id} at {self.settings.base_url}, "
            f"{self.manager.age_seconds(token):.0f} s old, valid for another "
            f"{self.manager.remaining_seconds(token) / 86_400:.1f} days."
        )
