from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote as percent_encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.echoes import ECHOES, each, parts_of
from support.fuzzing import cases

from airflow_channel_provider.api.redaction import (
    REDACTED,
    quote,
    redact,
    redact_known,
)
from airflow_channel_provider.api.spellings import base64_of, spellings_of
from airflow_channel_provider.api.unescape import DEPTH_LIMIT, unescape

pytestmark = pytest.mark.promise(name="secrets")

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        ("a secret here", ("secret",), "a *** here"),
        ("long and longest", ("long", "longest"), "*** and ***"),
        ("nothing", ("",), "nothing"),
        ("nothing", (), "nothing"),
        ('{"s": "a\\"b"}', ('a"b',), '{"s": "***"}'),
        ("q=a%2Fb%3D", ("a/b=",), "q=***"),
        ("q=a%2fb%3d", ("a/b=",), "q=***"),
        ("q=a+b%26", ("a b&",), "q=***"),
        ("<b>a&amp;b</b>", ("a&b",), "<b>***</b>"),
        (f"jwt {JWT}!", (), "jwt ***!"),
        (f"cut {JWT[:20]}", (), "cut ***"),
        ('{"accessToken": "opaque-value", "id": 1}', (), '{"accessToken": "***", "id": 1}'),
        ('{\\"refresh_token\\":\\"opaque-value\\"}', (), '{\\"refresh_token\\":\\"***\\"}'),
        ("secret=opaque-value&x=1", (), "secret=***&x=1"),
        ("device_token: opaque-value", (), "device_token: ***"),
        ("Authorization: Bearer opaque", (), "Authorization: Bearer ***"),
        ("secret not found", (), "secret not found"),
        ("token is expired by 3m", (), "token is expired by 3m"),
    ],
)
def test_secrets_are_blotted(text: str, secrets: tuple[str, ...], expected: str) -> None:
    assert redact(text, secrets) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a \r\n\t b\x00c ", "a b c"),
        ("a\u2028b\x85c\xa0d", "a b c d"),
        ("\ud800", "?"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 299 + "…"),
        ("", ""),
    ],
)
def test_quoted_text_is_short_and_printable(text: str, expected: str) -> None:
    assert quote(text) == expected


def test_a_secret_cut_by_the_limit_is_gone_all_the_same() -> None:
    assert quote("x" * 296 + "the-secret", ("the-secret",)) == "x" * 296 + "***"


def test_a_secret_cut_by_the_window_is_gone_all_the_same() -> None:
    secret = "S" + "s" * 200
    for start in range(0, 202, 7):
        quoted = quote("-" * start + secret * 1000, (secret,), limit=10**6)
        assert quoted
        assert set(quoted) <= {"-", "*"}


def test_a_secret_that_only_appears_on_one_line_is_blotted() -> None:
    assert quote("two\n words", ("two words",)) == "***"


@settings(deadline=None)
@given(
    secret=st.text("abcXYZ019-_=/+&\" '<", min_size=8, max_size=40).filter(lambda text: text.strip() == text),
    before=st.text(max_size=400),
    after=st.text(max_size=20),
    spelling=st.sampled_from([str, json.dumps, lambda text: json.dumps(json.dumps(text))]),
)
def test_no_secret_survives(secret: str, before: str, after: str, spelling: type[str]) -> None:
    quoted = quote(before + spelling(secret) + after, (secret,))
    assert secret not in quoted
    assert quoted.isprintable()
    assert len(quoted) <= 300


# ---------------------------------------------------------------------------------------------------- by unescaped


SECRET = "aB3-x/Y+z_9Qw=ErTy7UioP8as=="


@pytest.mark.parametrize("name", ECHOES)
def test_a_secret_is_blotted_by_what_it_means_not_by_how_it_is_written(name: str) -> None:
    echo = ECHOES[name](SECRET)
    assert quote(f"The value {echo} is wrong", (SECRET,)).replace('\\"', "") == "The value *** is wrong"


