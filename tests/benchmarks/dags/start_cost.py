"""Tasks that do the least that a task can do: one call, bare or with the hook. Each notes what it has cost."""

from __future__ import annotations

from airflow.sdk import dag, task


@task
def cost(kind: str) -> None:
    import json
    import os
    import resource

    def milliseconds() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return (usage.ru_utime + usage.ru_stime) * 1e3

    def status(pid: int) -> dict[str, str]:
        with open(f"/proc/{pid}/status") as stream:
            return dict(line.split(":\t", 1) for line in stream if ":\t" in line)

    def megabytes(pid: int) -> float:
        return int(status(pid)["VmRSS"].split()[0]) / 1024

    began = milliseconds()
    if kind == "bare":
        import requests

        body = {"method": "getChannel", "params": {"channelId": "ch-1"}}
        url = f"{os.environ['BENCH_EMULATOR']}/general/v1/native/functions"
        requests.put(url, json=body, headers={"x-access-token": "a"}, timeout=30).json()
    else:
        from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

        ChannelTalkHook().call("getChannel", channel_id="ch-1")
    ended = milliseconds()
    parent = os.getppid()
    found = {
        "kind": kind,
        "cpu": ended - began,
        "process_cpu": ended,
        "rss": megabytes(os.getpid()),
        "worker_rss": megabytes(parent),
        "first_rss": megabytes(int(status(parent)["PPid"])),
    }
    with open(os.environ["BENCH_RESULTS"], "a") as stream:
        stream.write(json.dumps(found) + "\n")


@dag(schedule=None)
def start_cost() -> None:
    # Alternately, so that both meet the same load.
    cost.expand(kind=["ours", *["bare", "ours"] * 6])


start_cost()
