"""Bulk tasks whose files are in an object store that fails, forbids, and has names that look like patterns."""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from support.airflow_features import attach
from support.bulk_runs import State, campaign, context, counts, execute, rows
from support.object_store import CREDENTIALS, Bucket, ObjectStore

from airflow_channel_provider.bulk import files, run_state
from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from airflow_channel_provider.operators.bulk import DataTableLoadOperator
from airflow_channel_provider.operators.paged_read import PagedReadOperator
from tools.demo.ports import free_port

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*cannot be called outside", "ignore:datetime.datetime.utcnow"
)

PART_BYTES = 5 * 2**20  # the least that S3 takes


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch, bucket: Bucket) -> None:
    """An object is sent in parts sooner than usual."""
    monkeypatch.setattr(bucket.fs, "default_block_size", PART_BYTES)


@pytest.fixture
def few_losses_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_state, "FAILURES_PER_PART", 10)


class FailingState(State):
    """A task state store one of whose answers is lost."""

    def __init__(self, lost: int, *, after: bool) -> None:
        super().__init__()
        self._left = lost
        self._after = after

    def set(self, key: str, value: Any) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise ConnectionError("lost")
        super().set(key, value)
        if self._left == 0:
            raise ConnectionError("lost")


def letters(bucket: Bucket, name: str = "failed.jsonl") -> list[int]:
    return sorted(json.loads(line)["item"]["n"] for line in bucket.get(name).splitlines())


def events(**kwargs: Any) -> Any:
    """Events that the service refuses, of which none may be sent twice."""
    params = {
        "userId": "{{ 'user-ch-1-1' if item.good else 'gone' }}",
        "name": "Bought",
        "property": {"n": "{{ item.n }}"},
    }
    return campaign(method="createEvent", function_params=params, max_failures=None, **kwargs)


def tries(make: Any, state: State | None) -> dict[str, Any]:
    """Run a task until a try of it succeeds."""
    for try_number in range(1, 9):
        try:
            summary: dict[str, Any] = make().execute(context(state, try_number=try_number))
        except (ChannelError, ConnectionError):
            continue
        return summary
    raise AssertionError("no try has succeeded")


def assert_each_is_there_once(summary: dict[str, Any], emulator: EmulatorProcess, bucket: Bucket) -> None:
    """What could not be noted may be uncertain; nothing is there or sent twice, and nothing is missing."""
    assert summary["succeeded"] + summary["failed"] + summary["uncertain"] == 60
    found = letters(bucket)
    assert len(found) == len(set(found)) == summary["failed"] + summary["uncertain"]
    assert set(range(1, 60, 2)) <= set(found)
    assert [name for name in bucket.names() if not name.endswith("checkpoint.json")] == ["failed.jsonl"]
    sent = [entry for entry in emulator.journal() if entry["method"] == "createEvent"]
    assert len(sent) == len({entry["params"]["property"]["n"] for entry in sent})


# ---- whichever write fails: each failure once


PART = r"^PUT .*/failed\.jsonl\.\w+\.parts/"
LOST_WRITES = {
    "the first part": {"what": f"{PART}000001"},
    "the first part, and nobody knows": {"what": f"{PART}000001", "after": True},
    "the second part, thrice": {"what": f"{PART}000002", "count": 3},
    "a checkpoint": {"what": "^PUT .*checkpoint", "passed": 3},
    "a checkpoint, and nobody knows": {"what": "^PUT .*checkpoint", "passed": 3, "after": True},
    "five checkpoints, and nobody knows": {
        "what": "^PUT .*checkpoint",
        "passed": 3,
        "count": 5,
        "after": True,
    },
    "the file, twice": {"what": r"^PUT .*/failed\.jsonl$", "count": 2},
    "the file, and nobody knows": {"what": r"^PUT .*/failed\.jsonl$", "after": True},
    "a part that is read again": {"what": r"^GET .*\.parts/000002"},
    "a look at the file": {"what": r"^HEAD .*/failed\.jsonl$", "passed": 1},
}


