"""Pages that follow each other to the end, and pages that never would."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_channel_provider.contract.functions import CATALOGUE, LISTINGS
from airflow_channel_provider.contract.model import Listing, Paging, RetryClass
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelResponseError
from airflow_channel_provider.hooks._paging import MAX_EMPTY_PAGES, Pages, listing_of

SINCE, CURSOR = Listing("things"), Listing("things", Paging.CURSOR)


def next_page(cursor: str, *, more: bool) -> dict[str, Any]:
    return {"next": cursor} if more else {}


def next_cursor(cursor: str, *, more: bool) -> dict[str, Any]:
    return {"nextCursor": cursor} if more else {"nextCursor": ""}


def has_next(cursor: str, *, more: bool) -> dict[str, Any]:
    return {"nextCursor": cursor, "hasNext": more}


def has_next_of_proto(cursor: str, *, more: bool) -> dict[str, Any]:
    """As JSON that is made of a proto leaves out what is false."""
    return {"nextCursor": cursor, "hasNext": True} if more else {"nextCursor": cursor}


FORMS = [next_page, next_cursor, has_next, has_next_of_proto]


class Service:
    """A list in pages. Now and then a page is empty and leads on all the same."""

    def __init__(
        self, size: int, listing: Listing, form: Any = next_page, empty_before: frozenset[int] = frozenset()
    ) -> None:
        self.things = [{"id": number} for number in range(size)]
        self.listing = listing
        self.form = form
        self.empty_before = set(empty_before)
        self.asked: list[dict[str, Any]] = []

    def __call__(self, params: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(params)
        place = params["pagination"] if self.listing.paging is Paging.SINCE else params
        since = place.get("since" if self.listing.paging is Paging.SINCE else "cursor") or "0"
        start = int(since.split("-")[0])
        if start in self.empty_before:
            self.empty_before.remove(start)
            return {"things": [], **self.form(f"{start}-again", more=True)}
        end = start + place["limit"]
        page = self.things[start:end]
        # A cursor is a place behind an item.
        return {"things": page, **self.form(str(end) if page else "", more=end < len(self.things))}


def items(fetch: Any, listing: Listing = SINCE, **kwargs: Any) -> list[Any]:
    return list(Pages(fetch, "searchThings", listing, kwargs.pop("params", {}), **kwargs).items())


@given(
    size=st.integers(0, 60),
    page_size=st.integers(1, 12),
    limit=st.none() | st.integers(1, 70),
    empty_before=st.frozensets(st.integers(0, 60), max_size=5),
    listing=st.sampled_from([SINCE, CURSOR]),
    form=st.sampled_from(FORMS),
)
def test_every_item_comes_once_and_in_order(
    size: int,
    page_size: int,
    limit: int | None,
    empty_before: frozenset[int],
    listing: Listing,
    form: Any,
) -> None:
    service = Service(size, listing, form, empty_before)
    found = items(service, listing, page_size=page_size, limit=limit)
    assert found == service.things[:limit]
    pages = -(-len(found) // min(page_size, limit or page_size))
    # Where a page of its own has a cursor and says no more, only the next one tells that it was the last.
    assert len(service.asked) <= max(1, pages) + len(empty_before) + (form is has_next_of_proto)


@given(
    answers=st.lists(
        st.fixed_dictionaries(
            {}, optional={"things": st.lists(st.integers(0, 3), max_size=3), "next": st.sampled_from("abcd")}
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_a_service_answers_for_ever_reading_comes_to_an_end(answers: list[dict[str, Any]]) -> None:
    asked = count()
    with contextlib.suppress(ChannelResponseError):
        items(lambda params: answers[next(asked) % len(answers)])
    assert next(asked) <= 5  # four cursors, and the first page has none


def test_empty_pages_that_always_lead_on_are_an_error() -> None:
    asked = count()
    with pytest.raises(ChannelResponseError, match="100 pages in a row were empty"):
        items(lambda params: {"things": [], "next": str(next(asked))})
    assert next(asked) == MAX_EMPTY_PAGES + 1


def test_a_page_that_comes_back_under_another_cursor_is_an_error() -> None:
    asked = count()
    found = Pages(lambda _: {"things": [{"id": 1}], "next": str(next(asked))}, "m", SINCE, {}).items()
    assert next(found) == {"id": 1}
    with pytest.raises(ChannelResponseError, match="a page came back"):
        next(found)


def test_a_cursor_that_leads_to_where_reading_began_is_an_error() -> None:
    params = {"pagination": {"since": "start"}}
    with pytest.raises(ChannelResponseError, match="leads back"):
        items(lambda _: {"things": [1], "next": "start"}, params=params)


@pytest.mark.parametrize("more", [{"hasNext": False}, {"hasNext": False, "next": ""}])
@pytest.mark.parametrize("name", ["next", "nextCursor"])
def test_a_cursor_on_a_page_that_says_it_is_the_last_leads_nowhere(name: str, more: dict[str, Any]) -> None:
    asked = count()
    assert items(lambda _: {"things": [next(asked)], name: "on", **more}) == [0]


@pytest.mark.parametrize("cursor", [{}, {"next": ""}, {"nextCursor": None}])
@pytest.mark.parametrize("listing", [SINCE, CURSOR])
def test_a_page_that_says_there_is_more_but_not_where_is_no_end(
    listing: Listing, cursor: dict[str, Any]
) -> None:
    found = Pages(lambda _: {"things": [1], "hasNext": True, **cursor}, "m", listing, {}).items()
    assert next(found) == 1
    with pytest.raises(ChannelResponseError, match="says that there is more but names no cursor"):
        next(found)


def test_a_page_is_only_asked_for_when_it_is_wanted() -> None:
    service = Service(10, SINCE)
    found: Iterator[Any] = Pages(service, "m", SINCE, {}, page_size=3).items()
    assert service.asked == []
    assert len(list(islice(found, 3))) == 3
    assert len(service.asked) == 1


def test_order_and_beginning_are_the_callers() -> None:
    service = Service(10, SINCE)
    params = {"channelId": "ch-1", "pagination": {"sortOrder": "SORT_ORDER_DESC", "since": "4", "limit": 5}}
    assert items(service, params=params) == service.things[4:]
    assert service.asked == [
        {**params, "pagination": {"sortOrder": "SORT_ORDER_DESC", "since": since, "limit": 5}}
        for since in ("4", "9")
    ]
    assert params["pagination"] == {"sortOrder": "SORT_ORDER_DESC", "since": "4", "limit": 5}


@pytest.mark.parametrize(
    ("listing", "sent"),
    [
        (SINCE, {"pagination": {"sortOrder": "SORT_ORDER_ASC", "limit": 500}}),
        (CURSOR, {"limit": 500}),
        (Listing("things", Paging.WHOLE), {}),
    ],
)
def test_as_many_as_a_page_may_hold_are_asked_for(listing: Listing, sent: dict[str, Any]) -> None:
    asked: list[Any] = []
    assert items(lambda params: asked.append(params), listing) == []
    assert asked == [sent]


@pytest.mark.parametrize(
    ("listing", "params", "sent"),
    [
        (SINCE, {"pagination": {"sortOrder": None, "since": ""}}, "pagination"),
        (CURSOR, {"cursor": ""}, "limit"),
        (CURSOR, {"cursor": None}, "limit"),
    ],
)
def test_an_empty_cursor_begins_at_the_beginning(listing: Listing, params: dict[str, Any], sent: str) -> None:
    asked: list[Any] = []
    assert items(lambda given: asked.append(given), listing, params=params) == []
    pagination = {"sortOrder": "SORT_ORDER_ASC", "since": "", "limit": 500}
    assert asked == [{"pagination": pagination} if sent == "pagination" else {"limit": 500}]


def test_a_list_in_one_answer_is_read_as_it_is() -> None:
    whole = Listing("things", Paging.WHOLE)
    assert items(lambda _: {"things": [1, 1], "next": "n"}, whole) == [1, 1]
    assert items(lambda _: [1, 2], whole, limit=1) == [1]


@pytest.mark.parametrize("answer", [None, {}, {"things": None}, {"things": None, "users": []}], ids=str)
def test_a_list_that_is_null_or_left_out_is_empty(answer: Any) -> None:
    assert items(lambda _: answer) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"users": [], "count": 3}, "no list of things; its lists are users. Correct items_field"),
        ({"things": {"id": 1}}, "no list of things"),
        ("things", "no list of things"),
        ([1], "no list of things"),
        ({"things": [], "next": True}, "not a cursor but a bool"),
        ({"things": [], "next": {"id": 1}}, "next is not a cursor but a dict"),
        ({"things": [], "nextCursor": [1]}, "nextCursor is not a cursor but a list"),
        ({"things": [], "next": "n", "hasNext": "yes"}, "hasNext is not true or false but a str"),
    ],
)
def test_an_answer_that_is_no_page_is_an_error(answer: Any, words: str) -> None:
    with pytest.raises(ChannelResponseError, match=words):
        items(lambda _: answer)


@pytest.mark.parametrize(
    "wrong",
    [
        {"page_size": 0},
        {"page_size": True},
        {"limit": 0},
        {"limit": 1.5},
        {"params": {"pagination": [1]}},
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_read(wrong: Any) -> None:
    given = {"listing": SINCE, "params": {}, **wrong}
    with pytest.raises(ChannelConfigurationError, match=r"searchThings: (page_size|limit|params)"):
        Pages(lambda _: None, "searchThings", **given)


# What is known of the functions


def test_lists_are_functions_of_the_catalogue_that_change_nothing() -> None:
    assert {CATALOGUE[name].retry for name in LISTINGS} == {RetryClass.READ}


def test_a_field_that_the_caller_names_is_taken() -> None:
    assert listing_of("searchManagers", None) == Listing("managers")
    assert listing_of("listActiveOAuthManagerTargets", "others") == Listing("others", Paging.CURSOR)
    assert listing_of("searchWhatIsNew", "things") == Listing("things")


@pytest.mark.parametrize(
    ("method", "field", "words"),
    [
        ("writeUserChatMessage", "message", "so it can't be read as a list"),
        ("searchWhatIsNew", None, "give items_field"),
        ("getUserChat", None, "give items_field"),
    ],
)
def test_what_is_no_list_is_refused(method: str, field: str | None, words: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=words):
        listing_of(method, field)


# Through the hook


def test_hook_yields_what_the_service_lists(doors: Any) -> None:
    doors.client.script = [{"managers": [{"id": "a"}], "next": "n"}, {"managers": [{"id": "b"}]}]
    found = doors.hook().iterate("searchManagers", page_size=1)
    assert doors.client.calls == []
    assert [manager["id"] for manager in found] == ["a", "b"]
    assert [params for _, params, _ in doors.client.calls] == [
        {"channelId": "ch-1", "pagination": {"sortOrder": "SORT_ORDER_ASC", "limit": 1}},
        {"channelId": "ch-1", "pagination": {"sortOrder": "SORT_ORDER_ASC", "limit": 1, "since": "n"}},
    ]


def test_hook_refuses_at_once_and_names_its_connection_when_pages_go_round(doors: Any) -> None:
    with pytest.raises(ChannelConfigurationError):
        doors.hook().iterate("searchManagers", limit=-1)
    doors.client.script = [{"managers": [{"id": "a"}], "next": "n"}]
    with pytest.raises(ChannelResponseError, match="Connection 'channel_talk_default': searchManagers"):
        list(doors.hook().iterate("searchManagers"))
