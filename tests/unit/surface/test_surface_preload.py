"""What is imported ahead of the tasks: all of it, nothing but modules, and only in a process that forks tasks."""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.airflow_features import TASK_RUNNER, leave_out_unless

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorProcess
from airflow_channel_provider.hooks._stores import STORE_KINDS
from airflow_channel_provider.plugins import channel_talk as plugin

if TYPE_CHECKING:
    from support.fresh_process import FreshProcess

leave_out_unless(*TASK_RUNNER)

MOST_MEGABYTES = 25

# In a scheduler, for each store that may be configured. urllib3 binds a socket and closes it again, to see whether
# there is IPv6.
WATCHED = """
import json, os, sys, threading
import airflow.executors.local_executor, airflow.jobs.scheduler_job_runner

def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if writes and not str(arguments[0]).endswith(".pyc"):
        seen.append(f"{event} {arguments[0]}")
    if event.startswith(("subprocess.", "os.fork", "os.exec", "os.mkdir", "sqlite3.", "_thread.start")):
        seen.append(event)
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.bind"):
        seen.append(event)

def megabytes():
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

def state():
    return sorted(os.listdir("/proc/self/fd")), threading.active_count()

def preload(store):
    os.environ["AIRFLOW__CHANNEL_TALK__STORE"] = store
    before, small = state(), megabytes()
    sys.addaudithook(watch)
    import airflow_channel_provider.preload as preload
    told = [list(seen), before == state(), megabytes() - small]
    return [*told, [name for name in preload.modules() if ".stores." in name]]

seen, told = [], {}
for store in sys.argv[1:]:
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, json.dumps(preload(store)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        told[store] = json.load(stream)
    os.wait()
print(json.dumps(told))
"""

CALLED_IN_A_FORK = """
import json, os, sys
import airflow.providers.common.compat.sdk as compat
compat.BaseOperator, compat.Connection, compat.conf
import airflow_channel_provider.preload
compat.BaseHook.get_connection("channel_talk_default")  # before Airflow 3.2 it imports all models

reader, writer = os.pipe()
if os.fork() == 0:
    before = set(sys.modules)
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
    ChannelTalkHook().call("getChannel")
    brought = sorted(name for name in set(sys.modules) - before if not name.startswith("airflow."))
    os.write(writer, json.dumps(brought).encode())
    os._exit(0)
os.close(writer)
print(os.fdopen(reader).read())
"""


SCHEMES = {"": "file", **{kind.addresses[0]: scheme for scheme, kind in STORE_KINDS.items()}}
"""Of each store that may be configured, its scheme."""


@pytest.fixture(scope="module")
def preloaded(fresh_process: FreshProcess) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fresh_process.run(WATCHED, *SCHEMES))
    return found


@pytest.mark.parametrize("store", SCHEMES)
def test_nothing_but_modules_is_loaded_ahead_of_a_fork(store: str, preloaded: dict[str, Any]) -> None:
    seen, same, megabytes, _ = preloaded[store]
    assert (seen, same) == ([], True)
    assert megabytes < MOST_MEGABYTES


@pytest.mark.parametrize(("store", "scheme"), SCHEMES.items())
def test_the_configured_store_is_among_them_and_no_other(
    store: str, scheme: str, preloaded: dict[str, Any]
) -> None:
    found = {name.rpartition(".")[2] for name in preloaded[store][-1]}
    assert {"base", "document", scheme} <= found
    assert {name.partition("_")[0] for name in found} == {"base", "document", scheme}


def test_task_that_is_forked_afterwards_imports_nothing_for_a_call(
    fresh_process: FreshProcess, tmp_path: Path
) -> None:
    with EmulatorProcess() as emulator:
        connection = {"conn_type": "channel_talk", "host": emulator.url, "login": "demo-app"}
        connection |= {"password": DEMO_SECRET, "extra": json.dumps({"channel_id": "ch-1"})}
        environment = {
            "AIRFLOW_CONN_CHANNEL_TALK_DEFAULT": json.dumps(connection),
            "AIRFLOW__CHANNEL_TALK__STORE": tmp_path.as_uri(),
        }
        assert json.loads(fresh_process.run(CALLED_IN_A_FORK, environment=environment)) == []


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """This process is one, by its looks; return its default store."""
    monkeypatch.setattr(sys, "argv", ["airflow", "scheduler"])
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda: "fork")
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: None)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    return tmp_path / "channel_talk"


def test_scheduler_that_forks_tasks_of_ours_preloads(scheduler: Path) -> None:
    assert not plugin.forks_tasks_of_ours()
    scheduler.mkdir()
    assert plugin.forks_tasks_of_ours()


def test_scheduler_preloads_where_a_store_is_configured(
    scheduler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", "redis://redis_default")
    assert plugin.forks_tasks_of_ours()


@pytest.mark.parametrize(
    ("name", "value"), [("CORE__EXECUTOR", "CeleryExecutor"), ("CHANNEL_TALK__PRELOAD", "False")]
)
def test_options_say_that_nothing_is_preloaded(
    scheduler: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    scheduler.mkdir()
    monkeypatch.setenv(f"AIRFLOW__{name}", value)
    assert not plugin.forks_tasks_of_ours()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("sys.argv", ["airflow", "api-server"]),
        ("sys.argv", ["airflow"]),
        ("multiprocessing.get_start_method", lambda: "spawn"),
        ("multiprocessing.parent_process", multiprocessing.current_process),
    ],
    ids=["another command", "no command", "no fork", "a process of the executor"],
)
def test_other_processes_preload_nothing(
    scheduler: Path, monkeypatch: pytest.MonkeyPatch, place: str, value: object
) -> None:
    scheduler.mkdir()
    monkeypatch.setattr(place, value)
    assert not plugin.forks_tasks_of_ours()


def test_scheduler_starts_in_spite_of_an_invalid_option(
    scheduler: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__PRELOAD", "perhaps")
    plugin.ChannelTalkPlugin.on_load()
    assert "could not be imported ahead" in caplog.text
    assert "[channel_talk] preload" in caplog.text