@pytest.mark.usefixtures("few_losses_at_once")
@pytest.mark.parametrize("lost", LOST_WRITES.values(), ids=LOST_WRITES)
def test_each_loss_is_there_once_whichever_request_fails(
    lost: dict[str, Any], emulator: EmulatorProcess, bucket: Bucket
) -> None:
    items = [{"n": n, "good": n % 2 == 0} for n in range(60)]
    fault = bucket.store.fail(**{"count": 1, **lost})
    summary = tries(lambda: events(items=items, dead_letter=bucket.url("failed.jsonl")), None)
    assert fault.count == 0
    assert_each_is_there_once(summary, emulator, bucket)


@pytest.mark.usefixtures("few_losses_at_once")
@pytest.mark.parametrize("after", [False, True])
def test_each_loss_is_there_once_though_the_state_store_fails(
    after: bool, emulator: EmulatorProcess, bucket: Bucket
) -> None:
    items = [{"n": n, "good": n % 2 == 0} for n in range(60)]
    state = FailingState(4, after=after)
    summary = tries(lambda: events(items=items, dead_letter=bucket.url("failed.jsonl")), state)
    assert_each_is_there_once(summary, emulator, bucket)
    again = events(path=bucket.url("failed.jsonl")).execute(context(State(), run_id="again"))
    assert again["items"] == summary["failed"] + summary["uncertain"]


# ---- names


NAMES = [
    "what?.jsonl",
    "st*r.jsonl",
    "[1].jsonl",
    "a#b.jsonl",
    "per%20cent.jsonl",
    "sp ace.jsonl",
    "손님.jsonl",
    "~x.jsonl",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_at_exactly_its_path_whatever_its_name_and_those_of_its_neighbours(
    name: str, emulator: EmulatorProcess, bucket: Bucket
) -> None:
    # As Spark leaves it; and what the name would mean as a pattern.
    neighbours = [f"{name}/part-0", f"{name}/_SUCCESS", "whatX.jsonl", "star.jsonl", "1.jsonl"]
    for neighbour in neighbours:
        bucket.put(neighbour, b"others")
    letters_of = campaign(items=rows(6, {1, 4}), dead_letter=bucket.url(name), max_failures=None)
    assert counts(execute(letters_of)) == {"succeeded": 4, "failed": 2}
    assert letters(bucket, name) == [1, 4]
    read = PagedReadOperator(task_id="read", method="searchManagers", path=bucket.url(f"list/{name}"))
    count = read.execute(context(None))["count"]
    assert len(bucket.get(f"list/{name}").splitlines()) == count > 0
    assert sorted(bucket.names()) == sorted([name, f"list/{name}", *neighbours])
    assert {bucket.get(neighbour) for neighbour in neighbours} == {b"others"}


@pytest.mark.parametrize(
    "name", ["q?", "h#", "a?#b", "line\nbreak", "tab\t.jsonl", "folder/", "", "x" * 1_100]
)
def test_a_name_that_would_not_be_the_file_is_refused_before_a_request(
    name: str, emulator: EmulatorProcess, bucket: Bucket
) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"\bdead_letter\b"):
        execute(campaign(items=rows(3), dead_letter=bucket.url(name)))
    with pytest.raises(ChannelConfigurationError, match=r"\bpath\b"):
        PagedReadOperator(task_id="read", method="searchManagers", path=bucket.url(name)).execute(
            context(None)
        )
    assert (bucket.names(), emulator.stats()["calls"]) == ([], 0)


# ---- permissions


