"""Reads what happened on both sides: Airflow's task instances and the emulator's journal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.messages import markup
from tools.demo.result import Effects, Task, TokenUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_channel_provider.emulator import EmulatorControl

JSON = Any
TOKEN_METHODS = frozenset({"issueToken", "refreshToken"})


def tasks_of(instances: Iterable[Mapping[str, JSON]], run_ids: Mapping[str, str]) -> list[Task]:
    """
    Return the task instances of our runs, out of Airflow's answer.

    :param run_ids: by DAG id.
    """
    return [
        Task(
            dag_id=instance["dag_id"],
            run_id=instance["dag_run_id"],
            task_id=instance["task_id"],
            map_index=instance["map_index"],
            try_number=instance["try_number"],
            state=instance["state"],
            started_at=instance["start_date"],
            duration_seconds=instance["duration"],
        )
        for instance in instances
        if run_ids.get(instance["dag_id"]) == instance["dag_run_id"]
    ]


def effects_at(emulator: EmulatorControl, app_id: str) -> Effects:
    """Return the effects at the services."""
    return Effects(
        messages=[(message["chatId"], text_of(message)) for message in emulator.messages()],
        commands=[str(command["name"]) for command in emulator.commands(app_id)],
        authorizations=sorted((entry["channel_id"], entry["udid"]) for entry in emulator.authorizations()),
        tables=[(table["table_name"], table["rows"]) for table in emulator.tables(app_id)],
    )


def token_uses(emulator: EmulatorControl) -> list[TokenUse]:
    """Return the token requests of each scope, as the service counted them, and its calls."""
    requests: Mapping[str, int] = emulator.stats()["token_requests_by_scope"]
    served = [
        (entry["scope"], entry["client"])
        for entry in emulator.journal()
        if entry["scope"] and entry["method"] not in TOKEN_METHODS
    ]
    calls = Counter(scope for scope, _ in served)
    connections = Counter(scope for scope, _ in set(served))
    return [
        TokenUse(scope, requests.get(scope, 0), calls[scope], connections[scope])
        for scope in sorted({*requests, *calls})
    ]


def text_of(message: Mapping[str, JSON]) -> str:
    """Return what a message says."""
    return str(message.get("plainText") or " ".join(_texts(message.get("blocks") or [])))


def _texts(blocks: Iterable[Mapping[str, JSON]]) -> Iterator[str]:
    for block in blocks:
        if "value" in block:
            value = str(block["value"])
            yield markup.plain(value) if block.get("type") == "text" else value
        yield from _texts(block.get("blocks") or [])
