"""Which row belongs to which window, and when a list has shown its order."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.extract.windows import (
    FallingOrder,
    Window,
    change_ms,
    last_messages,
    window_of,
)
from airflow_channel_provider.times import EPOCH, iso, ms_of, to_ms

DAY_MS = 86_400_000
NOV = datetime(2026, 11, 1, tzinfo=timezone.utc)
NOV_MS = ms_of(NOV)
FIRST_DAY_OF_ALL = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (NOV_MS, NOV_MS),
        (float(NOV_MS), NOV_MS),
        (str(NOV_MS), NOV_MS),
        ("2026-11-01T00:00:00Z", NOV_MS),
        ("2026-11-01T00:00:00.123456789Z", NOV_MS + 123),
        ("2026-11-01T00:00:00.5Z", NOV_MS + 500),
        ("2026-11-01T09:00:00+09:00", NOV_MS),
        ("2026-11-01 09:00:00+0900", NOV_MS),
        ("2026-11-01T00:00:00", NOV_MS),
        (-1, -1),
        (True, None),
        (None, None),
        ("soon", None),
        ("2026-13-01T00:00:00Z", None),
        (10**16, None),
        (253_402_300_800_000, None),
        (-62_135_596_800_001, None),
        (-62_135_596_800_001.0, None),
        ("0001-01-01T00:00:00+09:00", None),
        ("9999-12-31T23:59:59-09:00", None),
        (float("nan"), None),
        ([], None),
    ],
)
def test_moments_of_both_dialects(value: Any, ms: int | None) -> None:
    assert to_ms(value) == ms


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_texts_of_moments_come_back(ms: int) -> None:
    assert to_ms(iso(ms)) == ms


@given(st.lists(st.integers(0, 10**13), min_size=2, max_size=2).map(sorted))
def test_texts_sort_as_the_moments_do(two: list[int]) -> None:
    assert sorted(map(iso, two)) == [iso(ms) for ms in two]


@given(
    st.lists(st.integers(0, 10**10), min_size=2, max_size=12, unique=True).map(sorted), st.integers(0, 10**10)
)
def test_each_moment_belongs_to_one_of_the_windows_that_touch(borders: list[int], ms: int) -> None:
    windows = [Window(one, other) for one, other in pairwise(borders)]
    assert sum(window.holds(ms) for window in windows) == (borders[0] <= ms < borders[-1])


def test_a_border_belongs_to_the_window_that_it_begins() -> None:
    window = Window(NOV_MS, NOV_MS + DAY_MS, lookback_ms=1000)
    assert [window.holds(NOV_MS + shift) for shift in (-1001, -1000, 0, DAY_MS - 1, DAY_MS)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert window.holds(None), "a row that does not say when it changed is in each window"


@pytest.mark.parametrize(
    ("given_window", "how", "expected"),
    [
        (None, {"interval": (NOV, NOV + timedelta(days=1))}, (NOV, NOV + timedelta(days=1))),
        (["2026-11-01", "2026-11-02"], {}, (NOV, NOV + timedelta(days=1))),
        ((date(2026, 11, 1), NOV + timedelta(hours=1)), {}, (NOV, NOV + timedelta(hours=1))),
        (["2026-11-01T09:00:00+09:00", "2026-11-01T00:00:01"], {}, (NOV, NOV + timedelta(seconds=1))),
        (timedelta(days=1), {"interval": (NOV, NOV)}, (NOV - timedelta(days=1), NOV)),
        (timedelta(days=1), {"run_after": NOV}, (NOV - timedelta(days=1), NOV)),
        (None, {"partition_key": "2026-11-01"}, (NOV, NOV + timedelta(days=1))),
        (None, {"partition_key": "2026-11-01T05"}, (NOV + timedelta(hours=5), NOV + timedelta(hours=6))),
        (None, {"partition_key": "2026-11"}, (NOV, datetime(2026, 12, 1, tzinfo=timezone.utc))),
        (
            None,
            {"partition_key": "2026"},
            tuple(datetime(y, 1, 1, tzinfo=timezone.utc) for y in (2026, 2027)),
        ),
        (
            timedelta(days=1),
            {"partition_key": "2026-11-01T00:00:00", "interval": (NOV, NOV)},
            (NOV, NOV + timedelta(days=1)),
        ),
        (
            None,
            {"partition_key": "2026-11-01", "partition_date": NOV - timedelta(hours=9)},
            (NOV - timedelta(hours=9), NOV + timedelta(hours=15)),
        ),
    ],
)
def test_the_window_of_a_run(given_window: Any, how: dict[str, Any], expected: Any) -> None:
    window = window_of(given_window, **how)
    assert (window.start_ms, window.end_ms) == tuple(map(ms_of, expected))


def local(zone: ZoneInfo, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=zone)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize("name", ["Asia/Seoul", "America/New_York", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize(
    "form",
    [lambda moment: moment, lambda moment: moment.astimezone(timezone.utc), pendulum.instance],
    ids=["as it is", "UTC", "pendulum"],
)
def test_partitions_of_a_zone_touch(name: str, form: Any) -> None:
    zone = ZoneInfo(name)
    months = [local(zone, 2026 + n // 12, n % 12 + 1, 1) for n in range(26)]
    days = [local(zone, 2026, 1, 1) + timedelta(days=n) for n in range(400)]  # by the clocks of the zone
    years = [local(zone, year, 1, 1) for year in (2023, 2024, 2025, 2026)]
    for borders, key in ((months, "%Y-%m"), (days, "%Y-%m-%d"), (years, "%Y")):
        for start, end in pairwise(borders):
            window = window_of(None, partition_key=start.strftime(key), partition_date=form(start), zone=zone)
            assert (window.start_ms, window.end_ms) == (ms_of(start), ms_of(end)), start
            if key == "%Y-%m-%d":
                length = window_of(
                    timedelta(days=1), interval=(None, end.astimezone(timezone.utc)), zone=zone
                )
                assert length == window


def test_hours_are_as_long_as_everywhere() -> None:
    zone, hour = ZoneInfo("America/New_York"), timedelta(hours=1)
    first = datetime(2026, 11, 1, 4, tzinfo=timezone.utc)  # midnight; the clocks go back at 06:00 UTC
    for start in (first + n * hour for n in range(5)):
        begins = start.astimezone(zone)
        window = window_of(None, partition_key=f"{begins:%Y-%m-%dT%H}", partition_date=begins, zone=zone)
        assert (window.start_ms, window.end_ms) == (ms_of(start), ms_of(start + hour))
        assert window_of(hour, interval=(None, start + hour), zone=zone) == window
    window = window_of(timedelta(days=1, hours=2), interval=(None, first + timedelta(days=1)), zone=zone)
    assert window.start_ms == ms_of(first - timedelta(hours=3)), "a day of the zone and two hours"


def test_a_month_that_begins_on_a_day_that_the_next_has_not_ends_with_it() -> None:
    begins = datetime(2026, 1, 31, tzinfo=timezone.utc)
    window = window_of(None, partition_key="2026-01", partition_date=begins)
    assert window.end_ms == ms_of(datetime(2026, 2, 28, tzinfo=timezone.utc))


@pytest.mark.parametrize(
    ("given_window", "how", "said"),
    [
        (None, {}, "no data interval"),
        (None, {"interval": (NOV, NOV)}, "has no length in Airflow 3"),
        (["2026-11-02", "2026-11-01"], {}, "is empty"),
        (["2026-11-01"], {}, "two moments"),
        ([1, 2], {}, "must be datetimes"),
        ("2026-11-01", {}, "window must be two moments"),
        (None, {"partition_key": "seoul"}, "partition key is no time"),
        (None, {"partition_key": "2026-13-01"}, "no time that there is"),
        (None, {"partition_key": "2026-11-01T00:00:00"}, "not how long it is"),
        (None, {"interval": (NOV, NOV + timedelta(days=1)), "lookback": -1}, "lookback must be"),
        (["-5", "2026-01-01"], {}, "must be datetimes"),
        ([FIRST_DAY_OF_ALL, "2026-01-01"], {}, "not within the years 1 to 9999"),
        (timedelta(days=10**6), {"interval": (None, NOV)}, "not within the years 1 to 9999"),
        (None, {"partition_key": "9999"}, "not within the years 1 to 9999"),
    ],
)
def test_what_is_no_window_says_so(given_window: Any, how: dict[str, Any], said: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=said):
        window_of(given_window, **how)


def test_the_name_of_a_window_is_that_of_a_folder() -> None:
    assert Window(NOV_MS, NOV_MS + DAY_MS).name == "20261101T000000Z_20261102T000000Z"
    assert Window(NOV_MS + 5, NOV_MS + 10).name == "20261101T000000.005Z_20261101T000000.010Z"


def test_a_row_changed_at_the_latest_of_its_times() -> None:
    assert change_ms({"updatedAt": 5, "createdAt": "3", "frontUpdatedAt": 7, "expiresAt": 99}) == 7
    assert change_ms({"updatedAt": iso(NOV_MS), "createdAt": 1}) == NOV_MS
    assert change_ms({"updatedAt": "soon"}) is None
    assert change_ms({}) is None
    assert last_messages(
        [{"chatId": "c", "createdAt": 3}, {"chatId": "c", "createdAt": 2, "updatedAt": 9}, "no message"]
    ) == {"c": 9}
    assert last_messages(None) == {}


def seen(*rows: tuple[int | None, int]) -> FallingOrder:
    order = FallingOrder()
    order.see([change for change, _ in rows], [created for _, created in rows])
    return order


def test_reading_stops_early_only_where_the_order_was_seen() -> None:
    assert seen((9, 3), (8, 5), (7, 1)).is_past(8)
    assert not seen((9, 3), (8, 5), (7, 1)).is_past(7), "what changed at the border may follow"
    assert not seen((9, 9), (8, 8), (7, 7)).is_past(8), "it may be sorted by creation"
    assert not seen((8, 3), (9, 5), (7, 1)).is_past(8), "it is not sorted"
    assert not seen((9, 3), (None, 5), (7, 1)).is_past(8)
    assert not FallingOrder().is_past(8)


def test_each_list_begins_anew_and_what_was_seen_stays() -> None:
    order = seen((9, 3), (8, 5), (7, 1))
    order.begin()
    assert not order.is_past(8)
    order.see([20, 6], [20, 6])
    assert order.has_held
    assert order.is_past(8)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=30), st.integers(0, 50))
def test_a_sorted_list_never_hides_a_chat_behind_where_reading_stops(
    chats: list[tuple[int, int]], start: int
) -> None:
    chats = sorted(((max(pair), min(pair)) for pair in chats), reverse=True)
    order = FallingOrder()
    for place, (change, created) in enumerate(chats):
        order.see([change], [created])
        if order.is_past(start):
            assert all(later < start for later, _ in chats[place:])


def test_epoch_is_where_it_is() -> None:
    assert ms_of(EPOCH) == 0


def test_moments_of_airflow_are_taken() -> None:
    begin = pendulum.datetime(2026, 11, 1, 9, tz="Asia/Seoul")
    assert ms_of(begin) == NOV_MS
    window = window_of(timedelta(days=1), interval=(begin, begin))
    assert (window.start_ms, window.end_ms) == (NOV_MS - DAY_MS, NOV_MS)
