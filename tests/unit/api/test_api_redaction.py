from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_channel_provider.api.redaction import blot, quote

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
    assert blot(text, secrets) == expected


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
