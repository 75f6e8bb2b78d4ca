from __future__ import annotations

import re
from base64 import urlsafe_b64decode

import pytest

from airflow_channel_provider.emulator.tokens import TokenBook, TokenRefusedError, fingerprint, new_secret


def test_a_pair_is_alive_from_its_minting_to_just_before_its_end() -> None:
    book = TokenBook()
    pair = book.mint("app-1", "ch-1", now=1000)
    assert pair["expiresIn"] == 1800
    token = book.check(pair["accessToken"], 2799.9)
    assert (token.app_id, token.channel_id, token.scope) == ("app-1", "ch-1", "channel:ch-1")
    with pytest.raises(TokenRefusedError, match=r"token is expired by 0s"):
        book.check(pair["accessToken"], 2800)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (62, "1m2s"), (3600, "1h0m0s"), (7325, "2h2m5s")]
)
def test_expiry_is_told_in_the_words_of_the_service(seconds: int, text: str) -> None:
    book = TokenBook(life_seconds=10)
    access = book.mint("app-1", None, now=0)["accessToken"]
    with pytest.raises(TokenRefusedError) as refused:
        book.check(access, 10 + seconds)
    assert refused.value.reason == f"token is expired by {text}"
    assert refused.value.token is not None
    assert refused.value.token.scope == "app"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "token contains an invalid number of segments"),
        ("abc", "token contains an invalid number of segments"),
        ("a.b.c", "signature is invalid"),
    ],
)
def test_unknown_tokens_are_refused_by_their_form(token: str, reason: str) -> None:
    with pytest.raises(TokenRefusedError) as refused:
        TokenBook().check(token, 0)
    assert (refused.value.reason, refused.value.token) == (reason, None)


def test_tokens_are_jwt_like_never_alike_and_start_with_the_prefix() -> None:
    book = TokenBook(prefix="canary-")
    pairs = [book.mint("app-1", "ch-1", 0) for _ in range(50)]
    assert len({token for pair in pairs for token in (pair["accessToken"], pair["refreshToken"])}) == 100
    for pair in pairs:
        assert re.fullmatch(r"canary-[\w-]+\.[\w-]+\.[\w-]+", pair["accessToken"])
        assert re.fullmatch(r"canary-[\w-]{64}", pair["refreshToken"])


def test_only_tokens_of_the_scope_are_revoked_and_refresh_tokens_only_if_asked() -> None:
    book = TokenBook()
    app, one, two = (book.mint("app-1", channel, 0) for channel in (None, "ch-1", "ch-2"))
    assert book.revoke("channel:ch-1") == 1
    with pytest.raises(TokenRefusedError, match="signature is invalid"):
        book.check(one["accessToken"], 1)
    assert book.check(two["accessToken"], 1).scope == "channel:ch-2"
    known = book.find_refresh(one["refreshToken"])
    assert known is not None
    assert not known.spent
    assert book.revoke(refresh_tokens=True) == 2
    known = book.find_refresh(app["refreshToken"])
    assert known is not None
    assert known.spent


def test_a_fractional_life_is_answered_as_it_is() -> None:
    assert TokenBook(life_seconds=1.5).mint("a", None, 0)["expiresIn"] == 1.5
    assert repr(TokenBook(life_seconds=3.0).mint("a", None, 0)["expiresIn"]) == "3"


def test_an_app_secret_is_base64_of_sixteen_bytes() -> None:
    secret = new_secret()
    assert (len(secret), secret[-2:], len(urlsafe_b64decode(secret))) == (24, "==", 16)
    assert new_secret() != secret


def test_a_fingerprint_is_short_stable_and_takes_any_text() -> None:
    assert fingerprint("abc") == "ba7816bf8f01"
    assert re.fullmatch("[0-9a-f]{12}", fingerprint("\ud800"))
