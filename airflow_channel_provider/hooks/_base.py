"""
What the hooks share: they open late and close, are pickled without secrets, name the connection in errors, and test a
connection in one sentence.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, overload

from airflow.providers.common.compat.sdk import BaseHook

from airflow_channel_provider import configuration, metrics, request_ids
from airflow_channel_provider.connections import NoSuchConnectionError, find_connection
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from airflow_channel_provider.hooks._tracebacks import clear_frames, clearing_frames
from airflow_channel_provider.process_lock import ProcessLock
from airflow_channel_provider.stack_room import with_room

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection
    from typing_extensions import Self

    from airflow_channel_provider.api.transport import Transport
    from airflow_channel_provider.connection_form import ConnectionForm
    from airflow_channel_provider.retry import CallPolicy

T = TypeVar("T")
log = logging.getLogger(__name__)

CONNECTION_TEST = "a connection test"
"""The caller that a token request of the Test button names."""
TEST_WAIT_SECONDS = 10.0
"""The longest wait of the Test button for a token."""

_UNENCRYPTED = "secrets and tokens can be read on the way, since http:// is not encrypted"
_REMEDY = "set the schema of the connection to https"

_warned: set[tuple[str, str]] = set()
os.register_at_fork(after_in_child=_warned.clear)


class opened_once(cached_property[T]):  # noqa: N801 - named like what it extends
    """
    A cached property that several threads may ask for at the same time.

    The lock is taken only while there is no value. From then on the value stands in the instance itself.
    """

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> opened_once[T]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        """Return the value, which the first caller computes."""
        if instance is None:
            return self
        opening: ProcessLock = instance._opening  # noqa: SLF001 - the other half of this
        with opening():
            if self.attrname not in instance.__dict__:
                # Not by the property itself, which up to Python 3.11 has one lock for all instances and their children.
                instance.__dict__[self.attrname] = self._open(instance)
            return instance.__dict__[self.attrname]

    @with_room
    def _open(self, instance: Any) -> Any:
        with clearing_frames():
            return self.func(instance)


@contextlib.contextmanager
def naming_connection(conn_id: str) -> Iterator[None]:
    """
    Put the connection in front of the message of an error, since nothing below a hook knows it, and clear its frames.

    Errors in the caller's own arguments are left alone: their remedy is not in the connection.
    """
    handled = sys.exc_info()[1]
    try:
        yield
    except BaseException as error:
        clear_frames(error, but_of=handled)
        is_named = isinstance(error, ChannelConfigurationError) or repr(conn_id) in str(error)
        if isinstance(error, ChannelError) and not is_named:
            error.add_context(before=f"Connection {conn_id!r}:")
        raise


class Settings(Protocol):
    """The settings with which a connection reaches its service."""

    @property
    def conn_id(self) -> str:
        """Id of the connection."""

    @property
    def base_url(self) -> str:
        """``https://host[:port]``."""

    @property
    def timeout_seconds(self) -> float | None:
        """How long to wait for an answer; None: the value of the option."""


