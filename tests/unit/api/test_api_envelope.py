from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.refused import NOW, answer, common, plain, proxied

from airflow_channel_provider.api.envelope import read_native
from airflow_channel_provider.api.transport import Response
from airflow_channel_provider.exceptions import (
    ChannelError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelResponseError,
)

SECRET = "s3cret-value-of-the-test"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"accessToken": "a", "expiresIn": 1}, {"accessToken": "a", "expiresIn": 1}),
        ({"result": {"id": 1}}, {"id": 1}),
        ({"result": {"id": 1}, "error": None}, {"id": 1}),
        ({"result": {"id": 1}, "error": {}}, {"id": 1}),
        ({"result": {"id": 1}, "error": {"type": "", "message": ""}}, {"id": 1}),
        ({"result": {"id": 1}, "error": {"type": "", "message": " ", "code": 0, "data": None}}, {"id": 1}),
        ({"result": {"id": 1}, "error": ""}, {"id": 1}),
        ({"result": {"id": 1}, "error": []}, {"id": 1}),
        ({"error": {}}, None),
        ({"error": {"status": 0, "type": "", "language": "ko", "errors": [], "details": None}}, None),
        ({"error": None}, None),
        ({"result": None}, None),
        ({"result": []}, []),
        ({"result": 0}, 0),
        ({"result": False}, False),
        ({"result": {"success": True}}, {"success": True}),
        ({"result": {"success": None}}, {"success": None}),
        ({"result": {"error": "in the data"}}, {"error": "in the data"}),
        ({"result": {"status": 404, "errors": []}}, {"status": 404, "errors": []}),
        ({"status": 200, "errors": []}, {"status": 200, "errors": []}),
        ({}, {}),
        (b"\xef\xbb\xbf" + b'{"result": "bom"}', "bom"),
        (b' \n{"result": "\xec\x95\x88"}\n', "안"),
    ],
)
@pytest.mark.parametrize("status", [200, 201])
def test_success_gives_the_result(body: Any, expected: Any, status: int) -> None:
    assert read_native(answer(body, status), method="getChannel", now=NOW) == expected


UNUSABLE: list[tuple[str, bytes, int, str]] = [
    ("empty", b"", 200, "an empty body"),
    ("no content", b"", 204, "an empty body"),
    ("HTML", b"<html>\n maintenance </html>", 200, "not a valid answer: <html> maintenance </html>"),
    ("HTML 502", b"<html>bad gateway</html>", 502, "not a valid answer: <html>bad gateway</html>"),
    ("empty 500", b"", 500, "an empty body"),
    ("JSON 500 that is no error", b'{"a": 1}', 500, "8 bytes that are not a valid answer"),
    ("result with 500", b'{"result": {}}', 500, "not a valid answer"),
    ("truncated", b'{"result": {"id": "12', 200, "not a valid answer"),
    ("two documents", b'{"result": 1}{"result": 2}', 200, "not a valid answer"),
    ("not UTF-8", b'{"result": "\xff"}', 200, "not a valid answer"),
    ("UTF-16", '{"result": 1}'.encode("utf-16"), 200, "not a valid answer"),
    ("nested too deeply", b'{"result":' + b"[" * 100_000, 200, "not a valid answer"),
    ("nested too deeply but whole", b"[" * 100_000 + b"]" * 100_000, 200, "not a valid answer"),
    ("NaN", b'{"result": NaN}', 200, "not a valid answer"),
    ("Infinity", b'{"result": -Infinity}', 200, "not a valid answer"),
    ("too large a number", b'{"result": [{"a": 1e999}]}', 200, "not a valid answer"),
    ("too large a negative number", b'{"result": -1.5E+400}', 200, "not a valid answer"),
    ("too many digits", b'{"result": %s.0}' % (b"9" * 400), 200, "not a valid answer"),
    ("number too long", b'{"result": ' + b"1" * 5000 + b"}", 200, "not a valid answer"),
    ("list", b"[1]", 200, "not a valid answer"),
    ("text", b'"ok"', 200, "not a valid answer"),
    ("null", b"null", 200, "not a valid answer"),
    ("nothing like HTTP", b"", 199, "an empty body"),
]


