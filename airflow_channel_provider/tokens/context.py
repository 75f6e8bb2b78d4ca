"""The values that obtaining a token needs. Made once for each manager and passed on unchanged."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_channel_provider.tokens.clock import steady
from airflow_channel_provider.tokens.repository import TokenRepository
from airflow_channel_provider.tokens.types import CHANNEL_TALK, ServiceProfile
from airflow_channel_provider.values import Values

if TYPE_CHECKING:
    from airflow_channel_provider.tokens.exchange import TokenEvent, TokenExchange


class TokenContext(Values):
    """
    The values of an acquisition and a renewal. Immutable, so the threads of a process may share it.

    :param repository: record and tokens of the app.
    :param exchange: sends the token requests.
    :param service: the service that gives the tokens.
    :param label: names the connection in messages.
    :param clock: seconds of this host.
    :param sleep: waits between two looks at a token that another process renews, seconds.
    :param on_event: counts what happened; must not raise.
    :param asked_by: names the task or the person that needs a token, for people.
    """

    repository: TokenRepository
    exchange: TokenExchange
    service: ServiceProfile = CHANNEL_TALK
    label: str = "Channel Talk"
    clock: Callable[[], float] = steady
    sleep: Callable[[float], None] = time.sleep
    on_event: Callable[[TokenEvent], None] = lambda event: None
    asked_by: Callable[[], str] = lambda: ""
