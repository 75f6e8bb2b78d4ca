"""What an answer may cost once it is read: its nesting, its numbers, the length of what a refusal says."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import time
from typing import Any

import pytest
import requests
from requests.structures import CaseInsensitiveDict
from urllib3.response import HTTPResponse

from airflow_channel_provider.api.envelope import read_native
from airflow_channel_provider.api.error_body import from_body, from_error, is_error, texts_of
from airflow_channel_provider.api.json_body import MAX_DEPTH, first_json, refusal_json, to_json
from airflow_channel_provider.api.response_body import read_body
from airflow_channel_provider.api.retry_after import parse_retry_after
from airflow_channel_provider.api.token_answer import is_header_safe
from airflow_channel_provider.api.transport import Response
from airflow_channel_provider.api.wire import Attempt
from airflow_channel_provider.exceptions import ChannelError, ChannelRequestError, ChannelResponseError

pytestmark = pytest.mark.promise(name="limits")

SECRET = "c2VjcmV0-of-the-call"
ANSWER_BYTES = 32 * 2**20


def read(body: bytes, status: int = 200) -> Any:
    return read_native(Response(status, {}, body), method="getUser", secrets=(SECRET,), now=0.0)


def refused(body: bytes, status: int) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        read(body, status)
    return caught.value


# ---- nesting and numbers


@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[0,{"a":[', b"]}]")])
def test_an_answer_is_nested_so_deeply_at_most(opened: bytes, closed: bytes) -> None:
    levels = opened.count(b"[") + opened.count(b"{")
    fits = MAX_DEPTH // levels
    to_json(opened * fits + b"1" + closed * fits)
    with pytest.raises(ValueError, match="nested too deeply"):
        to_json(opened * (fits + 1) + b"1" + closed * (fits + 1))


@pytest.mark.parametrize(
    "value", ["[" * 500, ["]["] * 500, [{}] * 500, {str(number): [] for number in range(500)}, 7]
)
def test_what_is_wide_is_not_deep(value: Any) -> None:
    assert to_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize("text", ["]", "}", '"]', "\\", "\\]", '\\"}', '"', "[", "가]"])
def test_brackets_in_texts_do_not_count(text: str) -> None:
    def nested(levels: int) -> bytes:
        value: Any = text
        for _ in range(levels):
            value = {text: [text, value, ""]}
        return json.dumps(value, ensure_ascii=False).encode()

    to_json(nested(MAX_DEPTH // 2))
    with pytest.raises(ValueError, match="nested too deeply"):
        to_json(nested(MAX_DEPTH // 2 + 1))


@pytest.mark.parametrize("body", [b"[" * ANSWER_BYTES, b"9" * ANSWER_BYTES, b'{"result":' * 3_000_000])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_the_largest_answer_of_nonsense_is_no_envelope(body: bytes, status: int) -> None:
    error = refused(body, status)
    assert isinstance(error, ChannelResponseError)
    assert len(str(error)) < 350


def test_a_number_of_too_many_digits_is_no_json() -> None:
    with pytest.raises(ValueError, match="digits"):
        to_json(b"9" * 5_000)
    with pytest.raises(ValueError, match="digits"):
        first_json("9" * 5_000)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1.8e308", f"{'9' * 400}.5"])
def test_a_number_that_would_become_infinite_is_no_json(number: str) -> None:
    for text in (number, f'{{"a": [0.5, {number}]}}'):
        with pytest.raises(ValueError, match="too large"):
            to_json(text.encode())
        with pytest.raises(ValueError, match="too large"):
            first_json(text)
    assert "not a valid answer" in str(refused(b'{"result": {"a": %s}}' % number.encode(), 200))


@pytest.mark.parametrize("number", ["1.7976931348623157e308", "-1e308", "5e-324", "1e-999", "0.1", "9" * 400])
def test_a_number_that_fits_is_read_as_python_reads_it(number: str) -> None:
    found = to_json(number.encode())
    assert (found, type(found)) == (json.loads(number), type(json.loads(number)))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


# ---- refusals


def test_a_refusal_that_is_larger_than_any_has_a_reason_to_be_is_not_read() -> None:
    small = json.dumps({"status": 422, "errors": [{"message": "no"}], "more": "x" * 1_000_000}).encode()
    assert "no" in str(refused(small, 422))
    large = json.dumps({"status": 422, "errors": [{"message": "no"}], "more": "x" * 1_100_000}).encode()
    assert refusal_json(large) is None
    error = refused(large, 422)
    assert type(error) is ChannelResponseError
    assert error.http_status == 422
    assert f"{len(large):,} bytes that are not a valid answer." in str(error)


def test_a_text_of_a_refusal_has_a_length_and_its_lists_a_width() -> None:
    megabytes = "a" * 3 * 2**20
    assert len(texts_of(megabytes)) == 131_072
    assert len(texts_of([megabytes, f"{megabytes}b"])) == 131_072
    assert texts_of([0] * 100 + ["out of sight"]) == ""
    assert texts_of({str(number): 0 for number in range(100)} | {"last": "out of sight"}) == ""
    assert len(from_error({"type": megabytes}, status=200, body=None).type) == 131_072
    assert len(str(from_body({"code": megabytes}, status=400).code)) == 131_072


@pytest.mark.parametrize(
    ("code", "read_as"),
    [
        (10**15 - 1, 10**15 - 1),
        (-(10**15), "-1" + "0" * 15),
        (10**4_000, "1" + "0" * 4_000),
        (1e20, "1" + "0" * 20),
    ],
)
def test_a_number_that_is_no_code_is_a_text_and_a_failure_all_the_same(code: float, read_as: object) -> None:
    assert is_error({"code": code})
    assert from_error({"code": code}, status=200, body=None).code == read_as
    error = refused(json.dumps({"error": {"code": code}}).encode(), 200)
    assert isinstance(error, ChannelRequestError)
    assert len(str(error.code)) <= 80
    assert len(str(error)) < 300


@pytest.mark.parametrize("status", [422, 500, 200])
@pytest.mark.parametrize("cut_at", [65_536, 2**17, 2**19])
@pytest.mark.parametrize("space", [" ", "\u3000"])
def test_no_cut_lays_half_a_secret_bare(status: int, cut_at: int, space: str) -> None:
    """Spaces are quoted as one, so that what stands a long way behind is near the beginning of the quotation."""
    width = len(space.encode())
    for characters in (cut_at - 11, cut_at // width - 11):
        text = f"<p>{space * characters}{SECRET}"
        for body in (text.encode(), json.dumps({"error": {"message": text}}).encode()):
            assert SECRET[:6] not in str(refused(body, status))


def test_only_the_beginning_of_a_wide_answer_is_searched_for_a_reset() -> None:
    wide: dict[str, Any] = {f"field-{number}": 0 for number in range(199)}
    assert parse_retry_after({}, wide | {"retryAfter": 7}, now=0.0) == 7.0
    assert parse_retry_after({}, wide | {"field-199": 0, "retryAfter": 7}, now=0.0) is None


def test_a_token_is_no_longer_than_a_header_may_be() -> None:
    assert is_header_safe("t" * 16_384)
    assert not is_header_safe("t" * 16_385)


# ---- time


def answer_of(body: bytes, **headers: str) -> requests.Response:
    answer = requests.Response()
    answer.status_code = 200
    answer.headers = CaseInsensitiveDict(headers)
    answer.raw = HTTPResponse(io.BytesIO(body), headers, status=200, preload_content=False)
    return answer


@pytest.mark.parametrize(
    "packed", [gzip.compress(bytes(10 * 2**20)), gzip.compress(b"") * 1_000], ids=["much", "many members"]
)
def test_the_deadline_holds_while_an_answer_is_unpacked(
    packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All bytes are there; each look at the clock finds it a second later."""
    answer = answer_of(packed, **{"Content-Encoding": "gzip"})
    attempt = Attempt(read_timeout_seconds=30, deadline=50, most_bytes=2**20)
    monkeypatch.setattr(time, "monotonic", itertools.count().__next__)
    with pytest.raises(TimeoutError, match="deadline"):
        read_body(answer, attempt, operation="getUser", most_bytes=ANSWER_BYTES)
    assert time.monotonic() == 51
