"""
Channel Talk's App Store API: native functions, app functions, tokens. One call is one request.

Nothing is cached, retried or masked here; a token comes in by argument and goes into one header. A token
answer is checked, by :mod:`.native_tokens`, before anybody may store it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote as percent_encode

from airflow_channel_provider.api.envelope import read_native
from airflow_channel_provider.api.json_body import JSON, to_body
from airflow_channel_provider.api.transport import Transport
from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from airflow_channel_provider.api.token_answer import TokenAnswer

_NATIVE_PATH = "/general/v1/native/functions"
_CONTENT_TYPE = {"Content-Type": "application/json"}


class ChannelTalkClient:
    """
    Calls functions. Holds no token, may be shared by threads.

    :param transport: to the service.
    :param now: epoch seconds; only measures resets of rate limits.
    """

    def __init__(self, transport: Transport, *, now: Callable[[], float] = time.time) -> None:
        self._transport = transport
        self._now = now

    def call_native(
        self, method: str, params: Mapping[str, JSON] | None, *, access_token: str | None
    ) -> JSON:
        """
        Call a native function, once.

        :param method: name of the function.
        :param params: complete; None: none are sent.
        :param access_token: None: no token header is sent.
        :return: the result; None where the function has none.
        :raises ChannelConfigurationError: params can't be written as JSON.
        :raises ChannelError: what :meth:`Transport.send` and :func:`read_native` raise.
        """
        return self._call(_NATIVE_PATH, _request(method, params), method, access_token)

    def call_app_function(
        self,
        app_id: str,
        method: str,
        params: Mapping[str, JSON] | None,
        *,
        access_token: str,
        context: Mapping[str, JSON] | None = None,
        system_version: str | None = None,
    ) -> JSON:
        """
        Call a function that an app offers, through the service, once.

        :param app_id: the app that offers it.
        :param method: name of the app's function.
        :param params: complete; None: none are sent.
        :param access_token: the caller's token.
        :param context: of the call (channel, caller), which functions read; None: an empty one.
        :param system_version: of the function; None: as the service has it.
        :return: whatever the app's function returns.
        :raises ChannelConfigurationError: an argument is empty or can't be written as JSON.
        :raises ChannelError: what :meth:`Transport.send` and :func:`read_native` raise.
        """
        path = f"/general/v1/apps/{_app_in_path(app_id, method)}/functions"
        request = {**_request(method, params), "context": dict(context or {})}
        if system_version:
            request["systemVersion"] = system_version
        return self._call(path, request, method, access_token, app_function=True)

    def issue_token(self, secret: str, channel_id: str | None) -> TokenAnswer:
        """
        Exchange the App Secret for a token. Costs one of 10 token requests in 30 minutes.

        :param secret: App Secret.
        :param channel_id: None: the app token.
        :raises ChannelTokenQuotaError: the quota is used up, or the refusal is unexplained.
        :raises ChannelAuthenticationError: the secret was refused.
        :raises ChannelPermissionError: the app is not installed on the channel.
        :raises ChannelResponseError: no valid token in the answer.
        """
        from airflow_channel_provider.api.native_tokens import issued

        params = {"secret": secret} if channel_id is None else {"secret": secret, "channelId": channel_id}
        return issued(self._token_request("issueToken", params, secret, channel_id))

    def refresh_token(self, refresh_token: str) -> TokenAnswer:
        """
        Exchange a refresh token for a new pair. Costs one of 10 token requests in 30 minutes.

        :param refresh_token: of the latest answer; it is to be considered used up by this.
        :raises ChannelTokenQuotaError: the quota is used up, or the refusal is unexplained.
        :raises ChannelAuthenticationError: the refresh token was refused; a server did so by a "success" of
            empty strings.
        :raises ChannelResponseError: no valid token in the answer.
        """
        from airflow_channel_provider.api.native_tokens import refreshed

        return refreshed(self._token_request("refreshToken", {"refreshToken": refresh_token}, refresh_token))

    def _token_request(
        self, method: str, params: Mapping[str, JSON], secret: str, channel_id: str | None = None
    ) -> JSON:
        from airflow_channel_provider.api.token_answer import TOKEN_TIMEOUT_SECONDS

        response = self._transport.send(
            "PUT",
            _NATIVE_PATH,
            body=_encode({"method": method, "params": params}, method),
            headers=_CONTENT_TYPE,
            operation=method,
            total_timeout_seconds=TOKEN_TIMEOUT_SECONDS,
        )
        return read_native(response, method=method, secrets=(secret,), now=self._now(), channel_id=channel_id)

    def _call(
        self,
        path: str,
        request: dict[str, JSON],
        method: str,
        access_token: str | None,
        *,
        app_function: bool = False,
    ) -> JSON:
        headers = _CONTENT_TYPE if access_token is None else {**_CONTENT_TYPE, "x-access-token": access_token}
        response = self._transport.send(
            "PUT", path, body=_encode(request, method), headers=headers, operation=method
        )
        return read_native(
            response,
            method=method,
            secrets=() if access_token is None else (access_token,),
            now=self._now(),
            app_function=app_function,
        )


def _app_in_path(app_id: object, method: str) -> str:
    with contextlib.suppress(UnicodeEncodeError):
        if isinstance(app_id, str) and app_id.strip() not in ("", ".", ".."):
            return percent_encode(app_id, safe="")
    raise ChannelConfigurationError(f"{method}: the app_id is empty or not a valid App ID.", method=method)


def _request(method: str, params: Mapping[str, JSON] | None) -> dict[str, JSON]:
    if not isinstance(method, str) or not method.strip():
        raise ChannelConfigurationError("The name of the function (method) is empty.")
    if params is None:
        return {"method": method}
    if not isinstance(params, Mapping):
        raise ChannelConfigurationError(
            f"{method}: params must be a mapping, not {type(params).__name__}.", method=method
        )
    return {"method": method, "params": dict(params)}


def _encode(request: Mapping[str, JSON], method: str) -> bytes:
    try:
        return to_body(request)
    except (TypeError, ValueError) as error:
        # The encoder's words name types only, no values.
        raise ChannelConfigurationError(
            f"{method}: the arguments can't be written as JSON ({type(error).__name__}). Use texts, finite numbers, "
            "booleans, lists and mappings with text keys.",
            method=method,
        ) from None
