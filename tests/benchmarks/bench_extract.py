"""
What an extraction costs beside a bare loop over the same pages: CPU, and memory at two sizes.

The bare loop is what is written by hand first: ``requests``, ``json``, a line of JSON a message, or pyarrow's own
way from dicts to a Parquet file. Each measurement has a process of its own, and all of them one emulator, whose CPU
does not count. They take turns, and of each the cheapest counts, since what else the machine does only adds. Prints the
ratios; ``python tests/benchmarks/bench_extract.py CHATS MESSAGES`` takes other sizes, such as 200 chats of 1,500
messages for full pages. With ``--memory CHATS`` it measures memory alone: 100000 are 1,000,000 messages.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from airflow_channel_provider.emulator import EmulatorProcess

sys.path.insert(0, str(Path(__file__).parents[1]))

CHATS = 10_000
MESSAGES_PER_CHAT = 10
SMALL_CHATS = 1_000
ROUNDS = 3
MOST = {"jsonl": 1.3, "parquet": 1.5}
MOST_MEMORY = 1.1
ROWS_AT_ONCE = 20_000
STATES = ("opened", "closed", "snoozed", "queued", "initial", "missed")


def bare(url: str, target: str, file_format: str) -> int:
    """Write each message by hand; return how many."""
    session = requests.Session()
    session.headers.update({"x-access-key": "open-key-ch-1", "x-access-secret": "open-secret-ch-1"})

    def pages(path: str, **params: Any) -> Any:
        while True:
            answer = json.loads(session.get(f"{url}/open/v5{path}", params=params, timeout=60).content)
            yield answer
            if not answer.get("next"):
                return
            params["since"] = answer["next"]

    def messages() -> Any:
        for state in STATES:
            for page in pages("/user-chats", state=state, limit=500, sortOrder="desc"):
                for chat in page["userChats"]:
                    for answer in pages(f"/user-chats/{chat['id']}/messages", limit=500, sortOrder="asc"):
                        yield from answer["messages"]

    return _to_lines(messages(), target) if file_format == "jsonl" else _to_parquet(messages(), target)


def _to_lines(messages: Any, target: str) -> int:
    count = 0
    with open(target, "w", encoding="utf-8") as file:
        for message in messages:
            file.write(json.dumps(message) + "\n")
            count += 1
    return count


def _to_parquet(messages: Any, target: str) -> int:
    import pyarrow
    from pyarrow import parquet

    from airflow_channel_provider.extract.formats import arrow_schema
    from airflow_channel_provider.extract.schema import Layout
    from airflow_channel_provider.extract.streams import STREAMS, Kind

    # The same columns, so that pyarrow has the same work: what is no text, number or time is JSON.
    schema = arrow_schema(Layout(STREAMS["messages"]))
    nested = [name for name, kind in STREAMS["messages"].columns.items() if kind is Kind.JSON]
    count, rows = 0, []
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        for message in messages:
            for name in nested:
                if name in message:
                    message[name] = json.dumps(message[name])
            rows.append(message)
            if len(rows) == ROWS_AT_ONCE:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema))
                count, rows = count + len(rows), []
        writer.write_table(pyarrow.Table.from_pylist(rows, schema))
    return count + len(rows)


def ours(target: str, file_format: str, stream: str = "messages") -> int:
    """Extract the messages; return how many."""
    from support import extract_run

    now_ms = int(time.time() * 1000)
    window = [now_ms - 60 * 86_400_000, now_ms]
    return int(
        extract_run.run({"stream": stream, "path": target, "file_format": file_format, "window": window})[
            "rows"
        ]
    )


def measure(how: str, url: str, file_format: str) -> None:
    """Run one of them in this process, and print what it cost."""
    from support.open_api import connection

    os.environ["AIRFLOW_CONN_CHANNEL_TALK_OPEN_API_DEFAULT"] = connection(url)
    with tempfile.TemporaryDirectory() as folder:
        # What both import and open only once is there before the clock starts.
        if how == "bare":
            _to_parquet([], f"{folder}/empty") if file_format == "parquet" else None
            requests.get(url, timeout=60)
        else:
            ours(f"{folder}/channel", file_format, "channel")
        before = time.process_time()
        rows = bare(url, f"{folder}/messages", file_format) if how == "bare" else ours(folder, file_format)
        seconds = time.process_time() - before
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "seconds": seconds, "memory_mb": memory_mb}))


def measured(how: str, url: str, file_format: str) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", how, url, file_format]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _seconds(result: dict[str, float]) -> float:
    return result["seconds"]


def emulator_of(chats: int, messages_per_chat: int = MESSAGES_PER_CHAT) -> EmulatorProcess:
    """Return an emulator with generated chats and no rate limit to speak of."""
    from airflow_channel_provider.emulator import EmulatorProcess

    return EmulatorProcess(
        settings={
            "generated_chats": chats,
            "generated_messages_per_chat": messages_per_chat,
            "open_api_rate_limit": 100_000_000,
        }
    )


def compare_speed(chats: int, messages_per_chat: int) -> None:
    """Print the ratios of CPU."""
    with emulator_of(chats, messages_per_chat) as emulator:
        for file_format, most in MOST.items():
            rounds = [
                {how: measured(how, emulator.url, file_format) for how in ("bare", "ours")}
                for _ in range(ROUNDS)
            ]
            by_hand, ours = (min((one[how] for one in rounds), key=_seconds) for how in ("bare", "ours"))
            assert ours["rows"] == by_hand["rows"]
            print(
                f"{file_format}: {ours['rows']:,.0f} messages, bare loop {by_hand['seconds']:.1f} s CPU, extraction "
                f"{ours['seconds']:.1f} s: {ours['seconds'] / by_hand['seconds']:.2f} of it (at most {most})"
            )


def compare_memory(chats: int) -> None:
    """Print the ratios of peak memory."""
    found = []
    for number in (SMALL_CHATS, chats):
        with emulator_of(number) as emulator:
            found.append({name: measured("ours", emulator.url, name) for name in MOST})
    small, large = found
    for name in MOST:
        ratio = large[name]["memory_mb"] / small[name]["memory_mb"]
        print(
            f"{name}: memory {large[name]['memory_mb']:.0f} MB at {large[name]['rows']:,.0f} messages, {ratio:.2f} of "
            f"that at {small[name]['rows']:,.0f} (at most {MOST_MEMORY})"
        )


def main(arguments: list[str]) -> None:
    """Print the ratios."""
    if arguments[:1] == ["--measure"]:
        measure(*arguments[1:4])
    elif arguments[:1] == ["--memory"]:
        compare_memory(int(arguments[1]))
    else:
        sizes = [int(number) for number in arguments]
        compare_speed(*(sizes or [CHATS]), *([] if len(sizes) > 1 else [MESSAGES_PER_CHAT]))
        if not sizes:
            compare_memory(CHATS)


if __name__ == "__main__":
    main(sys.argv[1:])
