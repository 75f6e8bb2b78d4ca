"""Whatever a service answers, each reader has a result or an error of the tree, and no error shows a secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.fuzzing import cases
from support.made_up_answers import assert_fit_to_be_shown, bodies, headers, json_values, statuses

from airflow_channel_provider.api.benlly import BenllyClient
from airflow_channel_provider.api.benlly_oauth import BenllyOAuthClient
from airflow_channel_provider.api.client import ChannelTalkClient
from airflow_channel_provider.api.error_body import (
    from_body,
    from_error,
    is_error,
    is_error_body,
    unwrap_quoted,
)
from airflow_channel_provider.api.json_body import MAX_DEPTH
from airflow_channel_provider.api.retry_after import MAX_DELAY_SECONDS, parse_retry_after
from airflow_channel_provider.api.token_answer import TokenAnswer, is_header_safe
from airflow_channel_provider.api.transport import Response, Transport
from airflow_channel_provider.contract.model import Listing, Paging
from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.hooks._paging import Pages
from airflow_channel_provider.retry import is_outcome_unclear, retry_after_seconds

pytestmark = pytest.mark.promise(name="plausible")

SECRET, OTHER_SECRET = "c2VjcmV0-of-the-call_0==", "the-client.secret~of-the-app"
NOW = 1_764_288_000.0
ECHOED = (SECRET, OTHER_SECRET, f"Bearer {SECRET}", f'{{"secret": "{SECRET}"}}')


class Scripted(Transport):
    """Answers without a network; what :class:`Transport` makes of bytes on a wire is tried elsewhere."""

    def __init__(self, answer: Response) -> None:
        super().__init__("https://service.example")
        self.answer = answer
        self.requests = 0

    def send(self, *_: Any, **__: Any) -> Response:
        self.requests += 1
        return self.answer


def talk(transport: Transport) -> ChannelTalkClient:
    return ChannelTalkClient(transport, now=lambda: NOW)


def benlly(transport: Transport) -> BenllyClient:
    return BenllyClient(transport, device="web", udid="7f0abbcd", now=lambda: NOW)


def oauth(transport: Transport) -> BenllyOAuthClient:
    return BenllyOAuthClient(transport, client_id="7", client_secret=OTHER_SECRET, now=lambda: NOW)


READERS: dict[str, Callable[[Transport], Any]] = {
    "native": lambda door: talk(door).call_native("getUser", {}, access_token=SECRET),
    "app function": lambda door: talk(door).call_app_function("app", "f", {}, access_token=SECRET),
    "issue": lambda door: talk(door).issue_token(SECRET, None),
    "issue for a channel": lambda door: talk(door).issue_token(SECRET, "ch-1"),
    "refresh": lambda door: talk(door).refresh_token(SECRET),
    "authorize": lambda door: benlly(door).authorize_channel(1, access_token=SECRET, token=OTHER_SECRET),
    "deauthorize": lambda door: benlly(door).deauthorize_channel(1, access_token=SECRET),
    "try a token": lambda door: benlly(door).accepts_token(SECRET),
    "log in": lambda door: oauth(door).log_in("mina", SECRET),
    "refresh a login": lambda door: oauth(door).refresh(SECRET),
}


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@pytest.mark.fuzz
@pytest.mark.parametrize("reader", READERS)
@cases(60)
@given(
    status=st.just(200) | statuses(),
    fields=headers(*ECHOED),
    body=bodies(*ECHOED),
)
@example(200, {}, b'{"error": {"code": 1' + b"0" * 4_000 + b"}}")
@example(429, {"Retry-After": "9" * 5_000}, b'{"retryAfter": 1' + b"0" * 4_000 + b"}")
@example(302, {"Location": f"https://{SECRET.lower()}.example/{SECRET}"}, b"")
def test_an_answer_is_a_result_or_an_error_that_can_be_shown(
    reader: str, status: int, fields: dict[str, str], body: bytes
) -> None:
    transport = Scripted(Response(status, fields, body))
    try:
        result = READERS[reader](transport)
    except ChannelError as error:
        caught: ChannelError | None = error
        assert_fit_to_be_shown(error, SECRET)
        if reader in ("authorize", "log in", "refresh a login"):
            assert_fit_to_be_shown(error, OTHER_SECRET)
    else:
        caught = None
        assert depth_of(result) <= MAX_DEPTH
        if isinstance(result, TokenAnswer):
            assert is_header_safe(result.access_token) or result.access_token == ""
            assert result.expires_in_seconds > 0
            assert SECRET not in repr(result)
    assert transport.requests == 1
    if caught is not None:
        assert is_outcome_unclear(caught) in (True, False)
        assert 0 <= (retry_after_seconds(caught, now=NOW) or 0) <= MAX_DELAY_SECONDS + 1


@pytest.mark.fuzz
@cases(150)
@given(value=json_values(*ECHOED), status=statuses())
def test_digging_takes_any_json(value: Any, status: int) -> None:
    assert is_error(value) in (True, False)
    assert is_error_body(value) in (True, False)
    for refusal in (from_error(value, status=status, body=value), from_body(value, status=status)):
        dug = unwrap_quoted(refusal)
        assert isinstance(dug.text, str)
        assert isinstance(dug.status, int)


@pytest.mark.fuzz
@cases(150)
@given(fields=headers(), body=json_values(), now=st.floats(0, 4e9))
def test_a_delay_is_a_plausible_one_or_none(fields: dict[str, str], body: Any, now: float) -> None:
    delay = parse_retry_after(fields, body, now=now)
    assert delay is None or 0 <= delay <= MAX_DELAY_SECONDS


@pytest.mark.fuzz
@cases(100)
@given(
    results=st.lists(
        json_values(SECRET)
        | st.fixed_dictionaries({"things": json_values(SECRET), "next": json_values(SECRET)}),
        min_size=1,
        max_size=6,
    ),
    paging=st.sampled_from(Paging),
)
def test_pages_are_items_or_an_error_and_come_to_an_end(results: list[Any], paging: Paging) -> None:
    asked = 0

    def fetch(params: dict[str, Any]) -> Any:
        nonlocal asked
        asked += 1
        return results[min(asked, len(results)) - 1]

    pages = Pages(fetch, "searchThings", Listing("things", paging), {"channelId": "ch-1"})
    try:
        list(pages.items())
    except ChannelError as error:
        assert_fit_to_be_shown(error, SECRET)
    assert asked <= len(results) + 1
