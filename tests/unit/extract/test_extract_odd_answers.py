"""Answers that are not as they should be: no row is lost in silence, and an error names the list that it is about."""

from __future__ import annotations

from typing import Any

import pytest
from support.chat_service import ChatService, messages_of, users_of

from airflow_channel_provider.exceptions import ChannelResponseError
from airflow_channel_provider.extract.windows import Window


@pytest.mark.parametrize("answer", [{"user": None}, {"user": []}, {}, [], "x"], ids=str)
def test_a_user_whose_answer_is_of_another_shape_is_not_lost_in_silence(files: Any, answer: Any) -> None:
    service = ChatService()
    service.add_chat()
    service.pages = service.pages_without_users  # type: ignore[method-assign]
    service.get = lambda path, params=None: answer  # type: ignore[method-assign]
    window = Window(0, service.tick())
    with pytest.raises(ChannelResponseError, match=r"GET /users/\{id\}: .* no record"):
        files.extract("users", window, service)
    failed: list[str] = []
    files.extract("users", window, service, on_failure=lambda name, error: failed.append(name))
    assert failed == ["u-0000"]


@pytest.mark.parametrize("nameless", [None, ""])
def test_a_chat_without_an_id_is_written_and_one_that_names_no_rows_is_counted(
    files: Any, caplog: pytest.LogCaptureFixture, nameless: str | None
) -> None:
    service = ChatService(size=10)
    service.change(8)
    chat = {
        "id": nameless,
        "userId": nameless,
        "state": "opened",
        "createdAt": 5,
        "updatedAt": 5,
        "version": 1,
    }
    service.pages = _with_rows(service.pages, "/user-chats", [chat])  # type: ignore[method-assign]
    window = Window(0, service.tick())
    assert files.extract("user_chats", window, service)["rows"] == len(service.chats) + 1
    for stream in ("messages", "users"):
        files.extract(stream, window, service)
        assert files.counts["failed"] == 1
        assert (
            files.latest(stream).keys()
            == {"messages": messages_of, "users": users_of}[stream](service).keys()
        )
        assert f"{stream}: 1 chats or groups came without the id" in caplog.text


def test_a_group_without_an_id_is_counted(files: Any, caplog: pytest.LogCaptureFixture) -> None:
    service = ChatService()
    service.others = {
        "/groups": [{"id": None, "name": "Lost"}, {"id": "g"}],
        "/groups/g/messages": [{"id": "x"}],
    }
    service.pages = service.pages_of_others  # type: ignore[method-assign]
    files.extract("group_messages", Window(0, 9), service)
    assert (files.counts["failed"], files.counts["lists"]) == (1, 1)
    assert "came without the id" in caplog.text


@pytest.mark.parametrize("stream", ["users", "messages"])
def test_an_error_names_the_list_that_it_is_about(files: Any, stream: str) -> None:
    service = ChatService()
    service.change(5)
    service.pages = _with_rows(service.pages, "/user-chats", [None])  # type: ignore[method-assign]
    with pytest.raises(ChannelResponseError, match=r"^GET /user-chats: "):
        files.extract(stream, Window(0, service.tick()), service)


def _with_rows(pages: Any, place: str, more: list[Any]) -> Any:
    """Return the pages with more rows on the last one of the list of opened chats."""

    def longer(stream: str, **filters: Any) -> Any:
        for page in pages(stream, **filters):
            is_meant = stream == place and filters.get("state") == "opened" and page.next is None
            yield page._replace(items=[*page.items, *more]) if is_meant else page

    return longer


@pytest.mark.parametrize("size", [2, 100])
def test_a_message_that_comes_twice_is_there_once_and_one_without_an_id_is_kept(
    files: Any, size: int
) -> None:
    service = ChatService(size=size)
    service.others = {
        "/groups": [{"id": "g"}],
        "/groups/g/messages": [
            *({"id": name, "createdAt": 1} for name in ("1", "1", "2", "1", "2", "3")),
            *({"id": nothing, "createdAt": 1, "plainText": text} for nothing in (None, "") for text in "ab"),
        ],
    }
    service.pages = service.pages_of_others  # type: ignore[method-assign]
    files.extract("group_messages", Window(0, 5), service)
    found = [row["id"] or row["plainText"] for row in files.rows("group_messages", Window(0, 5))]
    assert found == ["1", "2", "3", "a", "b", "a", "b"]


@pytest.mark.parametrize("answer", [[], {}, {"callLogs": []}, {"callLogs": None}], ids=str)
def test_a_range_without_calls_is_empty(files: Any, answer: Any) -> None:
    service = ChatService()
    service.others["/meet/call/log"] = answer
    assert files.extract("call_logs", Window(0, 5), service)["rows"] == 0


@pytest.mark.parametrize("answer", ["x", [None], {"callLogs": {"id": "1"}}], ids=str)
def test_what_is_no_list_of_calls_is_an_error(files: Any, answer: Any) -> None:
    service = ChatService()
    service.others["/meet/call/log"] = answer
    with pytest.raises(ChannelResponseError, match="GET /meet/call/log: "):
        files.extract("call_logs", Window(0, 5), service)
