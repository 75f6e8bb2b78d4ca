"""How a row becomes JSON: as the json module writes it, also where Python has no encoder in C."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_channel_provider.extract import schema

VALUES: list[Any] = [
    {
        "id": "m-1",
        "plainText": 'He said "no"\n안녕 \ud83d',
        "blocks": [{"type": "text", "value": "\\"}],
        "n": -1.5,
    },
    {},
    [],
    "text",
    None,
    True,
    2**70,
]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_written_as_the_json_module_writes_it(value: Any) -> None:
    assert schema.encode(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_a_python_without_an_encoder_in_c_writes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    assert [schema._encoder()(value) for value in VALUES] == [schema.encode(value) for value in VALUES]
