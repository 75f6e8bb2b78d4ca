"""
A DAG that is a command: what the App Store hears of it, and who may run it. Pure.

Nobody may run a command unless its declaration names them. Whoever may is decided by what the App Store has signed: the
id of the manager, and of the group that the command was typed in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_channel_provider.contract.parts import COMMAND, COMMANDS, FUNCTION_NAME
from airflow_channel_provider.contract.sources import COMMAND_SCHEMA
from airflow_channel_provider.inbound.parameters import as_whole

if TYPE_CHECKING:
    from airflow_channel_provider.inbound.function_call import FunctionCall
    from airflow_channel_provider.inbound.parameters import Parameter

RUN = "airflow.run."
SUGGEST = "airflow.suggest."
SYSTEM_VERSION = "v1"

MOST_COMMANDS = COMMANDS.most or 0
_LONGEST_FUNCTION = FUNCTION_NAME.most or 0
_ESCAPED = re.compile(r"\.([0-9a-f]{2})")


@dataclass(frozen=True)
class Declaration:
    """
    What a DAG says of itself as a command.

    :param managers: ids of managers who may run it in any chat.
    :param groups: ids of groups; each manager who types it in one of them may run it.
    :param parameters: names of the params that a person may give; None: each one that a chat can ask for.
    """

    name: str
    conn_id: str
    description: str | None = None
    managers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    parameters: tuple[str, ...] | None = None

    def as_text(self) -> str:
        """Return it as the serialized DAG holds it."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def of(cls, text: str) -> Declaration:
        """
        Read what :meth:`as_text` wrote.

        :raises ValueError: another version of this package has written something else.
        """
        try:
            content = json.loads(text)
            parameters = content["parameters"]
            return cls(
                name=content["name"],
                conn_id=content["conn_id"],
                description=content["description"],
                managers=tuple(content["managers"]),
                groups=tuple(content["groups"]),
                parameters=None if parameters is None else tuple(parameters),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the declaration can't be read: {type(error).__name__}") from None

    def allows(self, call: FunctionCall) -> bool:
        """Return whether the caller may run it."""
        if call.caller_type != "manager" or call.caller_id is None:
            return False
        chat = call.chat
        in_group = chat is not None and chat.kind == "group" and chat.id in self.groups
        return call.caller_id in self.managers or in_group


def function_of(prefix: str, dag_id: str) -> str:
    """
    Return the name of the function that runs a DAG, or suggests its arguments.

    Names of functions have letters, digits, ``_`` and ``.``; each other byte becomes a dot and two hexadecimal digits.

    :raises ValueError: it would be longer than a name may be.
    """
    plain = "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or byte == 95 else f".{byte:02x}"
        for byte in dag_id.encode()
    )
    if len(prefix + plain) > _LONGEST_FUNCTION:
        raise ValueError("the id of the DAG is too long for the name of a function")
    return prefix + plain


def dag_of(prefix: str, method: str) -> str | None:
    """Return the id of the DAG that a function belongs to; None for another function."""
    if not method.startswith(prefix) or not method.isascii():
        return None
    escaped = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), method[len(prefix) :])
    try:
        dag_id = escaped.encode("latin-1").decode()
        return dag_id if dag_id and function_of(prefix, dag_id) == method else None
    except ValueError:
        return None


def wire_of(declaration: Declaration, dag_id: str, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """
    Return a command as the App Store takes it.

    :raises ValueError: it breaks a published limit; the message names the field and the limit.
    """
    found: dict[str, Any] = {
        "name": declaration.name,
        "scope": "desk",
        "actionFunctionName": function_of(RUN, dag_id),
        "alfMode": "disable",
        "systemVersion": SYSTEM_VERSION,
        "enabledByDefault": True,
    }
    if declaration.description:
        found["description"] = declaration.description
    if parameters:
        found["paramDefinitions"] = [parameter.wire() for parameter in parameters]
    if any(parameter.suggestions for parameter in parameters):
        found["autoCompleteFunctionName"] = function_of(SUGGEST, dag_id)
    if broken := COMMAND.check(found, COMMAND_SCHEMA):
        raise ValueError("; ".join(str(violation).strip() for violation in broken[:3]))
    return found


# ---- the buttons of a question

ANSWER = "airflow.answer"
ANSWER_NAME = "answer-airflow"


class Answer(NamedTuple):
    """
    An answer to a question of Airflow.

    :param option: the option that is chosen.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    option: str


def manager_id_in_airflow(conn_id: str, manager_id: str) -> str:
    """Return the id under which Airflow knows a manager of an app."""
    return f"channel_talk:{conn_id}:{manager_id}"


def answer_command() -> dict[str, Any]:
    """Return the command behind the buttons of questions, as the App Store takes it."""
    definitions = [
        {"name": name, "type": "int" if name == "map_index" else "string", "required": name != "map_index"}
        for name in Answer._fields
    ]
    return {
        "name": ANSWER_NAME,
        "scope": "desk",
        "actionFunctionName": ANSWER,
        "alfMode": "disable",
        "systemVersion": SYSTEM_VERSION,
        "enabledByDefault": True,
        "description": "What the buttons of a question of Airflow run",
        "paramDefinitions": definitions,
    }


def answer_of(given: Mapping[str, Any]) -> Answer | None:
    """Return the answer that a button names; None if it names none."""
    texts = [given.get(name) for name in ("dag_id", "run_id", "task_id", "option")]
    map_index = as_whole(-1 if given.get("map_index") in (None, "") else given["map_index"])
    if map_index is None or not all(isinstance(text, str) and text for text in texts):
        return None
    dag_id, run_id, task_id, option = map(str, texts)
    return Answer(dag_id, run_id, task_id, map_index, option)