@pytest.mark.parametrize(
    "outer", ["{}", "%22{}%22", "&quot;{}&quot;", '{{"x": "{}"}}', "100%{}", "C:\\{}", "&{};"]
)
@pytest.mark.parametrize("name", ECHOES)
def test_what_stands_around_a_secret_does_not_hide_it(name: str, outer: str) -> None:
    left = "".join(
        sign for sign in redact(outer.format(ECHOES[name](SECRET)), (SECRET,)).lower() if sign.isalnum()
    )
    assert not any(part in left for part in parts_of(SECRET, 10))


@pytest.mark.parametrize(
    ("secret", "echo"),
    [
        ("비밀번호는바다", "%EB%B9%84%EB%B0%80%EB%B2%88%ED%98%B8%EB%8A%94%EB%B0%94%EB%8B%A4"),
        ("비밀번호는바다", "\\ube44\\ubc00\\ubc88\\ud638\\ub294\\ubc14\\ub2e4"),
        (
            "비밀번호는바다",
            "\\xeb\\xb9\\x84\\xeb\\xb0\\x80\\xeb\\xb2\\x88\\xed\\x98\\xb8\\xeb\\x8a\\x94\\xeb\\xb0\\x94\\xeb\\x8b\\xa4",
        ),
        ("비밀번호는바다", "비밀번호는바다".encode().hex()),
        ("p@ss w=rd", "p%40ss+w%3Drd"),
        ("p@ss w=rd", "p%40ss%20w%3drd"),
        ("p@ss w=rd", "p&#64;ss w&equals;rd"),
        ("p%40ss w=rd", "p%2540ss w=rd"),
        ("p%40ss w=rd", "p@ss w=rd"),
        ("!?#-!?#-!?", "%21%3F%23-%21%3F%23-%21%3F"),
        ("a!b", "&#97;%21\\u0062"),
        ("ab", "ab"),
    ],
)
def test_no_secret_is_too_odd_or_too_short(secret: str, echo: str) -> None:
    assert redact(f"<{echo}>", (secret,)) == "<***>"


@pytest.mark.parametrize(
    "text",
    [
        "channelId must not be empty; writeGroupMessageAsManagerInChannel2 was called with 3 arguments",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736, request 123e4567-e89b-42d3-a456-426614174000",
        "see https://developers.channel.io/docs/v5-api/2024-Errors/Reference/a1/B2/c3",
        "access token is expired; the secret is wrong; password: wrong",
        "Basic authentication is required, an authorization header is missing",
        "field 'token' is missing, want 'string' or 'null'",
        "unknown key 'channelId', not allowed for 'writeGroupMessage'",
        '100 % of R&D; 50%, a&b; C:\\new\\table; {"a": [1, 2.5e10]}',
        "2026-01-02T03:04:05.678Z dial tcp 10.0.0.1:8080: connect: connection refused",
        "채널을 찾을 수 없습니다: 12345",
        "Unexpected token 'customers' in JSON at position 20",
    ],
)
def test_what_a_service_says_stays_readable(text: str) -> None:
    assert quote(text, (SECRET, JWT)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the token 'opaque1' is unknown", "the token '***' is unknown"),
        ('invalid secret: "abc!"', 'invalid secret: "***"'),
        ("password is “hunter-2”.", "password is “***”."),
        ("&quot;access_token&quot;:&quot;opaque-value&quot;", "&quot;access_token&quot;:&quot;***&quot;"),
        ("%22password%22%3A%22opaque-value%22", "%22password%22%3A%22***%22"),
        ("api_key=opaque-value", "api_key=***"),
        ('{"Authorization": "Basic dXNlcjpwYXNz"}', '{"Authorization": "Basic ***"}'),
        ("no such x9Kd82mQpLz01RtYv7Bn4Wc6", "no such ***"),
        ("no such x9Kd82mQpLz01RtYv7Bn4W%2Bc6%3D!", "no such ***!"),
        ("%65yJhbGciOiJIUzI1NiJ9", "***"),
    ],
)
def test_a_credential_that_nobody_knows_is_told_by_its_look(text: str, expected: str) -> None:
    assert quote(text) == expected


