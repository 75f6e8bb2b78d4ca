"""What a call through the hook costs, beside the same request through a bare ``requests.Session``, in the same run."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from tempfile import TemporaryDirectory

os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"

import requests

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorProcess

ROUNDS, CALLS = 15, 200


def connection(url: str) -> str:
    host = url.removeprefix("http://")
    return f"channel-talk://demo-app:{DEMO_SECRET.replace('=', '%3D')}@{host}/?channel_id=ch-1".replace(
        "/?channel_id", "/http?channel_id"
    )


def microseconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS * 1e6


def main() -> None:
    with EmulatorProcess() as emulator, TemporaryDirectory() as home:
        os.environ["AIRFLOW_CONN_CHANNEL_TALK_DEFAULT"] = connection(emulator.url)
        os.environ["AIRFLOW__CHANNEL_TALK__STORE"] = f"file://{home}/tokens"
        from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

        hook = ChannelTalkHook()
        params = {"channelId": "ch-1", "userId": "user-ch-1-1"}
        session = requests.Session()
        url = f"{emulator.url}/general/v1/native/functions"
        headers = {"x-access-token": hook.get_access_token()}

        def bare() -> object:
            answer = session.put(
                url, json={"method": "getUser", "params": params}, headers=headers, timeout=30
            )
            answer.raise_for_status()
            return answer.json()["result"]

        def through_the_hook() -> object:
            return hook.call("getUser", params)

        assert bare() == through_the_hook()
        times: dict[str, list[float]] = {"bare": [], "hook": []}
        for _ in range(ROUNDS):
            times["bare"].append(microseconds(bare))
            times["hook"].append(microseconds(through_the_hook))
        ratios = [
            hook_time / bare_time for hook_time, bare_time in zip(times["hook"], times["bare"], strict=True)
        ]
        spread = f"({min(ratios):.2f} to {max(ratios):.2f}; aim: at most 1.10)"
        print(f"requests.Session.put     {statistics.median(times['bare']):8.0f} us a call")
        print(f"ChannelTalkHook.call     {statistics.median(times['hook']):8.0f} us a call")
        print(f"ratio                    {statistics.median(ratios):8.2f}  {spread}")


if __name__ == "__main__":
    main()
