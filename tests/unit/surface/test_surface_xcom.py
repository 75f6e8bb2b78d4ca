from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.xcom import fit_for_xcom

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=9)
KEYS = st.text(st.characters(), max_size=9) | st.sampled_from(["__classname__", "__id__", "__type", "__var"])
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=9
)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**63),
        2**64 - 1,
        0.5,
        -0.0,
        "",
        "한글",
        "\U0001f600",
        [],
        {},
        {"__type": "x"},
        [(1, 2)],
    ],
    ids=repr,
)
def test_what_is_fit_is_left_as_it_is(value: Any) -> None:
    fit = fit_for_xcom(value)
    assert fit == value
    assert type(fit) is type(value)


@pytest.mark.fuzz
@cases(200)
@given(VALUES)
def test_anything_is_made_fit_once_and_for_all(value: Any) -> None:
    fit = fit_for_xcom(value)
    written = json.dumps(fit, ensure_ascii=False, allow_nan=False)
    assert written.encode()
    assert all(is_fit(part) for part in parts(fit))
    assert fit_for_xcom(fit) == fit


def parts(value: Any) -> list[Any]:
    inner = (
        [*value.keys(), *value.values()]
        if isinstance(value, dict)
        else value
        if isinstance(value, list)
        else []
    )
    return [value, *(part for one in inner for part in parts(one))]


def is_fit(value: Any) -> bool:
    if isinstance(value, dict):
        return not {"__classname__", "__id__"} & value.keys() and not {"__type", "__var"} <= value.keys()
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or -(2**63) <= value < 2**64
