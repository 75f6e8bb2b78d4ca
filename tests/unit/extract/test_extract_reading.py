"""Nothing is lost and nothing is twice, whatever the list does while it is read."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chat_service import ChatService, chats_of, messages_of, users_of
from support.extracted import Files, KilledError
from support.fuzzing import cases

from airflow_channel_provider.exceptions import (
    ChannelConfigurationError,
    ChannelNotSentError,
    ChannelRequestError,
)
from airflow_channel_provider.extract.windows import Window

ORDERS = ["updatedAt", "createdAt", None]


def windows_until(service: ChatService, number: int) -> list[Window]:
    """Windows that touch and hold all that has happened."""
    service.tick()
    step = service.now_ms // number + 1
    return [Window(start * step, (start + 1) * step) for start in range(number)]


@pytest.mark.parametrize("positional", [False, True])
@pytest.mark.parametrize("sorted_by", ORDERS)
@pytest.mark.parametrize("seed", range(3))
def test_windows_in_any_order_equal_the_service(
    files: Any, seed: int, sorted_by: str | None, positional: bool
) -> None:
    service = ChatService(seed, sorted_by=sorted_by, positional=positional)
    service.change(60)
    windows = windows_until(service, 7)
    # While these are read, chats change: they move into windows that are still to come.
    service.between = lambda: service.change(service.random.randint(0, 1))
    for window in windows:
        files.extract("user_chats", window, service)
        files.extract("messages", window, service)
    service.between = lambda: None
    # The clocks of the files must have gone on when the last window is read.
    later = [Window(windows[-1].end_ms, service.tick() + 1)]
    service.now_ms += 10
    everything = [*windows, *later]
    service.random.shuffle(everything)
    for window in everything:
        for stream in ("user_chats", "messages", "users"):
            files.extract(stream, window, service)
            ids = Counter(row["id"] for row in files.rows(stream, window))
            assert not [name for name, number in ids.items() if number > 1]
    assert files.latest("user_chats") == chats_of(service)
    assert files.latest("messages") == messages_of(service)
    assert files.latest("users") == service.users


@pytest.mark.fuzz
@cases(60)
@given(
    st.integers(0, 10_000),
    st.sampled_from(ORDERS),
    st.booleans(),
    st.sampled_from(["user_chats", "messages", "users"]),
)
def test_a_killed_try_is_gone_on_with(
    seed: int, sorted_by: str | None, positional: bool, stream: str
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        files = Files(folder)
        service = ChatService(seed, sorted_by=sorted_by, positional=positional)
        service.change(40)
        window = Window(0, service.tick() + 1)
        service.now_ms += 10
        late = [Window(window.end_ms, 10**9)]

        def disturb() -> None:
            if service.random.random() < 0.3:
                service.change()
            if service.random.random() < 0.05:
                raise KilledError

        service.between = disturb
        for _ in range(200):
            try:
                files.extract(stream, window, service)
                break
            except KilledError:
                continue
        else:
            service.between = lambda: None
            files.extract(stream, window, service)
        service.between = lambda: None
        ids = Counter(row["id"] for row in files.rows(stream, window))
        assert not [name for name, number in ids.items() if number > 1]
        service.now_ms += 10
        files.extract(stream, late[0], service)
        expected = {"user_chats": chats_of, "messages": messages_of, "users": users_of}[stream]
        assert files.latest(stream) == expected(service)
    finally:
        shutil.rmtree(folder)


def test_a_sorted_list_is_left_where_the_window_begins(files: Any) -> None:
    service = ChatService()
    service.change(200)
    start = sorted(chat["updatedAt"] for chat in service.chats.values())[-10]
    files.extract("user_chats", Window(start, service.tick()), service)
    assert len(files.rows("user_chats", Window(start, service.now_ms))) == 10
    sorted_requests = len(service.requests)
    service.requests.clear()
    service.sorted_by = "id"
    files.extract("user_chats", Window(start, service.now_ms), service)
    assert len(service.requests) > sorted_requests + 10


def test_a_list_in_no_order_is_read_to_its_end_with_a_warning(
    files: Any, caplog: pytest.LogCaptureFixture
) -> None:
    service = ChatService(sorted_by=None)
    service.change(50)
    files.extract("user_chats", Window(0, service.tick()), service)
    assert "not sorted by the last change" in caplog.text


def test_the_next_try_goes_on_behind_the_last_whole_part(files: Any) -> None:
    service = ChatService(size=10)
    service.change(150)
    window = Window(0, service.tick())
    files.extract_until_killed("messages", window, service, requests=20)
    before = [path.name for path in files.of("messages", window).iterdir()]
    whole = [name for name in before if name.startswith("part-")]
    assert whole, "parts were complete before"
    kept = {name: files.of("messages", window).joinpath(name).stat().st_mtime_ns for name in whole}
    service.requests.clear()
    files.extract("messages", window, service)
    assert {name: files.of("messages", window).joinpath(name).stat().st_mtime_ns for name in whole} == kept
    again = [path for path in service.requests if path.endswith("/messages")]
    assert 0 < len(again) < len(service.chats)
    assert files.latest("messages") == messages_of(service)


def test_a_try_does_not_go_on_behind_parts_of_another_channel(files: Any) -> None:
    window, service = Window(0, 9_000_000), ChatService()
    service.change(5)
    parts = files.parts("user_chats", window, service.now_ms, most_rows=1, channel_id="ch-2")
    parts.write([{"id": "of-another-channel"}], 5)
    parts.border([], {})
    files.extract("user_chats", window, service)
    assert files.latest("user_chats").keys() == service.chats.keys()


def test_a_state_that_is_not_ours_is_not_read(files: Any, tmp_path: Path) -> None:
    window, service = Window(0, 9), ChatService()
    folder = files.of("user_chats", window)
    folder.mkdir(parents=True)
    tmp_path.joinpath("elsewhere").write_text("{}")
    folder.joinpath("_state-00001.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ChannelConfigurationError, match="remove it, or set path to another folder"):
        files.extract("user_chats", window, service)


def test_a_cursor_that_is_refused_begins_the_list_anew(files: Any, caplog: pytest.LogCaptureFixture) -> None:
    service = ChatService()
    service.change(30)
    window = Window(0, service.tick())
    parts = files.parts("user_chats", window, service.now_ms, most_rows=1)
    parts.write([{"id": "gone-meanwhile"}], 5)
    parts.border([], {"pass": 1, "list": "opened", "since": "bad"})
    files.extract("user_chats", window, service, most_rows=1)
    assert "no longer takes the cursor" in caplog.text
    assert files.latest("user_chats").keys() == {"gone-meanwhile", *service.chats}


def test_a_chat_that_is_gone_is_passed_over_and_another_error_is_not(files: Any) -> None:
    service = ChatService()
    service.change(20)
    window = Window(0, service.tick())
    gone, broken = list(service.chats)[:2]
    service.refusals[f"/user-chats/{gone}/messages"] = ChannelRequestError("gone", http_status=404)
    files.extract("messages", window, service)
    assert gone not in {row["chatId"] for row in files.rows("messages", window)}
    service.refusals[f"/user-chats/{broken}/messages"] = ChannelRequestError("no", http_status=422)
    with pytest.raises(ChannelRequestError):
        files.extract("messages", window, service)
    failed: list[tuple[str, Exception]] = []
    files.extract("messages", window, service, on_failure=lambda *what: failed.append(what))
    assert [name for name, _ in failed] == [broken]
    service.refusals[f"/user-chats/{broken}/messages"] = ChannelNotSentError("away")
    with pytest.raises(ChannelNotSentError):
        files.extract("messages", window, service, on_failure=lambda *what: failed.append(what))


def test_a_user_whom_the_list_leaves_out_is_asked_for(files: Any) -> None:
    service = ChatService()
    service.change(10)
    service.pages = service.pages_without_users  # type: ignore[method-assign]
    window = Window(0, service.tick())
    files.extract("users", window, service)
    assert files.latest("users") == service.users


@pytest.mark.parametrize("ahead_seconds", [-590, -90, 0, 90, 590])
def test_clocks_may_differ_by_the_lookback(files: Any, ahead_seconds: int) -> None:
    service = ChatService(positional=True, now_ms=100_000_000)
    for _ in range(12):
        service.add_chat()
    for name in ("c-0003", "c-0007", "c-0001"):  # so that the order is told apart
        service.touch(name)
    window = Window(99_000_000, service.now_ms + 1, 600_000)
    service.now_ms += 180_000
    requests = iter(range(10_000))

    def close_one() -> None:
        if next(requests) == 1:  # what follows moves up, and a cursor that is a position passes over one chat
            first = service._listed("opened")[0]["id"]
            service.touch(first)
            service.chats[first]["state"] = "closed"

    service.between = close_one
    files.extract("user_chats", window, service, ahead_ms=ahead_seconds * 1000)
    expected = {name for name, chat in service.chats.items() if window.holds(chat["updatedAt"])}
    assert expected <= files.latest("user_chats").keys()


def test_lists_are_whole_in_each_window_and_messages_of_groups_are_not(files: Any) -> None:
    service = ChatService(size=2)
    service.others = {
        "/managers": [{"id": f"m-{n}"} for n in range(5)],
        "/groups": [{"id": "g-1"}, {"id": "g-2"}],
        "/channel": {"channel": {"id": "ch-1", "name": "Cafe"}},
    }
    service.pages = service.pages_of_others  # type: ignore[method-assign]
    service.others["/groups/g-1/messages"] = [{"id": f"x-{at}", "createdAt": at} for at in range(10)]
    service.others["/groups/g-2/messages"] = [{"id": "y", "createdAt": 1, "updatedAt": 5}]
    window = Window(3, 7)
    for _ in range(2):
        files.extract("managers", window, service)
        files.extract("channel", window, service)
        files.extract("group_messages", window, service)
    assert len(files.rows("managers", window)) == 5
    assert [row["name"] for row in files.rows("channel", window)] == ["Cafe"]
    assert sorted(row["id"] for row in files.rows("group_messages", window)) == [
        "x-3",
        "x-4",
        "x-5",
        "x-6",
        "y",
    ]


def test_calls_are_asked_for_in_ranges_that_the_service_takes(files: Any) -> None:
    service = ChatService()
    ranges: list[tuple[int, int]] = []
    day_ms = 86_400_000

    def get(path: str, params: Any = None) -> Any:
        ranges.append((params["from"], params["to"]))
        return [{"userChatId": "c", "createdAt": params["from"]}, {"userChatId": "c", "createdAt": 7}]

    service.get = get  # type: ignore[method-assign]
    window = Window(0, 200 * day_ms, lookback_ms=5)
    manifest = files.extract("call_logs", window, service)
    assert ranges[0][0] == -5
    assert ranges[-1][1] == 200 * day_ms
    assert all(end - start <= 90 * day_ms for start, end in ranges)
    assert manifest["rows"] == 1 + len(ranges), "a call that two ranges hold is there once"
