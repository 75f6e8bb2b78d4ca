"""Lists read to their end and chats waited for, against an emulator in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from select import select
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from support.fleet import Child, fork

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorProcess
from airflow_channel_provider.exceptions import ChannelRequestError, ChannelResponseError
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.operators.paged_read import PagedReadOperator
from airflow_channel_provider.sensors.channel_talk import UserChatStateSensor
from airflow_channel_provider.triggers.channel_talk import THREADS, NativeFunctionTrigger, shared_hook_users

MANAGERS = [{"id": f"m-{number:04d}", "name": f"Manager {number % 7}"} for number in range(1_203)]
CHATS = [{"id": f"chat-{number}"} for number in range(60)]
CHANNEL = {"id": "ch-1", "managers": MANAGERS, "user_chats": CHATS}


@pytest.fixture(scope="module")
def service() -> Iterator[EmulatorProcess]:
    with EmulatorProcess(settings={"channels": [CHANNEL]}) as emulator:
        yield emulator


@pytest.fixture
def emulator(service: EmulatorProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> EmulatorProcess:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    service.reset()
    connect(monkeypatch, service, DEMO_SECRET)
    return service


def connect(monkeypatch: pytest.MonkeyPatch, emulator: EmulatorProcess, secret: str) -> None:
    fields = {"conn_type": "channel_talk", "host": emulator.url, "login": DEMO_APP_ID, "password": secret}
    monkeypatch.setenv(
        "AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps({**fields, "extra": {"channel_id": "ch-1"}})
    )


def calls(emulator: EmulatorProcess, method: str) -> list[dict[str, Any]]:
    return [dict(entry) for entry in emulator.journal() if entry["method"] == method]


def context(try_number: int = 1) -> Any:
    return {"ti": SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=try_number)}


# Lists


@pytest.mark.parametrize(("page_size", "pages"), [(None, 3), (500, 3), (401, 3), (400, 4)])
def test_a_list_is_read_to_its_end(emulator: EmulatorProcess, page_size: int | None, pages: int) -> None:
    with ChannelTalkHook() as hook:
        found = [manager["id"] for manager in hook.iterate("searchManagers", page_size=page_size)]
    assert sorted(found) == [manager["id"] for manager in MANAGERS]
    assert len(calls(emulator, "searchManagers")) == pages
    assert len(emulator.token_requests()) == 1


def test_a_list_with_a_cursor_of_its_own_is_read_to_its_end(emulator: EmulatorProcess) -> None:
    with ChannelTalkHook() as hook:
        found = list(hook.iterate("listActiveOAuthManagerTargets"))
    assert [target["managerId"] for target in found] == [manager["id"] for manager in MANAGERS]
    assert [call["scope"] for call in calls(emulator, "listActiveOAuthManagerTargets")] == ["app"] * 3


def test_no_more_is_read_than_is_wanted(emulator: EmulatorProcess) -> None:
    with ChannelTalkHook() as hook:
        backwards = {"pagination": {"sortOrder": "SORT_ORDER_DESC"}}
        found = list(hook.iterate("searchManagers", backwards, limit=30, page_size=20))
    assert [manager["id"] for manager in found] == [manager["id"] for manager in MANAGERS[:-31:-1]]
    assert len(calls(emulator, "searchManagers")) == 2


def test_an_answer_that_is_lost_on_the_way_is_read_again(emulator: EmulatorProcess) -> None:
    hook = ChannelTalkHook()
    hook._sleep = lambda seconds: None
    found = hook.iterate("searchManagers")
    first = next(found)
    emulator.inject("close_after", method="searchManagers")
    emulator.inject("http_500", method="searchManagers")
    assert len({manager["id"] for manager in (first, *found)}) == len(MANAGERS)
    hook.close()


def test_a_service_that_forgets_its_cursor_is_an_error(emulator: EmulatorProcess) -> None:
    with ChannelTalkHook() as hook:
        found = hook.iterate("searchManagers", page_size=100)
        first = next(found)
        emulator.inject("first_page", method="searchManagers")
        with pytest.raises(
            ChannelResponseError, match=r"Connection 'channel_talk_default': .* a page came back"
        ):
            list(found)
    assert first["name"] == "Manager 0"


def test_a_cursor_that_the_service_refuses_is_an_error(emulator: EmulatorProcess) -> None:
    with ChannelTalkHook() as hook, pytest.raises(ChannelRequestError, match="invalid cursor"):
        list(hook.iterate("searchManagers", {"pagination": {"since": "%"}}))


def reading(target: Path, try_number: int) -> Child:
    read = PagedReadOperator(task_id="t", method="searchManagers", path=str(target), page_size=10)
    return fork(lambda: read.execute(context(try_number)))


def test_a_task_that_is_killed_while_it_writes_leaves_the_file_of_the_last_run(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    target = folder / "managers.jsonl"
    folder.mkdir()
    target.write_text("old\n")
    emulator.configure(latency_seconds=0.05)
    task = reading(target, 1)
    while len(calls(emulator, "searchManagers")) < 5:
        assert not select([task.reader], [], [], 0.02)[0], task.join()
    task.kill()
    task.join()
    assert task.status == signal.SIGKILL
    assert target.read_text() == "old\n"
    assert len(list(folder.glob("*.part"))) == 1

    emulator.configure(latency_seconds=0)
    assert reading(target, 2).join() is not None
    ids = [json.loads(line)["id"] for line in target.read_text().splitlines()]
    assert sorted(ids) == [manager["id"] for manager in MANAGERS]
    assert list(folder.iterdir()) == [target]


def test_xcom_is_the_items_and_refuses_too_many(emulator: EmulatorProcess) -> None:
    operator = PagedReadOperator(task_id="t", method="searchManagers")
    assert len(operator.execute(context())) == len(MANAGERS)


# Waits


def trigger(number: int, **kwargs: Any) -> NativeFunctionTrigger:
    return NativeFunctionTrigger(
        **{
            "method": "getUserChat",
            "params": {"userChatId": f"chat-{number}"},
            "expect": {"userChat.state": "closed"},
            "poke_interval": 0.1,
            **kwargs,
        }
    )


async def event_of(one: NativeFunctionTrigger) -> Any:
    (event,) = [event async for event in one.run()]
    return event.payload


def close_all(emulator: EmulatorProcess) -> None:
    for number in range(len(CHATS)):
        emulator.change_user_chat(f"chat-{number}", state="closed")


async def until_each_has_looked(emulator: EmulatorProcess) -> None:
    while True:
        entries = await asyncio.to_thread(calls, emulator, "getUserChat")
        if len({entry["params"]["userChatId"] for entry in entries}) == len(CHATS):
            return
        await asyncio.sleep(0.05)


def test_many_waits_share_a_token_and_a_few_connections(emulator: EmulatorProcess) -> None:
    async def wait() -> list[Any]:
        waits = [asyncio.create_task(event_of(trigger(number))) for number in range(len(CHATS))]
        await until_each_has_looked(emulator)
        assert shared_hook_users() == {"channel_talk_default": len(CHATS)}
        await asyncio.to_thread(close_all, emulator)
        return await asyncio.gather(*waits)

    events = asyncio.run(wait())
    found = {"userChat.state": "USER_CHAT_STATE_CLOSED"}
    assert events == [{"status": "met", "found": found}] * len(CHATS)
    assert len(emulator.token_requests()) == 1
    assert len({entry["client"] for entry in emulator.journal()}) <= THREADS
    assert shared_hook_users() == {}


def test_waits_go_on_in_another_process_from_what_was_serialized(emulator: EmulatorProcess) -> None:
    path, kwargs = trigger(0).serialize()
    code = (
        "import asyncio, json, sys; from importlib import import_module\n"
        "async def run(one):\n"
        "    print(json.dumps([event.payload async for event in one.run()]))\n"
        "path, kwargs = json.loads(sys.argv[1])\n"
        "module, _, name = path.rpartition('.')\n"
        "asyncio.run(run(getattr(import_module(module), name)(**kwargs)))"
    )
    emulator.change_user_chat("chat-0", state="closed")
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps([path, kwargs])],
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1])[0]["status"] == "met"


def test_a_rate_limit_holds_all_waits_up_and_ends_none(emulator: EmulatorProcess) -> None:
    emulator.inject("rate_limit", method="getUserChat", shape="header", reset_after_seconds=5, count=4)
    emulator.change_user_chat("chat-1", state="closed")

    async def wait() -> list[Any]:
        return await asyncio.gather(*[event_of(trigger(1, tolerated_failures=0)) for _ in range(4)])

    assert [event["status"] for event in asyncio.run(wait())] == ["met"] * 4


def test_a_secret_that_is_reissued_while_all_wait_ends_none(
    emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait() -> list[Any]:
        waits = [asyncio.create_task(event_of(trigger(number))) for number in range(len(CHATS))]
        await until_each_has_looked(emulator)
        connect(monkeypatch, emulator, await asyncio.to_thread(emulator.reissue_secret, DEMO_APP_ID))
        await asyncio.to_thread(emulator.revoke_tokens, refresh_tokens=True)
        await asyncio.to_thread(close_all, emulator)
        return await asyncio.gather(*waits)

    assert {event["status"] for event in asyncio.run(wait())} == {"met"}
    assert len(emulator.token_requests()) <= 4


def test_a_chat_that_does_not_exist_is_told_at_once(emulator: EmulatorProcess) -> None:
    event = asyncio.run(event_of(trigger(999)))
    assert (event["status"], event["error"], event["http_status"]) == ("failed", "ChannelRequestError", 404)
    # Before Airflow 3.3 what is hopeless comes as an exception of Airflow's.
    with pytest.raises((ChannelRequestError, AirflowFailException), match="userChat not found"):
        UserChatStateSensor(task_id="t", user_chat_id="nobody", state="closed", deferrable=True).execute(
            context()
        )


def test_sensor_waits_on_the_worker_until_somebody_takes_the_chat(emulator: EmulatorProcess) -> None:
    def take_it() -> None:
        while not calls(emulator, "getUserChat"):
            time.sleep(0.05)
        emulator.change_user_chat("chat-2", assignee_id="m-0001")

    somebody = threading.Thread(target=take_it)
    somebody.start()
    sensor = UserChatStateSensor(task_id="t", user_chat_id="chat-2", state="assigned", poke_interval=0.2)
    assert sensor.execute(context()) == "assigned"
    somebody.join()
    assert len(calls(emulator, "getUserChat")) > 1
