"""
The signature of what the App Store sends to an app's function endpoint.

It is a header ``x-signature``: standard Base64 of HMAC-SHA256 over the bytes of the body as they were sent. It covers
neither method, path, headers nor a time. Published in the vendor's authentication guide and in both of its SDKs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

SIGNATURE_HEADER = "x-signature"
SHORTEST_KEY_BYTES = 16

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


def signing_key_of(text: str) -> bytes:
    """
    Read a signing key as the app's settings page shows it: hexadecimal, two digits a byte.

    :raises ValueError: it is not hexadecimal, or shorter than 16 bytes; the message has nothing of it.
    """
    if not _HEX.fullmatch(text):
        raise ValueError("is not hexadecimal")
    key = bytes.fromhex(text)
    if len(key) < SHORTEST_KEY_BYTES:
        raise ValueError(f"has fewer than {2 * SHORTEST_KEY_BYTES} hexadecimal digits")
    return key


def signature_of(key: bytes, body: bytes) -> str:
    """
    Sign a body.

    :param key: decoded, see :func:`signing_key_of`.
    :param body: exactly the bytes that are sent.
    """
    return base64.b64encode(hmac.digest(key, body, hashlib.sha256)).decode("ascii")


def is_signed(key: bytes, body: bytes, signature: str) -> bool:
    """
    Return whether a signature is the body's, compared in constant time.

    :param signature: value of the header as it came. No other spelling of the same bytes is accepted.
    """
    return hmac.compare_digest(signature_of(key, body).encode(), signature.encode("utf-8", "replace"))
