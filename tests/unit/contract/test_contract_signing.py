"""Vectors of the signature of the function endpoint: made with the vendor's SDK, and with mistakes of readers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.contract.signing import is_signed, signature_of, signing_key_of

KEY_1 = "00112233445566778899aabbccddeeff" * 2
KEY_2 = "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2
RUN = (
    '{"method":"commands.airflow.run","params":{"chat":{"type":"group","id":"group-1"},"input":{"dag":"daily"},'
    '"trigger":{"type":"command","attributes":null},"language":"ko"},"context":{"caller":{"type":"manager",'
    '"id":"m-1"},"channel":{"id":"ch-1"}},"systemVersion":"v1"}'
)
DISCOVERY = (
    '{"method":"extension.core.function.getFunctions","params":{},"context":{"caller":{"type":"system",'
    '"id":"system"},"channel":{"id":""}},"systemVersion":"v1"}'
)
KOREAN = (
    '{"method":"hooks.airflow.receive","params":{"note":"실행 완료 ✓"},"context":{"caller":{"type":"system",'
    '"id":"system"}},"systemVersion":"v1"}'
)
VECTORS = [
    pytest.param(KEY_1, RUN, "qfOvc2hPHXgPAsOQ4k6mMYsSL+2DR1NTan10y/v88qI=", id="run"),
    pytest.param(KEY_2, DISCOVERY, "VrTNNnjcdjHG8hcf3CFBMMLArvMbGclYXY1+9uIEgsA=", id="discovery"),
    pytest.param(KEY_2, KOREAN, "TARFVrczsjSAE7L4JacF4xWIlReFlE1e4laqz1ad5ho=", id="korean"),
    pytest.param(KEY_2, "", "SgsJ6yO6m7JSvS8LJaWO60I9X4wYUqcol1pKCg9uoVs=", id="empty"),
]


@pytest.mark.parametrize(("key", "body", "signature"), VECTORS)
def test_a_body_has_the_signature_of_the_vector(key: str, body: str, signature: str) -> None:
    assert signature_of(signing_key_of(key), body.encode()) == signature
    assert is_signed(signing_key_of(key), body.encode(), signature)
    assert is_signed(signing_key_of(key.upper()), body.encode(), signature)


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        pytest.param(DISCOVERY, "1xeT3TFuGWW6Ea4FdWhgYSItPmeMFRPYz4BEf3bH48c=", id="key as text"),
        pytest.param(KOREAN, "sa3xVv0UXcYpQ02YckQzrSPZp/7+yhjdyTDFeo+Voyw=", id="written again"),
        pytest.param(DISCOVERY, "TARFVrczsjSAE7L4JacF4xWIlReFlE1e4laqz1ad5ho=", id="of another body"),
        pytest.param(DISCOVERY, "VrTNNnjcdjHG8hcf3CFBMMLArvMbGclYXY1+9uIEgsA", id="without padding"),
        pytest.param(DISCOVERY, "VrTNNnjcdjHG8hcf3CFBMMLArvMbGclYXY1-9uIEgsA=", id="URL alphabet"),
        pytest.param(DISCOVERY, "VrTNNnjcdjHG8hcf3CFBMMLArvMbGclYXY1+9uIEgsA=\n", id="a line more"),
        pytest.param(
            DISCOVERY, "56b4cd3678dc7631c6f2171fdc214130c2c0aef31b19c9585d8d7ef6e20482c0", id="in hexadecimal"
        ),
        pytest.param(DISCOVERY, "", id="none"),
        pytest.param(DISCOVERY, "\ud800", id="half a character"),
    ],
)
def test_a_signature_that_is_not_the_bodys_is_refused(body: str, signature: str) -> None:
    assert not is_signed(signing_key_of(KEY_2), body.encode(), signature)


def test_the_vectors_that_must_fail_are_the_mistakes_that_they_show() -> None:
    as_text = signature_of(KEY_2.encode(), DISCOVERY.encode())
    again = json.dumps(json.loads(KOREAN), separators=(",", ":")).encode()
    assert as_text == "1xeT3TFuGWW6Ea4FdWhgYSItPmeMFRPYz4BEf3bH48c="
    assert signature_of(signing_key_of(KEY_2), again) == "sa3xVv0UXcYpQ02YckQzrSPZp/7+yhjdyTDFeo+Voyw="


@pytest.mark.fuzz
@given(body=st.binary(max_size=200), place=st.integers(min_value=0), bit=st.integers(0, 7))
@cases(50)
def test_one_other_bit_is_another_body(body: bytes, place: int, bit: int) -> None:
    key = signing_key_of(KEY_1)
    changed = bytearray(body or b"x")
    signature = signature_of(key, bytes(changed))
    changed[place % len(changed)] ^= 1 << bit
    assert not is_signed(key, bytes(changed), signature)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0f1e2d3c",
        "0f" * 15,
        "0f1e2d3c4b5a69788796a5b4c3d2e1f" * 2 + "x",
        "0f" * 16 + "0",
        " " + "0f" * 16,
        "0f 1e " * 16,
        "é" * 32,
        "\u0660" * 64,
        "0x" + "0f" * 16,
        "0f" * 16 + "\n",
    ],
)
def test_a_key_that_is_not_hexadecimal_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is not hexadecimal|has fewer than 32 hexadecimal digits)$"):
        signing_key_of(text)