class ServiceHook(BaseHook):
    """
    A hook to one of the services. May be shared by threads, as long as none of them closes it.

    :param call_attempts: maximum number of attempts for one call, including the first; None: the option
        ``[channel_talk] call_attempts``.
    :param max_wait_seconds: longest single wait inside a call; None: the option ``[channel_talk]
        max_wait_seconds``.
    """

    conn_name_attr: ClassVar[str]
    form: ClassVar[ConnectionForm]
    opened: ClassVar[tuple[str, ...]] = ("client",)
    """Attributes that use the connections to the service, and are dropped when these are closed."""

    _repeats_rate_limited = True
    _repetition_log_level = logging.WARNING

    def __init__(
        self,
        *,
        call_attempts: int | None = None,
        max_wait_seconds: float | None = None,
    ) -> None:
        super().__init__()
        self.caller: str | None = None
        self._call_attempts = call_attempts
        self._max_wait_seconds = max_wait_seconds
        self._is_tested = False
        self._sleep: Callable[[float], None] = time.sleep
        self._opening = ProcessLock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is open, secret or looked up; a copy finds it again."""
        looked_up = ("settings", "_transport", "_policy", "_log", "_sleep", "_opening", *self.opened)
        return {name: value for name, value in self.__dict__.items() if name not in looked_up}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _sleep=time.sleep, _opening=ProcessLock())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the service. The next call opens them again."""
        if (transport := self.__dict__.pop("_transport", None)) is not None:
            transport.close()
        for name in self.opened:
            self.__dict__.pop(name, None)

    @property
    def settings(self) -> Settings:
        """The connection, looked up once."""
        raise NotImplementedError

    def _find_connection(self) -> Connection:
        """Look the connection up, as :func:`find_connection` does."""
        argument = self.conn_name_attr
        return find_connection(argument, getattr(self, argument), self.get_connection)

    @property
    def max_wait_seconds(self) -> float:
        """Longest single wait inside a call, in seconds."""
        return configuration.max_wait_seconds() if self._max_wait_seconds is None else self._max_wait_seconds

    @opened_once
    def _transport(self) -> Transport:
        from airflow_channel_provider.api.transport import Transport

        self._warn_if_unencrypted()
        return Transport(
            self.settings.base_url,
            connect_timeout_seconds=configuration.connect_timeout_seconds(),
            read_timeout_seconds=self.settings.timeout_seconds or configuration.timeout_seconds(),
        )

    def _warn_if_unencrypted(self) -> None:
        from airflow_channel_provider.api.base_url import is_unencrypted

        way = (self.settings.conn_id, self.settings.base_url)
        if way in _warned or self._is_tested or not is_unencrypted(way[1]):
            return
        _warned.add(way)
        log.warning("Connection %r leads to %s: %s; %s.", *way, _UNENCRYPTED, _REMEDY)

    @opened_once
    def _policy(self) -> CallPolicy:
        from airflow_channel_provider.retry import CallPolicy

        return CallPolicy(
            attempts=configuration.call_attempts() if self._call_attempts is None else self._call_attempts,
            max_wait_seconds=self.max_wait_seconds,
            wait_max_seconds=configuration.call_wait_max_seconds(),
            log=self.log,
            log_level=self._repetition_log_level,
            repeats_rate_limited=self._repeats_rate_limited,
            on_repeat=metrics.call_repeated,
            sleep=self._sleep,
        )

    def _caller(self) -> str:
        """Name who uses the hook, for people: by default DAG, task, map index, try and run of the running task."""
        if self.caller:
            return self.caller
        current = request_ids.current_task()
        if current is None:
            return "a process outside of any task"
        key, try_number = current
        mapped = f"[{key.map_index}]" if key.map_index >= 0 else ""
        return f"{key.dag_id}.{key.task_id}{mapped}, try {try_number}, run {key.run_id}"

    def _known_conn_id(self) -> str | None:
        """Return the id of the connection; None in a connection test, which runs under an id that nobody knows."""
        return None if self.caller == CONNECTION_TEST else self.settings.conn_id

    def test_connection(self) -> tuple[bool, str]:
        """
        Test whether the connection works.

        :return: whether it does, and one sentence about what was found or what to fix.
        """
        self._is_tested = True  # the sentence says what a log would
        try:
            return True, self._with_warning(self._check_connection())
        except NoSuchConnectionError:
            # A connection reaches a test as a URI, and one with an impossible port can't be read back.
            return False, (
                "Airflow finds no such connection, or can't read it; check its id, that its port is a number from 1 to "
                "65535, and that an environment variable which holds it is valid JSON or a valid URI."
            )
        except ChannelError as error:
            from airflow_channel_provider.hooks._connection_test import explain

            return False, explain(error, getattr(self, self.conn_name_attr))
        except Exception as error:
            clear_frames(error)
            self.log.debug("The connection test failed unexpectedly", exc_info=True)
            return (
                False,
                f"The test failed with {type(error).__name__}; the log of this server says more at level DEBUG.",
            )
        finally:
            self.close()

    def _with_warning(self, found: str) -> str:
        from airflow_channel_provider.api.base_url import is_unencrypted

        if not is_unencrypted(self.settings.base_url):
            return found
        return f"{found.removesuffix('.')}; but {_UNENCRYPTED}: {_REMEDY}."

    def _check_connection(self) -> str:
        """Return what was found, in one sentence; raise an error for what is wrong."""
        raise NotImplementedError