@pytest.mark.parametrize(
    ("body", "status", "words"), [row[1:] for row in UNUSABLE], ids=[row[0] for row in UNUSABLE]
)
def test_what_is_no_envelope_is_a_response_error(body: bytes, status: int, words: str) -> None:
    with pytest.raises(ChannelResponseError) as caught:
        read_native(Response(status, {}, body), method="getChannel", now=NOW)
    assert (caught.value.method, caught.value.http_status) == ("getChannel", status)
    assert words in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 451])
@pytest.mark.parametrize("method", ["getChannel", "issueToken", "refreshToken"])
@pytest.mark.parametrize(
    "body",
    [
        b"<html>blocked</html>",
        b"RBAC: access denied",
        b"404 page not found",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"message": "Forbidden"}',
        b'{"message": "no Route matched", "request_id": "1"}',
        b'{"statusCode": 401, "message": "Access denied"}',
        b'{"error": "Unauthorized"}',
        b'{"error": {"code": 0}}',
        b'{"success": false, "errors": [{"code": 9109, "message": "no"}], "messages": []}',
    ],
)
def test_a_refusal_that_is_not_written_as_the_service_writes_is_no_refusal_of_the_service(
    body: bytes, method: str, status: int
) -> None:
    with pytest.raises(ChannelResponseError) as caught:
        read_native(Response(status, {}, body), method=method, now=NOW, channel_id="c1")
    assert caught.value.http_status == status
    assert caught.value.from_intermediary
    message = str(caught.value)
    assert message.startswith(f"{method}: the service answered HTTP {status} with {len(body):,} bytes")
    assert "a proxy, a gateway, a firewall or a login page may have answered instead" in message
    assert "Secret" not in message
    assert ("blocked" in message) == (method == "getChannel" and b"blocked" in body)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_silence_tells_nothing_of_a_secret(status: int) -> None:
    with pytest.raises(ChannelResponseError, match="an empty body"):
        read_native(Response(status, {}, b""), method="issueToken", now=NOW, channel_id="c1")


@pytest.mark.parametrize("status", [200, 500, 502, 503, 504])
@pytest.mark.parametrize(
    "page", ["<!DOCTYPE html><title>Sign in</title>", "\ufeff\n <html>Bad Gateway</html>"]
)
def test_a_page_is_no_answer_of_the_service_whatever_its_status(status: int, page: str) -> None:
    with pytest.raises(ChannelResponseError, match="may have answered instead") as caught:
        read_native(Response(status, {}, page.encode()), method="getChannel", now=NOW)
    assert caught.value.http_status == status
    assert caught.value.from_intermediary


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_names_the_remedy_and_only_the_host_it_points_to(status: int) -> None:
    response = Response(status, {"location": f"https://user:{SECRET}@other.example/{SECRET}?t={SECRET}"}, b"")
    with pytest.raises(ChannelResponseError) as caught:
        read_native(response, method="getChannel", secrets=(SECRET,), now=NOW)
    assert str(caught.value) == (
        f"getChannel: the service answered with a redirect to https://other.example (HTTP {status}). Redirects are "
        "not followed, since they would carry the token to another host. Correct host and schema of the connection, "
        "and check whether a proxy, a gateway or a login page redirects."
    )


def test_a_broken_token_answer_is_never_quoted() -> None:
    for body in (f"token={JWT}", f"access_token is {SECRET}", f'{{"accessToken": "{JWT}', f"<b>{JWT}</b>"):
        with pytest.raises(ChannelResponseError) as caught:
            read_native(Response(200, {}, body.encode()), method="issueToken", now=NOW)
        told, _, hint = str(caught.value).partition(". The service does not answer in this form")
        assert (
            told
            == f"issueToken: the service answered HTTP 200 with {len(body)} bytes that are not a valid answer"
        )
        assert bool(hint) == body.startswith("<")


