"""What a DAG's params become for the App Store, and what a person's input becomes for a DAG."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.airflow_features import leave_out_unless
from support.function_calls import command
from support.fuzzing import cases

from airflow_channel_provider.contract.parts import COMMAND
from airflow_channel_provider.contract.sources import COMMAND_SCHEMA
from airflow_channel_provider.inbound.commands import (
    RUN,
    Declaration,
    dag_of,
    function_of,
    wire_of,
)
from airflow_channel_provider.inbound.function_call import FunctionCall, read_call
from airflow_channel_provider.inbound.parameters import (
    InputError,
    arguments_of,
    parameters_of,
    suggestions_for,
)

leave_out_unless("airflow.sdk:Param", "before Airflow 3 no command reaches Airflow")

REPORT = Declaration("report", "app", "Makes a report", managers=("m-1",), groups=("g-1",))


def params(**values: Any) -> Any:
    from airflow.sdk.definitions.param import ParamsDict

    return ParamsDict(values, suppress_exception=True)


def param(*default: Any, **schema: Any) -> Any:
    from airflow.sdk import Param

    return Param(*default, **schema)


def wire(declaration: Declaration = REPORT, **values: Any) -> dict[str, Any]:
    return wire_of(declaration, "daily", parameters_of(params(**values), declaration.parameters))


def definitions(**values: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in wire(**values).get("paramDefinitions", [])}


# ------------------------------------------------------------------------------------------------- what is declared


def test_a_dag_without_params_is_a_command_without_parameters() -> None:
    assert wire() == {
        "name": "report",
        "description": "Makes a report",
        "scope": "desk",
        "actionFunctionName": "airflow.run.daily",
        "alfMode": "disable",
        "systemVersion": "v1",
        "enabledByDefault": True,
    }


@pytest.mark.parametrize(
    ("made_with", "expected"),
    [
        (("Seoul",), {"type": "string", "required": False}),
        ((3,), {"type": "int", "required": False}),
        ((0.5,), {"type": "float", "required": False}),
        ((True,), {"type": "bool", "required": False}),
        ((None,), {"type": "string", "required": False}),
    ],
)
def test_a_plain_default_says_the_type(made_with: Any, expected: dict[str, Any]) -> None:
    assert definitions(p=made_with[0])["p"] == {"name": "p", **expected}


def test_a_param_is_required_where_airflow_has_no_value_for_it() -> None:
    found = definitions(
        missing=param(type="integer"),
        null=param(None, type="string"),
        nullable=param(None, type=["null", "string"]),
        given=param("x", type="string"),
    )
    assert {name: one["required"] for name, one in found.items()} == {
        "missing": True,
        "null": True,
        "nullable": False,
        "given": False,
    }


def test_choices_and_suggestions_come_from_enum_and_examples() -> None:
    names = [f"city {number}" for number in range(11)]
    found = definitions(
        few=param("Seoul", enum=["Seoul", "Busan"], values_display={"Busan": "Busan (부산)"}),
        many=param(names[0], enum=names),
        free=param("x", type="string", examples=["short", "long"]),
    )
    assert found["few"]["choices"] == [
        {"name": "Seoul", "value": "Seoul"},
        {"name": "Busan (부산)", "value": "Busan"},
    ]
    assert "choices" not in found["many"]
    assert found["many"]["autoComplete"] is True
    assert found["free"]["autoComplete"] is True


def test_what_a_chat_cant_ask_for_keeps_its_default() -> None:
    found = definitions(
        table=param({"a": 1}, type="object"),
        rows=param([1], type="array"),
        fixed=param("x", const="x"),
        a_name_of_more_than_20_characters=param("x", type="string"),
        city="Seoul",
    )
    assert list(found) == ["city"]


@pytest.mark.parametrize(
    ("declaration", "values", "words"),
    [
        (REPORT, {"table": param(type="object")}, "'table' can't be given in a chat"),
        (REPORT, {"a_name_of_more_than_20_characters": param(type="string")}, "at most 20 characters"),
        (REPORT, {f"p{number}": 1 for number in range(11)}, "paramDefinitions must have at most 10"),
        (Declaration("report", "app", parameters=("city",)), {"town": "x"}, "no param 'city'"),
        (Declaration("report", "app", parameters=("table",)), {"table": param({}, type="object")}, "'table'"),
        (Declaration("", "app"), {}, "name"),
        (Declaration("x" * 31, "app"), {}, "name must have 1 to 30 characters"),
        (Declaration("x", "app", "y" * 101), {}, "description must have at most 100 characters"),
    ],
)
def test_what_breaks_a_published_limit_is_no_command(
    declaration: Declaration, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        wire(declaration, **values)


def test_only_the_named_params_are_asked_for() -> None:
    declaration = Declaration("report", "app", parameters=("b", "a"))
    found = wire(declaration, a=1, b=2, c=3)
    assert [one["name"] for one in found["paramDefinitions"]] == ["b", "a"]


@pytest.mark.fuzz
@given(
    names=st.lists(st.text(st.characters(codec="ascii"), max_size=25), max_size=9, unique=True),
    default=st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(max_size=60)
    | st.lists(st.integers(), max_size=2),
    examples=st.none() | st.lists(st.text(max_size=40) | st.integers(-9, 9), max_size=12),
    description=st.none() | st.text(max_size=80),
)
@cases(60)
def test_whatever_a_dag_has_the_command_keeps_the_limits(
    names: list[str], default: Any, examples: list[Any] | None, description: str | None
) -> None:
    schema = {} if examples is None else {"examples": examples}
    made = {name: param(default, description=description, **schema) for name in names}
    found = wire_of(REPORT, "daily", parameters_of(params(**made)))
    assert not COMMAND.check(found, COMMAND_SCHEMA)
    json.dumps(found)


def test_a_declaration_survives_the_serialized_dag() -> None:
    full = Declaration("보고", "app", None, ("m-1",), ("g-1", "g-2"), ("city",))
    assert Declaration.of(full.as_text()) == full
    assert Declaration.of(REPORT.as_text()) == REPORT
    for spoiled in ("", "[]", "{}", '{"name": 1}', "null"):
        with pytest.raises(ValueError, match=r".+"):
            Declaration.of(spoiled)


@pytest.mark.fuzz
@given(st.text(min_size=1, max_size=60))
@cases(80)
def test_the_name_of_a_function_is_of_one_dag(dag_id: str) -> None:
    try:
        name = function_of(RUN, dag_id)
    except ValueError:
        return
    assert dag_of(RUN, name) == dag_id
    assert all(character.isascii() and (character.isalnum() or character in "._") for character in name)


@pytest.mark.parametrize(
    "method",
    [
        "airflow.run.",
        "airflow.run.a-b",
        "airflow.run..2D",
        "airflow.run..61",
        "airflow.run..ff",
        "airflow.runx",
        "airflow.suggest.daily",
        "",
        "airflow.run.보고",
        "airflow.run.a\n",
    ],
)
def test_a_name_that_is_written_in_another_way_is_no_function(method: str) -> None:
    assert dag_of(RUN, method) is None


# ------------------------------------------------------------------------------------------------------ who may run


def call(**changes: Any) -> FunctionCall:
    return read_call(command("airflow.run.daily", **changes))


@pytest.mark.promise(name="commands")
@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"manager": "m-1", "chat_id": "elsewhere"}, True),
        ({"manager": "m-1", "kind": "userChat"}, True),
        ({"manager": "m-2", "chat_id": "g-1"}, True),
        ({"manager": "m-2", "chat_id": "g-1", "kind": "groupChat"}, True),
        ({"manager": "m-2", "chat_id": "g-2"}, False),
        ({"manager": "m-2", "chat_id": "g-1", "kind": "userChat"}, False),
        ({"manager": "m-1", "caller": "user"}, False),
        ({"manager": "m-1", "caller": "app"}, False),
        ({"manager": "", "chat_id": "g-1"}, False),
        ({"manager": "M-1"}, False),
    ],
)
def test_who_is_named_may_run_it(changes: dict[str, Any], allowed: bool) -> None:
    assert REPORT.allows(call(**changes)) is allowed
    assert not Declaration("report", "app").allows(call(**changes))


# --------------------------------------------------------------------------------------------------- what is typed

PARAMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "city": ("Seoul", {"enum": ["Seoul", "Busan"], "values_display": {"Busan": "부산"}}),
    "days": (1, {"type": "integer"}),
    "rate": (0.5, {"type": "number"}),
    "dry": (False, {"type": "boolean"}),
    "note": (None, {"type": ["null", "string"]}),
}


def arguments(**typed: Any) -> dict[str, Any]:
    made = {name: param(default, **schema) for name, (default, schema) in PARAMS.items()}
    return arguments_of(parameters_of(params(**made)), typed)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({}, {}),
        ({"city": None, "note": "", "days": None}, {}),
        ({"city": "부산"}, {"city": "Busan"}),
        ({"days": "7"}, {"days": 7}),
        ({"days": 7.0}, {"days": 7}),
        ({"rate": "0.25"}, {"rate": 0.25}),
        ({"rate": 2}, {"rate": 2.0}),
        ({"dry": "TRUE"}, {"dry": True}),
        ({"dry": False}, {"dry": False}),
        ({"note": 5}, {"note": "5"}),
        ({"note": "{{ 1 + 1 }}"}, {"note": "{{ 1 + 1 }}"}),
    ],
)
def test_input_becomes_the_type_of_the_param(typed: dict[str, Any], expected: dict[str, Any]) -> None:
    found = arguments(**typed)
    assert found == expected
    assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"city": "Daegu"}, "city must be one of Seoul, 부산."),
        ({"days": "seven"}, "days must be a whole number."),
        ({"days": 1.5}, "days must be a whole number."),
        ({"days": True}, "days must be a whole number."),
        ({"days": "9" * 30}, "days must be a whole number."),
        ({"rate": "nan"}, "rate must be a number."),
        ({"rate": "1e999"}, "rate must be a number."),
        ({"dry": "maybe"}, "dry must be true or false."),
        ({"note": ["x"]}, "note must be a text."),
        ({"channel_talk": {"manager_id": "m-1"}}, "There is no parameter channel_talk."),
    ],
)
def test_wrong_input_is_named_to_the_person(typed: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as refused:
        arguments(**typed)
    assert str(refused.value) == words


def test_a_required_param_has_to_be_given() -> None:
    parameters = parameters_of(params(city=param(type="string")))
    with pytest.raises(InputError, match="city is missing"):
        arguments_of(parameters, {"city": ""})


def test_suggestions_contain_what_is_typed() -> None:
    (parameter,) = parameters_of(params(n=param("x", type="string", examples=["Short", "long", 3])))
    assert suggestions_for(parameter, " SHO") == [{"name": "Short", "value": "Short"}]
    assert [one["value"] for one in suggestions_for(parameter, None)] == ["Short", "long", 3]
    assert suggestions_for(parameter, "zzz") == []
