"""
What the App Store sends to an app's function endpoint: one body becomes one call, and one answer becomes a body.

Published are the names of the fields, but not which of them are always there. So what is missing, null or of another
type counts as absent, and only a body without a method is no call. A value of the body is never repeated in an error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

GET_FUNCTIONS = "extension.core.function.getFunctions"
GET_TEST_FUNCTIONS = "extension.core.function.getTestFunctions"
GET_COMMANDS = "extension.command.metadata.getCommands"
GET_HOOKS = "extension.hook.metadata.getHooks"

METHOD_NOT_FOUND = (-32601, "methodNotFound")
BAD_REQUEST = (2, "badRequest")
PARSE_ERROR = (2, "parseError")

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_LONGEST_ID = 200


@dataclass(frozen=True)
class Chat:
    """
    Where a person has typed a command.

    :param kind: ``group``, ``userChat`` or ``directChat``; both published names of a group become ``group``.
    :param root_message_id: of the thread, where it was typed in one.
    """

    kind: str
    id: str
    root_message_id: str | None = None


@dataclass(frozen=True)
class FunctionCall:
    """
    One call.

    :param method: full name of the function.
    :param digest: hash of the bytes of the body; a call that is sent again has the same.
    :param params: as they came; empty where they are none or no object.
    :param caller_type: ``manager``, ``user``, ``system`` or ``app``; empty where it is absent.
    :param caller_id: of the manager, for one.
    :param channel_id: where it happens; None for a call that belongs to no channel.
    :param language: such as ``ko``.
    """

    method: str
    digest: str
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    caller_type: str = ""
    caller_id: str | None = None
    channel_id: str | None = None
    language: str | None = None

    @property
    def chat(self) -> Chat | None:
        """The chat that a command was typed in."""
        chat = _object(self.params.get("chat"))
        chat_id = id_of(chat.get("id"))
        if chat_id is None:
            return None
        kind = chat.get("type") if isinstance(chat.get("type"), str) else ""
        attributes = _object(_object(self.params.get("trigger")).get("attributes"))
        return Chat(
            "group" if kind in ("group", "groupChat") else str(kind),
            chat_id,
            id_of(attributes.get("rootMessageId")),
        )

    @property
    def input(self) -> Mapping[str, Any]:
        """Values of a command's parameters by their names; a list of names and values is published as well."""
        given = self.params.get("input")
        if isinstance(given, Sequence) and not isinstance(given, str):
            return {
                str(_object(one).get("name")): _object(one).get("value")
                for one in given
                if _object(one).get("name") is not None
            }
        return _object(given)

    @property
    def focused(self) -> str | None:
        """Name of the parameter that suggestions are asked for."""
        given = self.params.get("input")
        for one in given if isinstance(given, list) else ():
            if _object(one).get("focused") is True and isinstance(_object(one).get("name"), str):
                return str(_object(one)["name"])
        return None


def read_call(body: bytes) -> FunctionCall:
    """
    Read the body of a request.

    :raises ValueError: it is no call; the message says why, as the end of a sentence.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
    method = _object(content).get("method")
    if not isinstance(method, str) or not method:
        raise ValueError("the body names no method")
    params, context = _object(content.get("params")), _object(content.get("context"))
    caller = _object(context.get("caller"))
    language = params.get("language") or context.get("language")
    return FunctionCall(
        method=method,
        digest=hashlib.sha256(body).hexdigest(),
        params=params,
        caller_type=caller["type"] if isinstance(caller.get("type"), str) else "",
        caller_id=id_of(caller.get("id")),
        channel_id=id_of(_object(context.get("channel")).get("id")),
        language=language if isinstance(language, str) else None,
    )


def id_of(value: object) -> str | None:
    """Return an id as a text; None for what can't be one."""
    text = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    return text if 0 < len(text) <= _LONGEST_ID and text.isprintable() else None


def result_of(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of an answer with a result."""
    return {"result": dict(value)}


def error_of(kind: tuple[int, str], message: str) -> dict[str, Any]:
    """Return the body of an answer without a result."""
    code, name = kind
    return {"error": {"code": code, "type": name, "message": message}}


def text_of(message: str) -> dict[str, Any]:
    """Return the body of an answer that is shown to the person who has run a command."""
    return result_of({"type": "text", "attributes": {"message": message}})


def functions_of(names: Sequence[str]) -> dict[str, Any]:
    """Return the body that says which functions there are."""
    functions = [{"name": name, "inputSchema": {"type": "object"}} for name in names]
    return result_of({"functions": functions, "success": True, "errorMessage": ""})


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else _NOTHING
