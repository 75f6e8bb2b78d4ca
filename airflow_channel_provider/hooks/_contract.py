"""
Holds a call against the vendor's contract before it is sent.

A rule that the vendor's schemas or protos check stops the call; one that is known by a type or prose only is warned of,
once in a task. What JSON can't hold is refused whatever is set. Values are never told, only their types and sizes.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.hooks import _request_id

if TYPE_CHECKING:
    from airflow_channel_provider.contract.model import NativeFunction
    from airflow_channel_provider.contract.shapes import Violation

__all__ = ["check"]

log = logging.getLogger(__name__)

_TOLD_AT_MOST = 5
WAY_OUT = (
    "The call was not sent. If the service takes it by now, let it through with contract = off in the section "
    '[channel_talk], or with ChannelTalkHook(contract="off").'
)


def check(function: NativeFunction, params: Mapping[str, Any], *, enforced: bool) -> None:
    """
    Refuse what the service would refuse, before it costs a request.

    :param function: what is called.
    :param params: complete, with what the connection fills in.
    :param enforced: whether the contract counts, or only JSON.
    :raises ChannelConfigurationError: JSON can't hold the parameters, or they break a rule that is certain.
    """
    _refuse_unwritable(function.name, params)
    if not enforced or not (found := function.violations(params)):
        return
    if certain := [violation for violation in found if violation.rule.source.strength.is_certain]:
        raise ChannelConfigurationError(f"{function.name}: {_told(certain)}. {WAY_OUT}", method=function.name)
    if new := _warned.new(function.name, found):
        log.warning(
            "%s: %s. It is sent all the same, since nothing is known to check that.",
            function.name,
            _told(new),
        )


def _refuse_unwritable(method: str, params: Mapping[str, Any]) -> None:
    from airflow_channel_provider.api.json_body import unwritable

    try:
        problem = unwritable(params)
    except RecursionError:
        problem = "", "is nested too deeply or contains itself"
    if problem is not None:
        raise ChannelConfigurationError(f"{method}: params{problem[0]} {problem[1]}.", method=method)


def _told(found: Sequence[Violation]) -> str:
    told = [f"{violation.under('params')} ({violation.rule.source})" for violation in found[:_TOLD_AT_MOST]]
    more = len(found) - len(told)
    return "; ".join([*told, *([f"and {more} more"] if more else [])])


class _Warned:
    """What the present task was warned of; forgets it when another task begins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._task: object = None
        self._rules: set[tuple[str, str, str]] = set()

    def new(self, method: str, found: Sequence[Violation]) -> list[Violation]:
        """Return those of them that the task was not warned of before."""
        task = _request_id.current_task()
        new: list[Violation] = []
        with self._lock:
            if task != self._task:
                self._task, self._rules = task, set()
            for violation in found:
                rule = (method, violation.rule.kind, re.sub(r"\[\d+\]", "[]", violation.path))
                if rule not in self._rules:
                    self._rules.add(rule)
                    new.append(violation)
        return new


_warned = _Warned()
