"""What both hooks do alike: open late, close, travel without secrets, and test a connection in one sentence."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_channel_provider import configuration, metrics
from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.hooks._forgetting import forget_values
from airflow_channel_provider.hooks._once import opened_once

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_channel_provider.api.transport import Transport
    from airflow_channel_provider.connection_form import ConnectionForm
    from airflow_channel_provider.retry import CallPolicy

__all__ = ["ServiceHook"]

log = logging.getLogger(__name__)

_OPEN_WAY = "secrets and tokens can be read on the way, since http:// is not encrypted"
_REMEDY = "set the schema of the connection to https"

_warned: set[tuple[str, str]] = set()
os.register_at_fork(after_in_child=_warned.clear)


class Settings(Protocol):
    """What a connection says of the way to its service."""

    @property
    def conn_id(self) -> str:
        """Of the connection."""

    @property
    def base_url(self) -> str:
        """``https://host[:port]``."""

    @property
    def timeout_seconds(self) -> float | None:
        """How long to wait for an answer; None: the option."""


class ServiceHook(BaseHook):
    """
    A hook to one of the services. May be shared by threads, as long as none of them closes it.

    :param call_attempts: how often one call is sent at most; None: the option ``[channel_talk] call_attempts``.
    :param max_wait_seconds: longest single wait that is sat out; None: the option ``[channel_talk] max_wait_seconds``.
    """

    conn_name_attr: ClassVar[str]
    form: ClassVar[ConnectionForm]
    opened: ClassVar[tuple[str, ...]] = ("client",)
    """What hangs on the connections to the service, and goes when they are closed."""

    _repeats_rate_limited = True
    _repetition_log_level = logging.WARNING

    def __init__(
        self, *, call_attempts: int | None = None, max_wait_seconds: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._call_attempts = call_attempts
        self._max_wait_seconds = max_wait_seconds
        self._is_tested = False
        self._sleep: Callable[[float], None] = time.sleep
        self._opening = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out all that is open, or secret, or looked up: a copy finds it again."""
        looked_up = ("settings", "_transport", "_policy", "_log", "_sleep", "_opening", *self.opened)
        return {name: value for name, value in self.__dict__.items() if name not in looked_up}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _sleep=time.sleep, _opening=threading.RLock())

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

    @property
    def max_wait_seconds(self) -> float:
        """The longest single wait that is sat out, in seconds."""
        return configuration.max_wait_seconds() if self._max_wait_seconds is None else self._max_wait_seconds

    @opened_once
    def _transport(self) -> Transport:
        from airflow_channel_provider.api.transport import Transport

        self._warn_of_an_open_way()
        return Transport(
            self.settings.base_url,
            connect_timeout_seconds=configuration.connect_timeout_seconds(),
            read_timeout_seconds=self.settings.timeout_seconds or configuration.timeout_seconds(),
        )

    def _warn_of_an_open_way(self) -> None:
        from airflow_channel_provider.api.address import is_open_way

        way = (self.settings.conn_id, self.settings.base_url)
        if way in _warned or self._is_tested or not is_open_way(way[1]):
            return
        _warned.add(way)
        log.warning("Connection %r leads to %s: %s; %s.", *way, _OPEN_WAY, _REMEDY)

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

    def test_connection(self) -> tuple[bool, str]:
        """
        Say whether the connection works.

        :return: whether it does, and one sentence about what was found or what to fix.
        """
        self._is_tested = True  # under an id that nobody knows; the sentence says what a log would
        try:
            return True, self._with_warning(self._examine())
        except ChannelError as error:
            from airflow_channel_provider.hooks._verdicts import verdict

            return False, verdict(error, getattr(self, self.conn_name_attr))
        except AirflowNotFoundException:
            # A connection reaches a test as a URI, and one with an impossible port can't be read back.
            return False, (
                "Airflow finds no such connection, or can't read it; check its id, and that its port is a number from "
                "1 to 65535."
            )
        except Exception as error:
            forget_values(error)
            self.log.debug("The connection test failed unexpectedly", exc_info=True)
            return (
                False,
                f"The test failed with {type(error).__name__}; the log of this server says more at level DEBUG.",
            )
        finally:
            self.close()

    def _with_warning(self, found: str) -> str:
        from airflow_channel_provider.api.address import is_open_way

        if not is_open_way(self.settings.base_url):
            return found
        return f"{found.removesuffix('.')}; but {_OPEN_WAY}: {_REMEDY}."

    def _examine(self) -> str:
        """Return what was found, in one sentence; raise what is wrong."""
        raise NotImplementedError