def test_what_may_not_be_deleted_is_one_warning_of_a_task_that_is_done(
    emulator: EmulatorProcess, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.store.forbid("delete")
    state, url = State(), bucket.url("failed.jsonl")
    operator = campaign(items=rows(9, {2, 5}), dead_letter=url, max_failures=None)
    assert counts(execute(operator, state)) == {"succeeded": 7, "failed": 2}
    (warning,) = [
        record.getMessage()
        for record in caplog.records
        if "can't be removed; remove it by hand" in record.getMessage()
    ]
    assert f"{bucket.name}/failed.jsonl." in warning
    assert letters(bucket) == [2, 5]
    assert counts(execute(operator, state, try_number=2)) == {"succeeded": 7, "failed": 2}


def test_an_old_file_that_may_not_be_deleted_is_emptied(emulator: EmulatorProcess, bucket: Bucket) -> None:
    url = bucket.url("failed.jsonl")
    execute(campaign(items=rows(3, {1}), dead_letter=url), run_id="one")
    bucket.store.forbid("delete")
    assert counts(execute(campaign(items=rows(3), dead_letter=url), run_id="mended")) == {"succeeded": 3}
    assert bucket.get("failed.jsonl") == b""
    assert counts(execute(campaign(items=rows(3, {0}), dead_letter=url), run_id="two")) == {
        "succeeded": 2,
        "failed": 1,
    }
    assert letters(bucket) == [0]


def test_where_nothing_may_be_deleted_and_nothing_has_failed_no_file_is_made(
    emulator: EmulatorProcess, bucket: Bucket
) -> None:
    bucket.store.forbid("delete")
    execute(campaign(items=rows(3), dead_letter=bucket.url("failed.jsonl")))
    assert bucket.names() == []


@pytest.mark.parametrize("kind", ["list", "get", "put"])
def test_a_permission_that_matters_is_named_with_its_file(
    kind: str, emulator: EmulatorProcess, bucket: Bucket
) -> None:
    bucket.store.forbid(kind)
    operator = campaign(items=rows(9, {2, 5}), dead_letter=bucket.url("failed.jsonl"), max_failures=None)
    with pytest.raises(ChannelConfigurationError, match=rf"{bucket.name}/failed\.jsonl.* permission denied"):
        execute(operator)
    if kind != "put":
        assert emulator.stats()["calls"] == 0
    bucket.store.heal()
    assert bucket.names() == []


# ---- the whole file or none


@pytest.fixture
def old(bucket: Bucket) -> bytes:
    content = b'{"dead_letter": 1, "item": {"n": 0}, "key": "0"}\n'
    bucket.put("list.jsonl", content)
    return content


FAILURES = {
    "the second part": {"what": "^PUT .*partNumber=2"},
    "the last request": {"what": "^POST .*uploadId"},
    "the first request": {"what": "^POST .*uploads"},
}


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_file_that_can_not_be_written_to_its_end_leaves_the_old_one(
    failure: dict[str, Any], status: int, bucket: Bucket, old: bytes
) -> None:
    bucket.store.fail(**failure, status=status)

    def write() -> None:
        with files.atomic_write(bucket.path("list.jsonl")) as stream:
            for _ in range(3):
                stream.write(b"x" * PART_BYTES)

    with pytest.raises(ChannelError, match=r"list\.jsonl can't be written") as caught:
        write()
    assert isinstance(caught.value, ChannelConfigurationError) is (status == 403)
    bucket.store.heal()
    gc.collect()
    assert (bucket.get("list.jsonl"), bucket.uploads()) == (old, [])
    write()
    assert len(bucket.get("list.jsonl")) == 3 * PART_BYTES


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("error", [KeyError, SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("written_bytes", [10, 3 * PART_BYTES])
def test_whatever_ends_the_writing_leaves_the_old_file(
    error: type[BaseException], written_bytes: int, bucket: Bucket, old: bytes
) -> None:
    def write() -> None:
        with files.atomic_write(bucket.path("list.jsonl")) as stream:
            stream.write(b"x" * written_bytes)
            raise error

    with pytest.raises(error):
        write()
    gc.collect()
    assert (bucket.get("list.jsonl"), bucket.uploads()) == (old, [])


@pytest.mark.usefixtures("few_losses_at_once")
def test_a_task_that_is_killed_while_the_file_is_put_together_leaves_none_and_its_next_try_the_whole(
    emulator: EmulatorProcess, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, url = State(), bucket.url("failed.jsonl")
    operator = campaign(items=rows(40, set(range(40))), dead_letter=url, max_failures=None)
    before = signal.signal(signal.SIGTERM, lambda *ignored: sys.exit(1))
    cat = bucket.fs.cat_file

    def killed(path: str, *args: Any, **kwargs: Any) -> bytes:
        if path.endswith("000002.jsonl"):
            os.kill(os.getpid(), signal.SIGTERM)
        content: bytes = cat(path, *args, **kwargs)
        return content

    try:
        with monkeypatch.context() as patch:
            patch.setattr(bucket.fs, "cat_file", killed)
            with pytest.raises(SystemExit):
                execute(operator, state)
    finally:
        signal.signal(signal.SIGTERM, before)
    gc.collect()
    assert "failed.jsonl" not in bucket.names()
    assert counts(execute(operator, state, try_number=2)) == {"failed": 40}
    assert letters(bucket) == list(range(40))
    assert bucket.names() == ["failed.jsonl"]


# ---- every task with every fault of the store


def parquet_of(items: list[dict[str, Any]]) -> bytes:
    whole = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(items), whole)
    return whole.getvalue()


def csv_of(items: list[dict[str, Any]]) -> bytes:
    return "".join(f"{item['n']},{item['chat']}\n" for item in [{"n": "n", "chat": "chat"}, *items]).encode()


def lines_of(items: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(item)}\n" for item in items).encode()


FILES = {"jsonl": lines_of, "csv": csv_of, "parquet": parquet_of}


def of_file(kind: str) -> Callable[[Bucket], Any]:
    return lambda bucket: campaign(path=bucket.url(f"rows.{kind}"))


TASKS: dict[str, Callable[[Bucket], Any]] = {
    "dead letters": lambda bucket: campaign(
        items=rows(4, {1, 2}), dead_letter=bucket.url("failed.jsonl"), max_failures=None
    ),
    "a list": lambda bucket: PagedReadOperator(
        task_id="read", method="searchManagers", path=bucket.url("list.jsonl")
    ),
    "a table": lambda bucket: DataTableLoadOperator(
        task_id="load", table_name="orders", primary_key="n", path=bucket.url("rows.parquet")
    ),
    **{kind: of_file(kind) for kind in FILES},
}
ANSWERS = {
    "all": r"/bucket-",
    "written": "^PUT /bucket-.*/",
    "looked at": "^HEAD /bucket-.*/",
    "read": "^GET /bucket-.*/",
    "listed": "^GET .*list-type",
    "removed": "^DELETE",
}


def outcome(make: Any, bucket: Bucket) -> str:
    try:
        make(bucket).execute(context(None))
    except Exception as error:
        return type(error).__name__ if isinstance(error, ChannelError) else repr(error)
    return "done"


@pytest.mark.parametrize("make", TASKS.values(), ids=TASKS)
def test_whatever_a_store_answers_is_told_as_an_error_of_ours(
    make: Any, emulator: EmulatorProcess, store: ObjectStore
) -> None:
    met = {}
    for name, what in ANSWERS.items():
        for status in (403, 404, 500, 503):
            bucket = Bucket(store)
            for kind, content_of in FILES.items():
                bucket.put(f"rows.{kind}", content_of(rows(3)))
            store.fail(what, status)
            met[name, status] = outcome(make, bucket)
            store.reset()
    told = {"done", "ChannelError", "ChannelConfigurationError"}
    assert set(met.values()) <= told, {key: came for key, came in met.items() if came not in told}
    assert (met["all", 403], met["all", 500]) == ("ChannelConfigurationError", "ChannelError")
    assert met["removed", 500] == "done"


@pytest.mark.parametrize("make", TASKS.values(), ids=TASKS)
def test_a_store_that_nothing_reaches_is_told_as_an_error_of_ours(
    make: Any, emulator: EmulatorProcess, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    clients = {
        "nothing listens": {**CREDENTIALS, "endpoint_url": f"http://127.0.0.1:{free_port()}"},
        "no credentials": {"endpoint_url": bucket.store.url},
        "no such service": {**CREDENTIALS, "endpoint_url": "http://nowhere.invalid"},
    }
    met = {}
    usual = bucket.conn_id
    for name, options in clients.items():
        config = {"retries": {"total_max_attempts": 1}, "connect_timeout": 2}
        client = s3fs.S3FileSystem(**options, config_kwargs=config, skip_instance_cache=True)
        client.retries = 1
        bucket.conn_id = f"lake {name}".replace(" ", "_")
        attach("s3", conn_id=bucket.conn_id, fs=client)
        met[name] = outcome(make, bucket)
    assert met["no credentials"] == "ChannelConfigurationError"
    assert met["nothing listens"] == met["no such service"] == "ChannelError"
    bucket.name, bucket.conn_id = "no-such-bucket", usual
    assert outcome(make, bucket) == "ChannelError"