@pytest.mark.promise(name="secrets")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (common(f"bad {SECRET}"), 200),
        ({"error": {"type": SECRET, "code": SECRET, "message": JWT}}, 200),
        (plain(422, f"x {JWT} y {SECRET}", SECRET), 422),
        (proxied({"status": 404, "message": SECRET, "type": JWT}), 200),
        (proxied(f'{{"accessToken": "opaque-but-named", "x": "{SECRET}"'), 200),
        (f"<html>{SECRET} Bearer opaque {JWT}</html>".encode(), 404),
        (f"<html>{SECRET} {JWT}</html>".encode(), 502),
        (("x" * 290 + SECRET).encode(), 404),
        ({"result": {"success": False, "errorMessage": SECRET}}, 200),
    ],
)
def test_nothing_that_an_exception_holds_shows_a_secret(body: Any, status: int) -> None:
    with pytest.raises(ChannelError) as caught:
        read_native(answer(body, status), method="getChannel", secrets=(SECRET, ""), now=NOW)
    shown = f"{caught.value!r} {vars(caught.value)}"
    for secret in (SECRET, SECRET[:10], JWT, JWT[:12], "opaque"):
        assert secret not in shown


def test_quoted_text_is_one_line_of_300_characters_at_most() -> None:
    with pytest.raises(ChannelRequestError) as caught:
        read_native(answer(common("a\r\nb\x1b[31m\ud800" + "z" * 400)), method="getChannel", now=NOW)
    words = caught.value.service_message
    assert words is not None
    assert words.startswith("a b [31m?zzz")
    assert len(words) == 300
    assert str(caught.value).isprintable()


def test_the_name_and_result_of_an_app_function_mean_nothing() -> None:
    failed = {"result": {"success": False, "errorMessage": "mine"}}
    assert read_native(answer(failed), method="f", now=NOW, app_function=True) == failed["result"]
    with pytest.raises(ChannelRequestError) as caught:
        read_native(answer(common("no")), method="issueToken", now=NOW, app_function=True)
    assert type(caught.value) is ChannelRequestError


KEYS = st.sampled_from(
    [
        "result",
        "error",
        "errors",
        "status",
        "type",
        "message",
        "code",
        "success",
        "X-Rate-Limit-Reset",
        "retry-after",
        "data",
    ]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(), inner, max_size=5),
    max_leaves=12,
)
TEXTS = st.sampled_from(
    [
        "request failed, body: ",
        "token fetch fail, response: ",
        SECRET,
        "token is expired",
        "<title>502",
        '{"status":',
    ]
)
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(KEYS, JSON_VALUES | TEXTS, max_size=6).map(lambda value: json.dumps(value).encode()),
    st.tuples(TEXTS, st.dictionaries(KEYS, JSON_VALUES, max_size=4)).map(
        lambda pair: json.dumps(common(pair[0] + json.dumps(pair[1]) + SECRET)).encode()
    ),
    st.lists(TEXTS | st.text(max_size=5), max_size=8).map(
        lambda parts: "".join(parts).encode("utf-8", "replace")
    ),
)
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Date", "X-Rate-Limit-Reset", "x-ratelimit-remaining", "Location"]),
    st.text(max_size=20) | st.integers().map(str) | st.floats().map(str) | st.datetimes().map(str),
)


@pytest.mark.promise(name="plausible")
@settings(deadline=None)
@given(
    body=BODIES,
    status=st.sampled_from([200, 204, 302, 400, 401, 403, 404, 422, 429, 500, 503]) | st.integers(100, 999),
    headers=HEADERS,
    method=st.sampled_from(["getChannel", "issueToken", "refreshToken", "unknown"]),
    channel_id=st.none() | st.just("c1"),
)
def test_any_answer_gives_a_result_or_an_error_of_the_tree_without_a_secret(
    body: bytes, status: int, headers: dict[str, str], method: str, channel_id: str | None
) -> None:
    response = Response(status, headers, body)
    error = None
    try:
        read_native(response, method=method, secrets=(SECRET,), now=NOW, channel_id=channel_id)
    except ChannelError as caught:
        error = caught
    if error is None:
        return
    assert isinstance(error, (ChannelRequestError, ChannelResponseError))
    assert SECRET not in f"{error!r} {vars(error)}"
    assert error.method == method
    assert len(str(error)) < 1200
    if isinstance(error, ChannelRateLimitError) and error.retry_after_seconds is not None:
        assert 0 <= error.retry_after_seconds <= 86_400
        assert error.retry_at is not None
