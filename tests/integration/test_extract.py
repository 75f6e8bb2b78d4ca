"""The operator against the emulator: what is in the files, and what leads on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.providers.common.compat.sdk import DAG, Asset, AssetAlias
from support.open_api import connection

from airflow_channel_provider.assets import EXTRACTED
from airflow_channel_provider.emulator import EmulatorThread
from airflow_channel_provider.exceptions import (
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelRequestError,
    ChannelTooManyFailuresError,
)
from airflow_channel_provider.extract.streams import STREAMS
from airflow_channel_provider.hooks import _paging
from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook
from airflow_channel_provider.operators.extract import ExtractOperator

pytestmark = pytest.mark.usefixtures("errors_as_they_are")

NOW = datetime.now(tz=timezone.utc)
WINDOW = (NOW - timedelta(hours=1), NOW + timedelta(hours=1))


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_OPEN_API_DEFAULT", connection(emulator.url))
        yield emulator


class Events(dict[str, Any]):
    """What a task has for its outlets, by URI or name: not every Airflow can look up an alias itself."""

    def __getitem__(self, outlet: Any) -> Any:
        key = getattr(outlet, "uri", "") or outlet.name
        if key not in self:
            self[key] = event = SimpleNamespace(extra={}, added=[])
            event.add = lambda asset, extra: event.added.append((asset.uri, extra))
        return super().__getitem__(key)


def context(**changes: Any) -> Any:
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=1)
    return {"ti": ti, "outlet_events": Events(), **changes}


def extract(folder: Path, stream: str, *, run: Any = None, **arguments: Any) -> dict[str, Any]:
    operator = ExtractOperator(
        **{"task_id": "t", "stream": stream, "path": f"{folder}/", "window": WINDOW, **arguments}
    )
    summary: dict[str, Any] = operator.execute(run or context())
    return summary


def rows(summary: dict[str, Any]) -> list[dict[str, Any]]:
    manifest = Path(summary["manifest"])
    found: list[dict[str, Any]] = []
    for file in json.loads(manifest.read_text("utf-8"))["files"]:
        content = manifest.with_name(file["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        lines = content.decode().splitlines()
        assert len(lines) == file["rows"]
        found += map(json.loads, lines)
    return found


def test_every_stream_is_there_and_named_once() -> None:
    assert set(EXTRACTED) == set(STREAMS)


@pytest.mark.parametrize("stream", EXTRACTED)
@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
def test_each_stream_can_be_extracted(
    emulator: EmulatorThread, tmp_path: Path, stream: str, file_format: str
) -> None:
    summary = extract(tmp_path, stream, file_format=file_format)
    assert summary["channel_id"] == "ch-1"
    assert json.loads(Path(summary["manifest"]).read_text("utf-8"))["rows"] == summary["rows"]
    names = {path.name for path in Path(summary["manifest"]).parent.iterdir()}
    assert names == {
        "_manifest.json",
        *(f"part-{n:05d}.{file_format}" for n in range(1, summary["files"] + 1)),
    }


def test_chats_messages_and_users_are_what_the_service_has(emulator: EmulatorThread, tmp_path: Path) -> None:
    with ChannelTalkOpenApiHook() as hook:
        for chat in ("chat-ch-1-1", "chat-ch-1-2"):
            for text in ("Hello", "안녕하세요 \ud83d"):
                hook.request("POST", f"/user-chats/{chat}/messages", json={"plainText": text})
        hook.request("PATCH", "/user-chats/chat-ch-1-3/close", params={"botName": "Bot"})
        chats = [chat for state in ("opened", "closed") for chat in hook.iterate("user_chats", state=state)]
        messages = [
            message for chat in chats for message in hook.iterate("messages", user_chat_id=chat["id"])
        ]

    def service_side(found: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            row["id"]: {name: value for name, value in row.items() if not name.startswith("_")}
            for row in found
        }

    assert service_side(rows(extract(tmp_path, "user_chats"))) == service_side(chats)
    assert service_side(rows(extract(tmp_path, "messages"))) == service_side(messages)
    users = rows(extract(tmp_path, "users"))
    assert sorted(user["id"] for user in users) == [f"user-ch-1-{n}" for n in range(1, 6)]
    row = users[0]
    assert row["_window_start"] < row["_extracted_at"] < row["_window_end"]


def test_parquet_has_types_and_keeps_what_is_unknown(emulator: EmulatorThread, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with ChannelTalkOpenApiHook() as hook:
        hook.request("PUT", "/users/@member-ch-1-1", json={"profile": {"name": "Mina", "plan": "pro"}})
    summary = extract(tmp_path, "users", file_format="parquet", custom_fields=["plan"], mask=["profile.name"])
    table = parquet.read_table(Path(summary["manifest"]).with_name("part-00001.parquet"))
    assert str(table.schema.field("createdAt").type) == "timestamp[ms, tz=UTC]"
    assert str(table.schema.field("blocked").type) == "bool"
    found = {row["id"]: row for row in table.to_pylist()}
    mina = found["user-ch-1-1"]
    assert mina["profile_plan"] == "pro"
    assert "Mina" not in mina["profile"]
    assert json.loads(mina["profile"])["plan"] == "pro"
    assert abs(mina["createdAt"] - NOW) < timedelta(hours=1)
    assert mina["_window_start"] == WINDOW[0].replace(microsecond=WINDOW[0].microsecond // 1000 * 1000)


def test_what_is_masked_leaves_no_trace(emulator: EmulatorThread, tmp_path: Path) -> None:
    plain, hidden = tmp_path / "plain", tmp_path / "hidden"
    names = {row["name"] for row in rows(extract(plain, "users"))}
    summary = extract(hidden, "users", mask=["name", "memberId"])
    for path in hidden.rglob("*"):
        content = path.read_text("utf-8") if path.is_file() else ""
        assert not [name for name in names if name in content]
        assert "member-ch-1" not in content
    assert json.loads(Path(summary["manifest"]).read_text("utf-8"))["masked"] == ["name", "memberId"]


def test_a_key_of_its_own_hides_over_a_change_of_the_secret(
    emulator: EmulatorThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MASK", json.dumps({"conn_type": "generic", "password": "key-1"}))
    monkeypatch.setenv("AIRFLOW_CONN_EMPTY", json.dumps({"conn_type": "generic"}))
    first = rows(extract(tmp_path / "1", "users", mask=["name"], mask_conn_id="mask"))
    second = rows(extract(tmp_path / "2", "users", mask=["name"]))
    assert {row["name"] for row in first}.isdisjoint(row["name"] for row in second)
    with pytest.raises(ChannelConfigurationError, match="'empty' has no password"):
        extract(tmp_path / "3", "users", mask=["name"], mask_conn_id="empty")


def test_a_longer_run_before_leaves_nothing_behind(emulator: EmulatorThread, tmp_path: Path) -> None:
    summary = extract(tmp_path, "user_chats", part_rows=1)
    folder = Path(summary["manifest"]).parent
    for number in range(2, 7):
        folder.joinpath(f"part-{number:05d}.jsonl").write_text("{}\n")
        folder.joinpath(f"part-{number:05d}.parquet").write_text("old")
    folder.joinpath("part-00001.parquet").write_text("old")
    extract(tmp_path, "user_chats")
    assert sorted(path.name for path in folder.iterdir()) == ["_manifest.json", "part-00001.jsonl"]


def test_the_manifest_goes_first_and_comes_last(emulator: EmulatorThread, tmp_path: Path) -> None:
    manifest = Path(extract(tmp_path, "messages")["manifest"])
    emulator.inject("http_500", method="/open/v5/user-chats/chat-ch-1-5/messages")
    with pytest.raises(ChannelRequestError):
        extract(tmp_path, "messages", call_attempts=1)
    assert not manifest.exists()


def test_an_error_in_the_middle_of_a_chat_costs_this_chat_alone(
    emulator: EmulatorThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(ChannelTalkOpenApiHook):
        """Fails on the second page of the third chat, once."""

        second_pages = 0

        def get(self, path: str, params: Any = None) -> Any:
            if path.endswith("/messages"):
                asked.append(path)
                self.second_pages += "since" in params
                if self.second_pages == 3:
                    self.second_pages += 1
                    raise ChannelNotSentError("The network is down.")
            return super().get(path, params)

    asked: list[str] = []
    monkeypatch.setattr(_paging, "MAX_PAGE_SIZE", 2)
    with ChannelTalkOpenApiHook() as hook:
        for number in range(1, 6):
            for text in "abc":
                hook.request("POST", f"/user-chats/chat-ch-1-{number}/messages", json={"plainText": text})
    operator = ExtractOperator(task_id="t", stream="messages", path=str(tmp_path), window=WINDOW)
    operator.__dict__["hook"] = Failing()
    with pytest.raises(ChannelNotSentError):
        operator.execute(context())
    whole, broken = list(dict.fromkeys(asked))[:2], asked[-1]
    asked.clear()
    found = rows(operator.execute(context()))
    assert broken in asked
    assert not set(whole) & set(asked)
    assert len({row["id"] for row in found}) == len(found)
    assert {row["chatId"] for row in found} == {f"chat-ch-1-{number}" for number in range(1, 6)}


class Refusing(ChannelTalkOpenApiHook):
    """Meets chats that the service refuses to show; the emulator shows each."""

    refused: Container[str] = ()

    def get(self, path: str, params: Any = None) -> Any:
        if path in self.refused:
            raise ChannelRequestError(f"GET {path}: no", http_status=422)
        return super().get(path, params)


def operator_beside_refusals(tmp_path: Path, *chat_ids: str, **kwargs: Any) -> ExtractOperator:
    operator = ExtractOperator(
        task_id="t", stream="messages", path=str(tmp_path / "files"), window=WINDOW,
        dead_letter=str(tmp_path / "failed.jsonl"), **kwargs,
    )  # fmt: skip
    hook = operator.__dict__["hook"] = Refusing()
    hook.refused = {f"/user-chats/{chat_id}/messages" for chat_id in chat_ids}
    return operator


def test_a_chat_that_cannot_be_read_goes_to_the_dead_letters(
    emulator: EmulatorThread, tmp_path: Path
) -> None:
    letters = tmp_path / "failed.jsonl"
    summary = operator_beside_refusals(tmp_path, "chat-ch-1-5").execute(context())
    assert (summary["failed"], summary["complete"], summary["dead_letter"]) == (1, False, str(letters))
    (letter,) = map(json.loads, letters.read_text("utf-8").splitlines())
    assert letter["item"] == {"stream": "messages", "chatId": "chat-ch-1-5"}


@pytest.mark.parametrize(("most", "refused"), [(1, 2), (0.5, None)])
def test_more_than_may_be_unreadable_fail_the_task(
    emulator: EmulatorThread, tmp_path: Path, most: float, refused: int | None
) -> None:
    chat_ids = [chat["id"] for chat in rows(extract(tmp_path / "chats", "user_chats"))][:refused]
    operator = operator_beside_refusals(tmp_path, *chat_ids, max_failures=most)
    with pytest.raises(ChannelTooManyFailuresError, match=f"more than max_failures={most} allows"):
        operator.execute(context())
    assert not list(tmp_path.glob("files/messages/*/_manifest.json"))
    summary = operator_beside_refusals(tmp_path, *chat_ids, max_failures=None).execute(context())
    assert summary["failed"] == len(chat_ids) > 1


def test_dead_letters_on_another_disk_are_missed_before_anything_is_read(
    emulator: EmulatorThread, tmp_path: Path
) -> None:
    for chat_id in ("chat-ch-1-5", "chat-ch-1-6"):
        emulator.write_message(chat_id, "The chat of the last message is read first.")
    refused = "chat-ch-1-6", "chat-ch-1-1"
    with pytest.raises(ChannelTooManyFailuresError):
        operator_beside_refusals(tmp_path, *refused, max_failures=1, part_rows=1).execute(context())
    (parts,) = tmp_path.glob("failed.jsonl.*.parts")
    parts.rename(tmp_path / "elsewhere")
    again = operator_beside_refusals(tmp_path, *refused, max_failures=None, part_rows=1)
    with pytest.raises(ChannelConfigurationError, match=r"000001.jsonl, a part of .* does not exist here"):
        again.execute(context())
    tmp_path.joinpath("elsewhere").rename(parts)
    assert again.execute(context())["failed"] == 2


def test_asset_events_name_the_manifest(emulator: EmulatorThread, tmp_path: Path) -> None:
    run = context()
    operator = ExtractOperator(
        task_id="t", stream="managers", path=str(tmp_path), window=WINDOW, channel_id="ch-1",
        outlets=[AssetAlias("extracted"), Asset("channeltalk://ch-1/groups")],
    )  # fmt: skip
    summary = operator.execute(run)
    alias, other, own = operator.outlets
    assert own.uri == "channeltalk://ch-1/managers"
    assert run["outlet_events"][own].extra["manifest"] == summary["manifest"]
    assert run["outlet_events"][alias].added == [(own.uri, run["outlet_events"][own].extra)]
    assert other.uri not in run["outlet_events"]
    assert operator.extraction is not None
    assert operator.extraction.files == [str(Path(summary["manifest"]).with_name("part-00001.jsonl"))]


@pytest.mark.parametrize(
    "wrong", [{"channel_id": "{{ var.value.channel }}"}, {"stream": "{{ params.stream }}"}]
)
def test_what_names_an_outlet_is_no_template(wrong: dict[str, str]) -> None:
    arguments: Any = {"stream": "managers", "channel_id": "ch-1", **wrong}
    with pytest.raises(ChannelConfigurationError, match=f"{next(iter(wrong))} can't be a template"):
        ExtractOperator(task_id="t", path="/data", **arguments)


def test_a_channel_that_is_a_number_is_its_text() -> None:
    operator = ExtractOperator(task_id="t", path="/data", stream="managers", channel_id=12)  # type: ignore[arg-type]
    assert (operator.channel_id, operator.outlets[0].uri) == ("12", "channeltalk://12/managers")


@pytest.mark.parametrize(("zone", "hours"), [("America/New_York", 25), ("Asia/Seoul", 24)])
def test_a_day_of_a_schedule_is_one_of_its_time_zone(
    emulator: EmulatorThread, tmp_path: Path, zone: str, hours: int
) -> None:
    from airflow.timetables.trigger import CronTriggerTimetable

    end = datetime(2026, 11, 2, tzinfo=ZoneInfo(zone)).astimezone(timezone.utc)
    timetable = CronTriggerTimetable("0 0 * * *", timezone=zone)
    dag = DAG("d", schedule=timetable, start_date=end - timedelta(days=9))
    run = {**context(), "dag": dag, "data_interval_start": end, "data_interval_end": end}
    summary = extract(tmp_path, "managers", run=run, window=timedelta(days=1))
    start = end - timedelta(hours=hours)
    assert (summary["window_start"], summary["window_end"]) == (
        f"{start:%Y-%m-%dT%H:%M:%S}.000Z",
        f"{end:%Y-%m-%dT%H:%M:%S}.000Z",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"stream": "cases"}, "stream must be one of user_chats"),
        ({"file_format": "csv"}, "file_format must be one of"),
        ({"part_rows": 0}, "part_rows must be"),
        ({"mask": ["mial"]}, "mask names 'mial'"),
        ({"custom_fields": ["plan"], "stream": "bots"}, "has no custom fields"),
        ({"window": None}, "no data interval"),
        ({"channel_id": "ch-2"}, "those of another channel"),
        ({"path": "None"}, "path has no value"),
        ({"mask": ["plainText"], "mask_conn_id": "nowhere"}, r"'nowhere' \(argument mask_conn_id\)"),
        ({"mask": ["plainText"], "mask_conn_id": ""}, "mask_conn_id is empty"),
        ({"dead_letter": ""}, "dead_letter has no value"),
    ],
)
def test_wrong_arguments_are_said_before_anything_is_written(
    emulator: EmulatorThread,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ChannelError, match=said):
        extract(tmp_path / "files", **{"stream": "messages", **arguments})
    assert list(tmp_path.iterdir()) == []


def test_the_log_says_what_is_extracted_and_where_it_goes(
    emulator: EmulatorThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    log = SimpleNamespace(
        info=lambda line, *values: lines.append(line % values), warning=lambda *_, **__: None
    )
    monkeypatch.setattr(ExtractOperator, "log", log)
    start = datetime(2026, 11, 1, tzinfo=timezone.utc)
    summary = extract(tmp_path, "managers", window=(start, start + timedelta(days=1)))
    folder = summary["manifest"].removesuffix("/_manifest.json")
    assert f"managers: from 2026-11-01T00:00:00.000Z to 2026-11-02T00:00:00.000Z, into {folder}" in lines
    assert any(line.startswith("managers: 2 rows in 1 file, ") for line in lines)


def test_a_window_that_is_not_over_says_so(emulator: EmulatorThread, tmp_path: Path) -> None:
    assert extract(tmp_path, "managers")["complete"] is False
    over = extract(tmp_path, "managers", window=(NOW - timedelta(days=1), NOW - timedelta(seconds=1)))
    assert over["complete"] is True