def test_in_what_is_no_word_of_a_service_only_the_known_is_blotted() -> None:
    word = "x9Kd82mQpLz01RtYv7Bn4Wc6"
    assert redact_known(f"{word} %61B3-x/Y%2Bz_9Qw=ErTy7", (SECRET,)) == f"{word} ***"


def test_what_is_wrapped_too_often_is_not_shown_at_all() -> None:
    text = "a"
    for _ in range(DEPTH_LIMIT):
        text = each("%{:02x}")(text) if len(text) < 2 else text.replace("%", "%25")
    assert unescape(text) is not None
    assert redact(text) == text
    assert redact(text.replace("%", "%25")) == REDACTED


def test_where_one_secret_begins_like_another_no_end_is_shown() -> None:
    assert redact("summer2024 summer", ("summer", "summer2024")) == "*** ***"
    assert redact("summer2024 summer", ("summer2024", "summer")) == "*** ***"


def test_spellings() -> None:
    assert spellings_of("p@ss w=rd") == {"p@ss w=rd", "p%40ss%20w%3Drd", "p%40ss%20w%3drd", "p%40ss+w%3Drd"}
    assert spellings_of("it's/") == {"it's/", "it%27s%2F", "it%27s%2f", "it%27s/", "it&#x27;s/"}
    spellings = spellings_of('a/b\\"비')
    assert spellings >= {
        'a/b\\"비',
        'a/b\\\\\\"비',
        'a/b\\\\\\"\\ube44',
        "a/b%5C%22%EB%B9%84",
        "a%2Fb%5C%5C%5C%22%5Cube44",
    }
    assert spellings_of("\ud800/") >= {"\ud800/", "%ED%A0%80%2F"}
    assert spellings_of("plain") == {"plain"}


@pytest.mark.fuzz
@cases(100)
@given(st.text(min_size=5, max_size=30), st.text(max_size=5), st.text(max_size=5))
def test_what_base64_leaves_of_a_secret_stands_in_it_wherever_the_secret_does(
    secret: str, before: str, after: str
) -> None:
    encoded = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
    assert any(core in encoded for core in base64_of(secret))
    assert all(len(core) >= len(secret.encode()) * 8 // 6 - 2 for core in base64_of(secret))


@pytest.mark.fuzz
@cases(100)
@given(
    secret=st.text("abcdXYZ0189-_=/+&%\\;#\" 'é비", min_size=16, max_size=60).filter(
        lambda text: sum(map(str.isalnum, text)) >= 12
    ),
    around=st.tuples(*[st.text("ab%&\\#;u0041 '\n", max_size=12)] * 2),
    writings=st.lists(
        st.sampled_from(
            [
                each("\\u{:04x}"),
                each("&#{};"),
                each("&#x{:X};"),
                html.escape,
                json.dumps,
                lambda text: percent_encode(text, safe=""),
                lambda text: percent_encode(text, safe="").lower(),
            ]
        ),
        max_size=3,
    ),
)
def test_no_writing_hides_a_secret(
    secret: str, around: tuple[str, str], writings: list[Callable[[str], str]]
) -> None:
    text = secret
    for write in writings:
        text = write(text)
    left = unescape(redact(f"{around[0]}{text}{around[1]}", (secret,)))
    assert left is not None
    assert secret not in left.text
    assert secret not in html.unescape(left.text)


@pytest.mark.fuzz
@cases(200)
@given(st.text("aZ09%&\\#;uxU{}2541&quotm '\"\n\u200b*é비", max_size=300))
def test_any_text_can_be_blotted_and_what_is_left_is_its_own(text: str) -> None:
    left = redact(text, (SECRET,))
    assert left == REDACTED or all(piece in text for piece in left.split(REDACTED))
    unescaped = unescape(text)
    if unescaped is not None:
        assert len(unescaped.text) == len(unescaped.starts) == len(unescaped.ends)
        assert all(start < end for start, end in zip(unescaped.starts, unescaped.ends, strict=True))
        assert unescaped.starts == sorted(unescaped.starts)
