"""
What a task imports that shares nothing with its parent: only what a call with a valid token needs, quick to make.

The pins hold what a cold task costs without measuring time. Who raises one says what for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorProcess
from airflow_channel_provider.hooks._stores import STORE_KINDS
from tools.modules import PACKAGE

if TYPE_CHECKING:
    from support.fresh_process import FreshProcess

# A parent of tasks that has imported Airflow and nothing of this package but what Airflow itself reads of it. The first
# child requests the token, the others find it.
CALLED_IN_FORKS = """
import json, os, sys
import airflow.providers.common.compat.sdk as compat
compat.BaseHook, compat.BaseOperator, compat.Connection, compat.DAG, compat.conf
import airflow_channel_provider.get_provider_info

def hook():
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
    ChannelTalkHook().call("getChannel")

def operator():
    from airflow_channel_provider.operators.channel_talk import NativeFunctionOperator
    instance = type("Instance", (), {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1})()
    NativeFunctionOperator(task_id="t", method="getChannel").execute({"ti": instance})

def brought(call):
    reader, writer = os.pipe()
    if os.fork() == 0:
        before = set(sys.modules)
        call()
        names = sorted(set(sys.modules) - before)
        ours = [sys.modules[name] for name in names if name.startswith("airflow_channel_provider.")]
        classes = [f"{module.__name__}.{name}" for module in ours for name, kind in vars(module).items()
                   if isinstance(kind, type) and kind.__module__ == module.__name__
                   and {"__dataclass_params__", "_field_defaults"} & vars(kind).keys()]
        os.write(writer, json.dumps([names, classes]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        return json.load(stream)

brought(hook)
print(json.dumps({call.__name__: brought(call) for call in (hook, operator)}))
"""

MOST = {"hook": 49, "operator": 60}
"""Modules of this package. An empty one costs a task little, but they seldom are."""

# They are for what few calls meet: refusals, lost answers, token requests, other stores, other operators.
SOMETIMES = frozenset(
    f"{PACKAGE}.{name}"
    for name in (
        "api.benlly",
        "api.classify",
        "api.error_body",
        "api.open_api",
        "api.redaction",
        "api.refusals",
        "api.retry_after",
        "api.transport_errors",
        "api.unescape",
        "bulk",
        "contract.open_api",
        "emulator",
        "hooks._connection_test",
        "hooks._overviews",
        "hooks._paging",
        "messages",
        "sensors",
        "tokens.acquire",
        "tokens.errors",
        "tokens.history",
        "tokens.overview",
        "tokens.policy",
        "tokens.renewal",
        "tokens.transitions",
        "triggers",
        *(f"tokens.stores.{scheme}" for scheme in STORE_KINDS.keys() - {"file"}),
    )
)
NEVER = frozenset({"aiohttp", "difflib", "redis", "sqlalchemy"})


class Brought(NamedTuple):
    """What a call imported, and which dataclasses and named tuples of this package that made."""

    modules: list[str]
    compiled: list[str]


@pytest.fixture(scope="module")
def brought(fresh_process: FreshProcess, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Brought]:
    with EmulatorProcess() as emulator:
        connection = {"conn_type": "channel_talk", "host": emulator.url, "login": "demo-app"}
        connection |= {"password": DEMO_SECRET, "extra": json.dumps({"channel_id": "ch-1"})}
        environment = {
            "AIRFLOW_CONN_CHANNEL_TALK_DEFAULT": json.dumps(connection),
            "AIRFLOW__CHANNEL_TALK__STORE": (tmp_path_factory.mktemp("cold") / "store").as_uri(),
        }
        found = json.loads(fresh_process.run(CALLED_IN_FORKS, environment=environment))
    return {kind: Brought(*values) for kind, values in found.items()}


@pytest.mark.parametrize("kind", MOST)
def test_no_more_modules_are_imported_than_before(kind: str, brought: dict[str, Brought]) -> None:
    ours = [name for name in brought[kind].modules if name.split(".")[0] == PACKAGE]
    assert f"{PACKAGE}.hooks.channel_talk" in ours
    assert len(ours) <= MOST[kind], ours


@pytest.mark.parametrize("kind", MOST)
def test_what_few_calls_need_is_not_among_them(kind: str, brought: dict[str, Brought]) -> None:
    assert SOMETIMES.intersection(brought[kind].modules) == set()
    assert NEVER.intersection(brought[kind].modules) == set()


@pytest.mark.parametrize("kind", MOST)
def test_none_of_them_makes_a_class_that_is_compiled(kind: str, brought: dict[str, Brought]) -> None:
    """A dataclass takes up to a millisecond to make, and a NamedTuple a sixth of that; Values take a fiftieth."""
    assert brought[kind].compiled == []
