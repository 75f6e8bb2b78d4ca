"""
Encryption of stored tokens, with a key that is derived from the App Secret: a store alone reveals no token.

The key is derived for one app and one scope (HKDF-SHA256), and both are authenticated with the blob (AES-256-GCM), so
blobs can't be swapped or moved. The name of a blob is derived from the secret too: a reissued secret finds no old blob.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from typing import TYPE_CHECKING, TypeGuard

from airflow_channel_provider.tokens import validation
from airflow_channel_provider.tokens.types import Token

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MAGIC = b"CTT1"
_SALT = b"airflow-channel-provider/token/1"
_BLOB_NAME = r"[0-9a-f]{32}"
_NONCE_BYTES = 12


def app_key(base_url: str, app_id: str | None, secret: str) -> str:
    """
    Name the app whose quota is counted; not derived from the secret, so that a reissued one does not reset the count.

    :param app_id: the App ID; None if the connection has none: then a fingerprint of the secret replaces it.
    """
    identity = f"app:{app_id}" if app_id else f"secret:{_hmac(secret, 'app-identity')}"
    return hashlib.sha256(f"{base_url}|{identity}".encode()).hexdigest()[:32]


def is_blob_name(value: object) -> bool:
    """Return whether a value is a name by :meth:`Sealer.blob_name`, and so a file or a key of ours and no other."""
    return isinstance(value, str) and re.fullmatch(_BLOB_NAME, value) is not None


class Sealer:
    """
    Encrypts and decrypts the tokens of one app with one App Secret.

    :param app: name of the app by :func:`app_key`.
    :param secret: the App Secret.
    """

    def __init__(self, app: str, secret: str) -> None:
        self._app = app
        self._secret = secret
        self._ciphers: dict[str, AESGCM] = {}
        self.secret_mark = _hmac(secret, "secret-mark")[:16]

    def __repr__(self) -> str:
        return f"Sealer(app={self._app!r})"

    def blob_name(self, scope: str) -> str:
        """Name the blob of a scope: 32 hex digits."""
        return _hmac(self._secret, f"blob|1|{self._app}|{scope}")[:32]

    def seal(self, token: Token) -> bytes:
        """Return the token as bytes that only this secret decrypts."""
        plain = json.dumps([token.access_token, token.refresh_token, token.issued_at, token.expires_at])
        nonce = os.urandom(_NONCE_BYTES)
        return (
            _MAGIC
            + nonce
            + self._cipher(token.scope).encrypt(nonce, plain.encode(), self._bound(token.scope))
        )

    def open(self, blob: bytes | None, scope: str) -> Token | None:
        """
        Return the token of a blob.

        :return: None if the blob is absent, of another format, damaged, or sealed with another secret.
        """
        if blob is None or not blob.startswith(_MAGIC):
            return None
        from cryptography.exceptions import InvalidTag

        start = len(_MAGIC) + _NONCE_BYTES
        try:
            plain = self._cipher(scope).decrypt(blob[len(_MAGIC) : start], blob[start:], self._bound(scope))
            return _token(json.loads(plain), scope)
        except (InvalidTag, ValueError, TypeError, RecursionError):
            return None

    def _bound(self, scope: str) -> bytes:
        return f"{self._app}|{scope}".encode()

    def _cipher(self, scope: str) -> AESGCM:
        cipher = self._ciphers.get(scope)
        if cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            cipher = self._ciphers[scope] = AESGCM(self._derive(scope))
        return cipher

    def _derive(self, scope: str) -> bytes:
        # RFC 5869 for one block, as long as the key: two HMACs, which need no further library.
        extracted = hmac.digest(_SALT, self._secret.encode(), "sha256")
        return hmac.digest(extracted, self._bound(scope) + b"\x01", "sha256")


def _token(values: object, scope: str) -> Token:
    if not isinstance(values, list) or len(values) != 4:
        raise ValueError("no token")
    access_token, refresh_token, issued_at, expires_at = values
    validation.check_times((issued_at, expires_at))
    validation.check_lives((expires_at - issued_at,))
    # The service gives no token that a header can't hold.
    if not _is_secret(access_token) or not access_token or not _is_secret(refresh_token):
        raise ValueError("no token")
    return Token(access_token, refresh_token, float(issued_at), float(expires_at), scope)


def _is_secret(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _hmac(secret: str, purpose: str) -> str:
    return hmac.new(secret.encode(), purpose.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
