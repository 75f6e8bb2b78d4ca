from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_channel_provider.api.retry_after import parse_retry_after

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
RESET = "X-Rate-Limit-Reset"
HOUR_EARLIER = "Tue, 14 Nov 2023 21:13:20 GMT"


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        # Retry-After.
        ({"Retry-After": "7"}, None, 7),
        ({"retry-after": " 7 "}, None, 7),
        ({"RETRY-AFTER": "0"}, None, 0),
        ({"Retry-After": "1.5"}, None, 1.5),
        ({"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}, None, 30),
        ({"Retry-After": "Tue, 14 Nov 2023 22:13:10 GMT"}, None, 0),
        ({"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT", "Date": HOUR_EARLIER}, None, 3630),
        ({"Retry-After": "-1"}, None, None),
        ({"Retry-After": "soon"}, None, None),
        ({"Retry-After": "nan"}, None, None),
        ({"Retry-After": "1e3"}, None, None),
        ({"Retry-After": "٣"}, None, None),
        ({"Retry-After": ""}, None, None),
        ({"Retry-After": "86400"}, None, 86_400),
        ({"Retry-After": "86401"}, None, None),
        # The reset header.
        ({RESET: "1700000090"}, None, 90),
        ({"x-ratelimit-reset": "1700000090"}, None, 90),
        ({"X-RateLimit-Reset": "1700000090.5"}, None, 90.5),
        ({RESET: "1700000090000"}, None, 90),
        ({RESET: "90"}, None, 90),
        ({RESET: "1699999990"}, None, 0),
        ({RESET: "1700000090", "Date": HOUR_EARLIER}, None, 3690),
        ({RESET: "1700000090", "Date": "nonsense"}, None, 90),
        ({RESET: "2023-11-14T22:14:50Z"}, None, 90),
        ({RESET: "1700000090", "X-Rate-Limit-Remaining": "0"}, None, 90),
        ({RESET: "1700000090", "X-Rate-Limit-Remaining": "3"}, None, None),
        ({RESET: "9999999999999999"}, None, None),
        # The body.
        ({}, {"errors": [{RESET: 1_700_000_090}]}, 90),
        ({}, {"errors": [{}, {RESET: "1700000090"}]}, 90),
        ({}, {RESET: 1_700_000_090}, 90),
        ({}, {RESET: "2023-11-14T22:14:50Z"}, 90),
        ({}, {RESET: "2023-11-15T07:14:50+09:00"}, 90),
        ({}, {RESET: "2023-11-14T21:14:50.250000000-01:00"}, 90.25),
        ({}, {RESET: "2023-11-14 22:14:50"}, 90),
        ({}, {"error": {RESET: 1_700_000_090}}, 90),
        ({}, {"error": {"data": {}}, "retryAfter": 5}, 5),
        ({}, {"retry-after": "5"}, 5),
        ({"date": HOUR_EARLIER}, {RESET: 1_700_000_090}, 3690),
        ({}, {RESET: "2023-13-14T22:14:50Z"}, None),
        ({}, {RESET: "2023-11-14T22:14:50+99:00"}, None),
        ({}, {RESET: True}, None),
        ({}, {RESET: None}, None),
        ({}, {RESET: float("nan")}, None),
        ({}, {RESET: 10**400}, None),
        ({}, {RESET: {"at": 1}}, None),
        ({}, {"errors": "none"}, None),
        ({}, {"errors": [1, None]}, None),
        ({}, [1], None),
        ({}, None, None),
        # The order, and what follows nonsense.
        ({"Retry-After": "7", RESET: "1700000090"}, {RESET: 1_700_000_100}, 7),
        ({RESET: "1700000090"}, {RESET: 1_700_000_100}, 90),
        ({"Retry-After": "soon", RESET: "later"}, {RESET: 1_700_000_100}, 100),
        ({"Retry-After": "9999999", RESET: "1900000000"}, {RESET: 1_700_000_100}, 100),
        ({}, {RESET: 1_700_000_100, "errors": [{RESET: 1_700_000_090}]}, 90),
    ],
)
def test_the_delay_is_taken_from_the_best_evidence(
    headers: dict[str, str], body: Any, expected: float | None
) -> None:
    assert parse_retry_after(headers, body, now=NOW) == expected


@settings(deadline=None)
@given(skew=st.integers(-(10**8), 10**8), delay=st.integers(0, 1800))
def test_with_a_date_the_local_clock_does_not_matter(skew: int, delay: int) -> None:
    headers = {"Date": "Tue, 14 Nov 2023 22:13:20 GMT", RESET: str(int(NOW) + delay)}
    assert parse_retry_after(headers, None, now=NOW + skew) == delay


@settings(deadline=None)
@given(
    headers=st.dictionaries(st.sampled_from(["Retry-After", "Date", RESET]), st.text()),
    value=st.text() | st.floats(),
)
def test_any_text_gives_a_sane_delay_or_none(headers: dict[str, str], value: Any) -> None:
    delay = parse_retry_after(headers, {RESET: value}, now=NOW)
    assert delay is None or 0 <= delay <= 86_400
