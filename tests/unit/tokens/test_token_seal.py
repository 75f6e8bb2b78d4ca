from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from airflow_channel_provider.tokens.seal import Sealer, app_key
from airflow_channel_provider.tokens.types import Token, fingerprint_of, scope_of

SECRET = "c2VjcmV0LW9mLXRlc3RzXy0=="
TOKEN = Token("the-access-token", "the-refresh-token", 100.0, 1900.0, "channel:1")


def test_what_is_sealed_opens_again() -> None:
    sealer = Sealer("app", SECRET)
    assert sealer.open(sealer.seal(TOKEN), "channel:1") == TOKEN


@pytest.mark.promise(name="sealed")
def test_a_blob_shows_neither_token_nor_secret_and_is_never_the_same_twice() -> None:
    sealer = Sealer("app", SECRET)
    blob = sealer.seal(TOKEN)
    for word in (b"the-access-token", b"the-refresh-token", SECRET.encode()):
        assert word not in blob
    assert blob != sealer.seal(TOKEN)


@pytest.mark.promise(name="sealed")
@pytest.mark.parametrize(
    ("app", "secret", "scope"),
    [
        ("another app", SECRET, "channel:1"),
        ("app", "another secret", "channel:1"),
        ("app", SECRET, "channel:2"),
    ],
)
def test_a_blob_opens_for_its_own_app_secret_and_scope_only(app: str, secret: str, scope: str) -> None:
    assert Sealer(app, secret).open(Sealer("app", SECRET).seal(TOKEN), scope) is None


@pytest.mark.promise(name="plausible")
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_blob_is_no_token(position: int, flip: int) -> None:
    sealer = Sealer("app", SECRET)
    blob = bytearray(sealer.seal(TOKEN))
    blob[position % len(blob)] ^= flip
    assert sealer.open(bytes(blob), "channel:1") is None
    assert sealer.open(bytes(blob[: position % len(blob)]), "channel:1") is None


def test_an_absent_blob_is_no_token() -> None:
    assert Sealer("app", SECRET).open(None, "app") is None


@pytest.mark.promise(name="sealed")
def test_names_depend_on_the_secret_but_the_app_does_not() -> None:
    assert Sealer("app", SECRET).blob_name("app") != Sealer("app", "another secret").blob_name("app")
    assert app_key("https://h", "id", SECRET) == app_key("https://h", "id", "another secret")
    assert app_key("https://h", None, SECRET) != app_key("https://h", None, "another secret")
    assert app_key("https://h", "id", SECRET) != app_key("https://other", "id", SECRET)


def test_nothing_about_a_token_shows_but_its_fingerprint() -> None:
    assert "the-access-token" not in repr(TOKEN)
    assert "the-refresh-token" not in repr(TOKEN)
    assert SECRET not in repr(Sealer("app", SECRET))
    assert TOKEN.fingerprint == fingerprint_of("the-access-token") != fingerprint_of("another")
    assert len(TOKEN.fingerprint) == 16


def test_scopes() -> None:
    assert (scope_of(None), scope_of("42")) == ("app", "channel:42")


@given(secret=st.text(min_size=1).filter(str.isprintable), scope=st.sampled_from(("app", "channel:1")))
def test_the_key_is_what_hkdf_derives(secret: str, scope: str) -> None:
    bound = f"a|{scope}".encode()
    key = HKDF(SHA256(), 32, salt=b"airflow-channel-provider/token/1", info=bound).derive(secret.encode())
    blob = Sealer("a", secret).seal(Token("access", "refresh", 1.0, 2.0, scope))
    assert AESGCM(key).decrypt(blob[4:16], blob[16:], bound) == b'["access", "refresh", 1.0, 2.0]'
