"""
What a sensor waits for: whether an answer meets a condition. Pure.

A condition is a mapping of expected values, or a function that can be imported by its dotted path. Both can be sent to
another process. What a condition finds becomes the event of the trigger and the XCom of the sensor.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelResponseError

ASSIGNED = "assigned"
"""Not a state of the service: a manager is assigned to the user chat."""

_STATE = "state"
_CAMEL_STEP = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class Condition:
    """
    What an answer must say for the wait to end.

    :param expect: the expected value, or a list of accepted values, by dotted path into the answer. The service may
        write an enum with or without its prefix and a number as text, and may omit empty values; these count as equal.
    :param predicate: a function, or its dotted path. It is called with the answer. If what it returns is true, that is
        what was found.
    :param predicate_kwargs: further arguments of that function.
    """

    expect: Mapping[str, Any] | None = None
    predicate: Callable[..., Any] | str | None = None
    predicate_kwargs: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """
        Check that the condition is complete and that its predicate can be imported.

        :raises ChannelConfigurationError: it is not, or can't.
        """
        if (self.expect is None) == (self.predicate is None):
            raise ChannelConfigurationError("Give either expect or predicate.")
        if self.expect is None:
            _function(self.predicate)
        elif not isinstance(self.expect, Mapping) or not self.expect or not all(map(_is_path, self.expect)):
            raise ChannelConfigurationError(
                "expect must be a mapping of dotted paths into the answer to the expected values, such as "
                "{'userChat.state': 'closed'}."
            )

    def find(self, result: Any) -> Any:
        """
        Return what was found, None where the answer does not meet the condition.

        :param result: what the function returned.
        :raises ChannelConfigurationError: the predicate failed, or found what JSON can't hold.
        """
        if self.expect is not None:
            found = {path: _at(result, path) for path in self.expect}
            return found if all(_is(path, found[path], self.expect[path]) for path in found) else None
        return self._call_predicate(result) or None

    def serialize(self) -> dict[str, Any]:
        """
        Return the condition as plain values, from which another process can rebuild it.

        :raises ChannelConfigurationError: the predicate can't be imported there.
        """
        if self.expect is not None:
            return {"expect": dict(self.expect)}
        path = self.predicate if isinstance(self.predicate, str) else _path_of(self.predicate)
        return {"predicate": path, "predicate_kwargs": dict(self.predicate_kwargs)}

    def _call_predicate(self, result: Any) -> Any:
        function = _function(self.predicate)
        try:
            found = function(result, **self.predicate_kwargs)
            json.dumps(found, allow_nan=False)
        except ChannelResponseError:
            raise
        except Exception as error:
            raise ChannelConfigurationError(
                f"The predicate {_name_of(function)} failed with {type(error).__name__}. It gets the result of the "
                "native function, and must return a value that JSON can hold, false until the wait is over."
            ) from error
        return found


def user_chat_state(result: Any, states: Sequence[str]) -> str | None:
    """
    Return which of the expected states a user chat has, None where it has another.

    :param result: of ``getUserChat``.
    :param states: in lower case, as in :func:`states_of_user_chats`.
    :raises ChannelResponseError: the answer holds no user chat.
    """
    from airflow_channel_provider.contract.parts import USER_CHAT_STATE

    chat = result.get("userChat") if isinstance(result, Mapping) else None
    if not isinstance(chat, Mapping) or not isinstance(chat.get(_STATE), str):
        raise ChannelResponseError(
            "getUserChat: the answer holds no user chat with a state.", method="getUserChat"
        )
    state = USER_CHAT_STATE.plain(chat[_STATE])
    if state in states:
        return state
    return ASSIGNED if ASSIGNED in states and chat.get("assigneeId") else None


def states_of_user_chats() -> tuple[str, ...]:
    """Return the states that can be waited for, in lower case, and :data:`ASSIGNED`."""
    from airflow_channel_provider.contract.parts import USER_CHAT_STATE

    return (*USER_CHAT_STATE.plain_names, ASSIGNED)


def _is_path(path: object) -> bool:
    return isinstance(path, str) and all(path.split("."))


def _at(result: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(result, Mapping):
            result = result.get(step)
        elif isinstance(result, list) and step.isdecimal() and int(step) < len(result):
            result = result[int(step)]
        else:
            return None
    return result


def _is(path: str, found: Any, wanted: Any) -> bool:
    choices = [wanted, *wanted] if isinstance(wanted, (list, tuple)) else [wanted]
    return any(_same(found, choice) or _same_name(path, found, choice) for choice in choices)


def _same(found: Any, wanted: Any) -> bool:
    """Whether two values are the same to the service, which may leave out what is empty and write numbers as texts."""
    if found is None and not isinstance(wanted, Mapping):
        return not wanted
    if isinstance(found, str) != isinstance(wanted, str):
        return str(found) == str(wanted) and {type(found), type(wanted)} == {str, int}
    # To Python True is 1, to JSON it is not.
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)


def _same_name(path: str, found: Any, wanted: Any) -> bool:
    """Whether two texts are the same name of an enum, such as USER_TYPE_MEMBER of a type, or the word for it."""
    if not isinstance(found, str) or not isinstance(wanted, str):
        return False
    field = path.rpartition(".")[2]
    prefix = rf"(?:[A-Z]+_)*{re.escape(_CAMEL_STEP.sub('_', field).upper())}_"
    if field != _STATE and not any(re.match(prefix, text) for text in (found, wanted)):
        return False
    one, other = (re.sub(f"^{prefix}", "", text.strip().upper()).replace("_", "") for text in (found, wanted))
    return one == other


def _function(predicate: object) -> Callable[..., Any]:
    if isinstance(predicate, str):
        return _imported(predicate)
    if not callable(predicate):
        raise ChannelConfigurationError("predicate must be a function, or the dotted path of one.")
    return predicate


def _imported(path: str) -> Callable[..., Any]:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ChannelConfigurationError(
            f"The predicate {path!r} can't be imported here ({error}). Give the dotted path of a function in a module "
            "that is installed on workers and triggerers."
        ) from error
    if not callable(found):
        raise ChannelConfigurationError(f"The predicate {path!r} is not a function.")
    return found  # type: ignore[no-any-return]


def _path_of(function: object) -> str:
    path = _name_of(function)
    try:
        importable = _imported(path) is function
    except ChannelConfigurationError:
        importable = False
    # A DAG file is imported under a name that no other process knows.
    if not importable or path.startswith("unusual_prefix_"):
        raise ChannelConfigurationError(
            f"The predicate {path} can't be sent to the triggerer, which has to import it. Move it to a module that is "
            "installed there, or use expect instead, or set deferrable=False."
        )
    return path


def _name_of(function: object) -> str:
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{getattr(function, '__module__', None) or '?'}.{name}"
