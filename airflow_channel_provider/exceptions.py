"""Every error of the provider, in one tree.

::

    ChannelError
    ├── ChannelConfigurationError     the connection or an argument is wrong; nothing was sent
    ├── ChannelNotSentError           provably not sent (DNS, connect, TLS, no token): safe to repeat
    ├── ChannelAmbiguousResultError   sent, no usable answer: the effect may have happened
    ├── ChannelResponseError          an answer that is no valid envelope
    ├── ChannelTooManyFailuresError   more items of a bulk task failed than it allows
    └── ChannelRequestError           the service refused: method, http_status, code, type, message
        ├── ChannelAuthenticationError  secret, token or refresh token refused
        ├── ChannelPermissionError      the function is not among the app's permissions, or the app is not installed
        └── ChannelRateLimitError       retry_at (aware UTC)
            └── ChannelTokenQuotaError    the 10 token requests in 30 minutes

Each is an ``AirflowException``. Messages name the connection, the field and the remedy, never a secret or a token.
All of them survive pickling, since Airflow carries exceptions between processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from airflow.providers.common.compat.sdk import AirflowException

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "ChannelAmbiguousResultError",
    "ChannelAuthenticationError",
    "ChannelConfigurationError",
    "ChannelError",
    "ChannelNotSentError",
    "ChannelPermissionError",
    "ChannelRateLimitError",
    "ChannelRequestError",
    "ChannelResponseError",
    "ChannelTokenQuotaError",
    "ChannelTooManyFailuresError",
]


_E = TypeVar("_E", bound="ChannelError")


class ChannelError(AirflowException):
    """
    Anything this provider raises.

    :param message: what happened and what to do about it; free of secrets.
    :param method: the native function, app function or endpoint that was called, where there was one.
    :param http_status: HTTP status of the answer; for an error that the service proxied, the status that it found
        upstream, and 502 where it does not say what it found. None where there was no answer.

    :ivar waited_out: an operator has waited for this to pass as long as it may; its task need not be tried again.
    """

    def __init__(
        self, message: str = "", *, method: str | None = None, http_status: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.method = method
        self.http_status = http_status
        self.waited_out = False

    def add_context(self: _E, *, before: str = "", after: str = "") -> _E:
        """
        Add text to the message, and return the error itself.

        The one way to do so: ``str(error)``, ``error.message`` and a pickled copy stay the same text.

        :param before: put in front of the message, such as the connection that the caller used.
        :param after: put behind it, such as what was tried before.
        """
        self.message = " ".join(filter(None, (before, self.message, after)))
        self.args = (self.message, *self.args[1:])
        return self


class ChannelConfigurationError(ChannelError):
    """The connection, an option or an argument is wrong. Nothing was sent; repeating it unchanged is useless."""


class ChannelNotSentError(ChannelError):
    """
    The request provably did not leave: no name, no route, no TLS, or no token to send it with. Safe to repeat.

    :param retry_at: when a repetition has a chance (aware UTC), where that is known.
    """

    def __init__(
        self,
        message: str = "",
        *,
        method: str | None = None,
        http_status: int | None = None,
        retry_at: datetime | None = None,
    ) -> None:
        super().__init__(message, method=method, http_status=http_status)
        self.retry_at = retry_at


class ChannelAmbiguousResultError(ChannelError):
    """
    The request was sent and no usable answer came: its effect may have happened. Never repeated blindly.

    :param safe_to_repeat: repeating it changes nothing: it is a read, an idempotent write, or a message whose request
        id is the same in the next try of the task.
    """

    def __init__(
        self,
        message: str = "",
        *,
        method: str | None = None,
        http_status: int | None = None,
        safe_to_repeat: bool = False,
    ) -> None:
        super().__init__(message, method=method, http_status=http_status)
        self.safe_to_repeat = safe_to_repeat


class ChannelResponseError(ChannelError):
    """
    The answer is no valid envelope: HTML, truncated JSON, an empty body, a redirect, too large.

    :param too_large: the same call would be answered with as much again.
    :param from_intermediary: the answer is of a form that the service never gives, so a proxy, a gateway or a login
        page may have given it; the message says so.
    """

    def __init__(
        self,
        message: str = "",
        *,
        method: str | None = None,
        http_status: int | None = None,
        too_large: bool = False,
        from_intermediary: bool = False,
    ) -> None:
        super().__init__(message, method=method, http_status=http_status)
        self.too_large = too_large
        self.from_intermediary = from_intermediary


class ChannelTooManyFailuresError(ChannelError):
    """More items of a bulk task, or of an extraction, failed than ``max_failures`` allows. It stops there."""


class ChannelRequestError(ChannelError):
    """
    The service answered with a refusal.

    :param code: the ``code`` of the error envelope, where it has one.
    :param error_type: the ``type`` of the error envelope, where it has one.
    :param service_message: the service's own words, secrets removed.
    """

    def __init__(
        self,
        message: str = "",
        *,
        method: str | None = None,
        http_status: int | None = None,
        code: int | str | None = None,
        error_type: str | None = None,
        service_message: str | None = None,
    ) -> None:
        super().__init__(message, method=method, http_status=http_status)
        self.code = code
        self.error_type = error_type
        self.service_message = service_message


class ChannelAuthenticationError(ChannelRequestError):
    """The App Secret, the login, the token or the refresh token was refused."""


class ChannelPermissionError(ChannelRequestError):
    """The function is not among the app's registered permissions, or the app is not installed on the channel."""


class ChannelRateLimitError(ChannelRequestError):
    """
    The service, or the provider's own ledger before it, says: not now. The call had no effect.

    :param retry_at: when to try again (aware UTC); None if unknown.
    :param retry_after_seconds: the same as a delay from the moment of the answer, free of clock skew.
    """

    def __init__(
        self,
        message: str = "",
        *,
        method: str | None = None,
        http_status: int | None = None,
        code: int | str | None = None,
        error_type: str | None = None,
        service_message: str | None = None,
        retry_at: datetime | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(
            message,
            method=method,
            http_status=http_status,
            code=code,
            error_type=error_type,
            service_message=service_message,
        )
        self.retry_at = retry_at
        self.retry_after_seconds = retry_after_seconds


class ChannelTokenQuotaError(ChannelRateLimitError):
    """The quota of 10 token requests (issue and refresh together) in 30 minutes per app is used up."""
