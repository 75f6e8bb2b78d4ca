"""Objects that another process writes or removes: behind a listing that is remembered, and while they are read."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import random
from collections.abc import Callable
from functools import cache
from itertools import count as counter
from threading import Lock
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.parquet
import pytest
from support.bulk_runs import State, campaign, counts, execute, rows, texts

from airflow_channel_provider.bulk import parquet_reader, text_files
from airflow_channel_provider.bulk import plan as plan_module
from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from airflow_channel_provider.operators.bulk import DataTableLoadOperator

if TYPE_CHECKING:
    from support.object_store import Bucket

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*cannot be called outside", "ignore:datetime.datetime.utcnow"
)

OLD, NEW = 150, 170
PAD_BYTES = 10_000
"""What makes each row so long that no buffer of a reader, such as the 128 KiB of gzip, holds much of a file."""


def jsonl_of(items: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(item)}\n" for item in items).encode()


def csv_of(items: list[dict[str, Any]]) -> bytes:
    return "".join(
        f"{','.join(map(str, line))}\n" for line in (items[0], *(i.values() for i in items))
    ).encode()


def parquet_of(items: list[dict[str, Any]]) -> bytes:
    whole = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(items), whole, row_group_size=50)
    return whole.getvalue()


CONTENTS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "jsonl": jsonl_of,
    "csv": csv_of,
    "parquet": parquet_of,
    "jsonl.gz": lambda items: gzip.compress(jsonl_of(items)),
    "csv.xz": lambda items: lzma.compress(csv_of(items)),
}


@pytest.fixture(params=CONTENTS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is asked for in many pieces, and when items are sent, most of them are not yet asked for."""
    monkeypatch.setattr(text_files, "READ_AHEAD_BYTES", 32_768)
    monkeypatch.setattr(text_files, "BLOCK_BYTES", 32_768)
    monkeypatch.setattr(parquet_reader, "READ_AHEAD_BYTES", 32_768)
    plan = plan_module.Plan
    monkeypatch.setattr(plan_module, "Plan", lambda **given: plan(**{**given, "read_ahead": 16}))


@cache
def content(kind: str, count: int, mark: str) -> bytes:
    """Return a file whose rows have the same keys, and by their mark other bytes."""
    noise = random.Random(mark)
    return CONTENTS[kind]([{**row, "pad": noise.randbytes(PAD_BYTES).hex()} for row in rows(count)])


def meeting(url: str, happens: Callable[[], object]) -> Any:
    """
    Return a task in the midst of whose items something happens, once; the other items wait for it.

    It happens with the twentieth item that a worker takes, whichever that is: some are sent by then, and no more than
    16 others are read.
    """
    taken, one_at_a_time = counter(1), Lock()

    def params(item: Any) -> dict[str, Any]:
        with one_at_a_time:
            if next(taken) == 20:
                happens()
        return {"userChatId": item["chat"], "dto": {"plainText": f"order {item['n']}", "botName": "Shop"}}

    return campaign(path=url, function_params=params, max_failures=None)


# ---- while it is read


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("count", [NEW, 60])
def test_an_object_that_is_overwritten_while_it_is_read_is_one_error_and_the_retry_sends_each_once(
    count: int, kind: str, emulator: EmulatorProcess, bucket: Bucket
) -> None:
    name, other = f"rows.{kind}", content(kind, count, "b")
    operator = meeting(bucket.put(name, content(kind, OLD, "a")), lambda: bucket.put(name, other))
    state = State()
    with pytest.raises(ChannelError, match=rf"rows\.{kind} was changed while it was read") as caught:
        execute(operator, state)
    assert not isinstance(caught.value, ChannelConfigurationError)
    sent = texts(emulator)
    assert 0 < len(sent) < OLD
    assert counts(execute(operator, state, try_number=2)) == {"succeeded": count}
    assert texts(emulator) == dict.fromkeys([*sent, *(f"order {n}" for n in range(count))], 1)


@pytest.mark.usefixtures("small_pieces")
def test_an_object_that_is_removed_while_it_is_read_is_one_error_and_the_retry_sends_each_once(
    kind: str, emulator: EmulatorProcess, bucket: Bucket
) -> None:
    name = f"rows.{kind}"
    url = bucket.put(name, content(kind, OLD, "a"))
    operator = meeting(url, lambda: bucket.store.keys.delete_object(Bucket=bucket.name, Key=name))
    state = State()
    for try_number in (1, 2):
        with pytest.raises(ChannelError, match=rf"rows\.{kind} can't be read: it does not exist"):
            execute(operator, state, try_number=try_number)
    bucket.put(name, content(kind, OLD, "a"))
    assert counts(execute(operator, state, try_number=3)) == {"succeeded": OLD}
    assert texts(emulator) == {f"order {n}": 1 for n in range(OLD)}


# ---- behind a listing that is remembered


def remembered(bucket: Bucket) -> set[str]:
    """Let the client remember what is there, and return it."""
    return {name.rpartition("/")[2] for name in bucket.fs.ls(bucket.name)}


def test_a_file_is_read_as_it_is_whatever_is_remembered_of_it(
    kind: str, emulator: EmulatorProcess, bucket: Bucket
) -> None:
    name = f"rows.{kind}"
    url = bucket.put(name, content(kind, 3, "a"))
    assert remembered(bucket) == {name}
    # As long a listing, another size; then shorter; then by a name that is not in it.
    for run, count in enumerate((9, 2)):
        bucket.put(name, content(kind, count, "b"))
        assert counts(execute(campaign(path=url), run_id=f"{run}")) == {"succeeded": count}
        assert remembered(bucket) == {name}
    fresh = bucket.put(f"fresh.{kind}", content(kind, 4, "c"))
    assert bucket.fs.dircache[bucket.name]
    assert counts(execute(campaign(path=fresh), run_id="fresh")) == {"succeeded": 4}


def test_a_file_that_was_removed_is_not_there_whatever_is_remembered_of_it(
    kind: str, emulator: EmulatorProcess, bucket: Bucket
) -> None:
    name = f"rows.{kind}"
    url = bucket.put(name, content(kind, 3, "a"))
    assert remembered(bucket) == {name}
    bucket.store.keys.delete_object(Bucket=bucket.name, Key=name)
    with pytest.raises(ChannelError, match=rf"rows\.{kind} can't be read: it does not exist"):
        execute(campaign(path=url))
    assert emulator.messages() == []


def test_a_table_is_loaded_from_the_object_as_it_is(emulator: EmulatorProcess, bucket: Bucket) -> None:
    url = bucket.put("rows.parquet", parquet_of(rows(5)))
    assert bucket.fs.info(f"{bucket.name}/rows.parquet")["size"]
    assert remembered(bucket) == {"rows.parquet"}
    bucket.put("rows.parquet", parquet_of(rows(700)))
    load = DataTableLoadOperator(task_id="bulk", table_name="orders", primary_key="n", path=url)
    assert counts(execute(load)) == {"succeeded": 700}
