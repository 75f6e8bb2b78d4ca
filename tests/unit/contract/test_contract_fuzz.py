"""Whatever a call holds: the check ends, tells no value, and what it lets through breaks nothing behind it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.contract_calls import smallest
from support.fuzzing import cases
from unit.contract.test_contract_calls import CHECKED, SEEDS, Seeded

from airflow_channel_provider.contract.model import NativeFunction
from airflow_channel_provider.contract.sources import Strength

CANARY = "canary-4711"
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", " ", CANARY, CANARY * 40, "SORT_ORDER_ASC", "OPERATOR_TYPE_STRING", "90s", "x"])
)
NESTED = "type key name title action blocks paths seconds nanos botName managerId ko"
NAMES = st.sampled_from(
    sorted({*NESTED.split(), *(name for function in CHECKED for name in function.params.fields)})
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def drivers() -> dict[str, Seeded]:
    return {contract: Seeded(contract=contract) for contract in ("strict", "lenient")}


@pytest.mark.fuzz
@cases(200)
@given(function=st.sampled_from(CHECKED), changes=st.dictionaries(NAMES, VALUES, max_size=3), data=st.data())
def test_a_call_of_any_shape_is_held_against_the_contract(
    drivers: dict[str, Seeded], function: NativeFunction, changes: dict[str, Any], data: st.DataObject
) -> None:
    params = {**smallest(function.params, SEEDS), **changes}
    for name in data.draw(st.lists(st.sampled_from(list(function.params.fields) or ["x"]), max_size=2)):
        params[name] = data.draw(VALUES)
    found = function.violations(params)
    assert CANARY not in " ".join(map(str, found))
    answers = {}
    for contract, driver in drivers.items():
        answers[contract] = driver.send_as_it_is(function, params)
        assert driver.status == 200, driver.last()["error"]
    if any(violation.rule.source.strength is not Strength.INFERRED for violation in found):
        assert "error" in answers["strict"]
