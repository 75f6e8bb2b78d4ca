"""
Registers each secret with Airflow's maskers before it is used, and masks texts with them.

Airflow masks only the exact text that was registered, so each usual way to write a secret is registered. From Airflow
3.1 on there are two maskers; a server of Airflow has its own. The secrets of this process are remembered here as well,
for texts that the provider shows itself.

The maskers are looked up in each version's own modules: the compatibility package has them only since 1.22, which does
not support Python 3.10.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, TypeVar, cast

T = TypeVar("T")
_HOMES = (
    "airflow.sdk.log",
    "airflow.sdk.execution_time.secrets_masker",  # Airflow 3.0
    "airflow.utils.log.secrets_masker",  # Airflow 2
)
_SERVERS_HOME = "airflow._shared.secrets_masker"
SHORTEST = 5
"""Minimum length of a secret: Airflow does not mask a shorter one, and warns of it in each log."""
_DEEPEST = 1000
"""Maximum nesting of a value that is masked field by field."""

_NO_SECRETS = ("id", "Id", "type", "Type", "At")
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
_known: deque[str] = deque(maxlen=64)
"""The latest secrets of this process."""


def mask_secret(secret: str) -> None:
    """
    Mask a secret in everything that this process logs from now on.

    :param secret: a token, as a service returned it.
    """
    _mask(secret, _spellings_of(secret))


def mask_credential(secret: str) -> None:
    """
    Mask a secret of a connection in everything that this process logs, also in the Base64 of an authorization header.

    :param secret: an App Secret, a password, a token.
    """
    from airflow_channel_provider.api.spellings import base64_of

    _mask(secret, _spellings_of(secret) | base64_of(secret))


def mask_tokens_in(result: T) -> T:
    """
    Mask each token in an answer, such as the ``entityToken`` of ``issueEntityToken``; return the answer.

    If a token is an object, whose fields the services do not document, all of them are masked but ids, types and times.
    """
    for name, value in result.items() if isinstance(result, Mapping) else ():
        if str(name).lower().endswith("token"):
            _mask_texts_in(value)
    return result


def _mask_texts_in(value: Any) -> None:
    if isinstance(value, str):
        mask_secret(value)
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        if not str(name).endswith(_NO_SECRETS):
            _mask_texts_in(inner)


def redacted(value: Any) -> Any:
    """
    Return a copy of a JSON value in which known secrets, and fields that are named like secrets, are masked.
    """
    try:
        return _blotted(_masker("redact")(value, max_depth=_DEEPEST), tuple(_known))
    except RecursionError:
        return "***"


def _mask(secret: str, spellings: Iterable[str]) -> None:
    if len(secret) < SHORTEST:
        return
    ends = _ends_beside(secret, tuple(_known))
    if secret not in _known:
        _known.append(secret)
    # Half of a surrogate pair can't be sent to the process that writes the log, nor be written there.
    masked = [text for text in (*spellings, *ends) if len(text) >= SHORTEST and _is_text(text)]
    for mask in _maskers() if not _is_in_task() else _maskers()[:1]:
        mask(masked)


def _ends_beside(secret: str, others: Iterable[str]) -> set[str]:
    """
    If one of two secrets is the beginning of the other, return what would stay visible of the longer one.

    Airflow's masker may replace the shorter one first. It does not mask an end of fewer than :data:`SHORTEST`
    characters.
    """
    ends = set[str]()
    for other in others:
        shorter, longer = sorted((secret, other), key=len)
        if longer != shorter and longer.startswith(shorter):
            ends |= _spellings_of(longer[len(shorter) :])
    return ends


def _spellings_of(secret: str) -> set[str]:
    if _PLAIN.fullmatch(secret):
        return {secret}  # most tokens are: they have only one spelling
    from airflow_channel_provider.api.spellings import spellings_of

    return spellings_of(secret)


def _is_in_task() -> bool:
    """Return whether this process is a task, whose supervisor masks its log, and not a server."""
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    return getattr(runner, "SUPERVISOR_COMMS", None) is not None


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _blotted(value: Any, secrets: tuple[str, ...]) -> Any:
    """Mask the spellings here that Airflow's masker does not find."""
    from airflow_channel_provider.api.redaction import redact_known

    if not secrets:
        return value
    if isinstance(value, str):
        return redact_known(value, secrets)
    if isinstance(value, dict):
        return {_blotted(key, secrets): _blotted(one, secrets) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_blotted(one, secrets) for one in value])
    return value


@cache
def _masker(name: str) -> Callable[..., Any]:
    for home in _HOMES:
        if (found := _found(home, name)) is not None:
            return found
    raise ImportError(f"this Airflow has no {name} in any of {', '.join(_HOMES)}")


@cache
def _maskers() -> tuple[Callable[..., Any], ...]:
    of_servers = _found(_SERVERS_HOME, "mask_secret")
    return (_masker("mask_secret"), *([of_servers] if of_servers is not None else []))


def _found(home: str, name: str) -> Callable[..., Any] | None:
    try:
        return cast("Callable[..., Any]", getattr(importlib.import_module(home), name))
    except (ImportError, AttributeError):
        return None
