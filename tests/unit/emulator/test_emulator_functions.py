from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_channel_provider.contract.functions import CATALOGUE
from airflow_channel_provider.contract.model import TokenScope
from airflow_channel_provider.emulator.functions import FUNCTIONS

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver


def test_every_known_native_function_is_there() -> None:
    with_a_token = {name for name, function in CATALOGUE.items() if function.scope is not TokenScope.NONE}
    assert set(FUNCTIONS) == with_a_token


def command(name: str, scope: str = "desk", **more: Any) -> dict[str, Any]:
    return {"name": name, "scope": scope, "actionFunctionName": "act", "alfMode": "disable", **more}


def test_commands_are_replaced_as_a_whole_and_keep_their_ids(driver: Driver) -> None:
    assert (
        driver.app_call("registerCommands", commands=[command("a"), command("b"), command("a", "front")])
        == {}
    )
    first = {(c["scope"], c["name"]): c["id"] for c in driver.app_call("getCommands")}
    driver.app_call("registerCommands", commands=[command("c"), command("a", description="new")])
    second = driver.app_call("getCommands")
    assert [(c["scope"], c["name"]) for c in second] == [("desk", "c"), ("desk", "a")]
    assert second[1]["id"] == first[("desk", "a")]
    assert second[1]["description"] == "new"
    driver.app_call("registerCommands", commands=[])
    assert driver.app_call("getCommands") == []


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        ([command(f"c{n}") for n in range(31)], "commands must have at most 30 items, it has 31 (count)"),
        ([command("a"), command("a")], "command a is given twice in scope desk"),
        (
            [{"name": "a", "scope": "desk", "alfMode": "disable"}],
            "commands[0].actionFunctionName is required",
        ),
        ([command("a", "side")], "commands[0].scope must be one of front, desk"),
        ([command("a", alfMode="x")], "commands[0].alfMode must be one of disable, recommend"),
        ([command("a" * 31)], "commands[0].name must have 1 to 30 characters, it has 31 (length)"),
        ([command("a", id="1")], "commands[0].id is no field here"),
    ],
)
def test_wrong_commands_change_nothing(driver: Driver, commands: Any, message: str) -> None:
    driver.app_call("registerCommands", commands=[command("old")])
    assert message in driver.app_call("registerCommands", commands=commands)["error"]["message"]
    assert [c["name"] for c in driver.app_call("getCommands")] == ["old"]


def test_thirty_commands_are_accepted(driver: Driver) -> None:
    driver.app_call("registerCommands", commands=[command(f"c{n}") for n in range(30)])
    assert len(driver.app_call("getCommands")) == 30


@pytest.mark.parametrize("spelling", ["appId", "appID"])
def test_commands_are_toggled_per_channel_under_either_spelling(driver: Driver, spelling: str) -> None:
    driver.app_call("registerCommands", commands=[command("a")])
    assert driver.call("toggleCommand", **{spelling: "demo-app"}, commandEnabled=False) == {}
    for channel_id, enabled in (("ch-1", False), ("ch-2", True)):
        answer = driver.call("getCommandChannelActivations", channel_id, appId="demo-app")
        assert [activation["enabled"] for activation in answer["activations"]] == [enabled]


def test_rows_are_upserted_by_primary_key(driver: Driver) -> None:
    columns = [
        {"key": "id", "name": "Id", "type": "OPERATOR_TYPE_STRING"},
        {"key": "v", "name": "V", "type": "OPERATOR_TYPE_STRING"},
    ]
    table = {"channelId": "ch-1", "tableName": "orders"}
    schema = driver.app_call("createAppDataTableSchema", **table, columns=columns, primaryKeyColumns=["id"])[
        "schema"
    ]
    assert schema == {
        "appId": "demo-app",
        **table,
        "columns": columns,
        "primaryKeyColumns": ["id"],
    }
    for rows in ([{"id": "1", "v": "a"}, {"id": "2"}], [{"id": "1", "v": "b"}]):
        answer = driver.app_call("upsertAppDataTableRows", **table, rows=rows)
        assert answer["acceptedRowCount"] == len(rows)
    kept = driver.emulator.world.apps["demo-app"].tables[("ch-1", "orders")]["rows"]
    assert list(kept.values()) == [{"id": "1", "v": "b"}, {"id": "2"}]
    assert driver.app_call("getAppDataTableSchema", **table)["schema"] == schema
    missing = driver.app_call("upsertAppDataTableRows", **table, rows=[{"v": "c"}])
    assert missing["error"]["message"] == "each of rows needs the primary key columns"


def test_a_table_is_created_once(driver: Driver) -> None:
    columns = [{"key": "id", "name": "Id", "type": "OPERATOR_TYPE_STRING"}]
    assert driver.app_call("createAppDataTable", tableName="t", columns=columns) == {
        "requestId": "request-new-1"
    }
    again = driver.app_call("createAppDataTable", tableName="t", columns=columns)
    assert again["error"]["message"] == "table t already exists"


def test_a_failed_extension_is_a_success_that_says_so(driver: Driver) -> None:
    names = {"extensionName": "e", "systemVersion": "v1"}
    registered = driver.app_call("registerExtension", **names)
    assert registered["extensions"] == [{"name": "e", "systemVersion": "v1", "exclusive": False}]
    assert (registered["success"], registered["validationErrors"]) == (True, [])
    assert driver.app_call("unregisterExtension", **names)["success"] is True
    assert driver.app_call("unregisterExtension", **names)["errorMessage"] == "extension not found"


def test_oauth_targets_come_page_by_page(driver: Driver) -> None:
    first = driver.app_call("listActiveOAuthManagerTargets", limit=4)
    second = driver.app_call("listActiveOAuthManagerTargets", limit=4, cursor=first["nextCursor"])
    assert [len(page["targets"]) for page in (first, second)] == [4, 2]
    assert "nextCursor" not in second


def test_install_is_checked_with_either_token(driver: Driver) -> None:
    assert driver.app_call("checkInstall", channelId="ch-1") == {"installed": True}
    assert driver.app_call("checkInstall", channelId="ch-9") == {"installed": False}
    assert driver.call("checkInstall", appId="demo-app") == {"installed": True}


def test_schemas_that_exist_are_skipped(driver: Driver) -> None:
    schema = {"key": "k", "name": "K"}
    assert driver.call("createAppSchemas", schemas=[schema])["skippedKeys"] == []
    answer = driver.call("createAppSchemas", schemas=[schema, {"key": "l", "name": "L"}])
    assert ([s["key"] for s in answer["schemas"]], answer["skippedKeys"]) == (["l"], ["k"])
    for method in ("searchUserSchemas", "searchUserChatSchemas"):
        assert [s["key"] for s in driver.call(method)["schemas"]] == ["k", "l"]


def test_events_have_the_schema_of_their_properties(driver: Driver) -> None:
    event = driver.call("createEvent", userId="user-ch-1-1", name="buy", property={"price": 3})["event"]
    assert event["property"] == {"price": 3}
    found = driver.call("searchEventSchemasByEventName", eventName="buy")["schemas"]
    assert [schema["key"] for schema in found] == ["price"]


@pytest.mark.parametrize(
    ("method", "params", "key"),
    [
        ("getChannel", {}, "channel"),
        ("getGroup", {"groupId": "group-ch-1-2"}, "group"),
        ("getPlugin", {"pluginId": "p"}, "plugin"),
        (
            "registerCommerce",
            {"pluginId": "p", "appCommerce": {"appCommerceType": "t", "appCommerceId": "i"}},
            "plugin",
        ),
        ("createMediumLink", {"mediumType": "app"}, "mediumLink"),
        ("issueEntityToken", {"entityType": "user", "entityId": "u"}, "entityToken"),
        ("searchArticles", {}, "articles"),
        ("writeSystemLog", {"appId": "demo-app", "text": "x"}, "systemLog"),
    ],
)
def test_other_functions_answer_under_their_key(driver: Driver, method: str, params: Any, key: str) -> None:
    assert key in driver.call(method, **params)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        (
            "deregisterCommerce",
            {"pluginId": "p", "appCommerce": {"appCommerceType": "t", "appCommerceId": "i"}},
        ),
        ("deleteMediumLink", {"mediumType": "app"}),
    ],
)
def test_what_is_taken_back_twice_is_no_error(driver: Driver, method: str, params: Any) -> None:
    assert [driver.call(method, **params) for _ in range(2)] == [{}, {}]


@pytest.mark.parametrize("method", ["getAlfTaskVersions", "getAppNotebookVersions"])
def test_version_listings_succeed_empty(driver: Driver, method: str) -> None:
    assert driver.app_call(method)["success"] is True


@pytest.mark.parametrize("method", ["registerInstallHook", "registerToggleHook", "registerAppWidgets"])
def test_hooks_answer_nothing(driver: Driver, method: str) -> None:
    assert driver.app_call(method) == {}


@pytest.mark.parametrize("method", ["getArticle", "getRevision"])
def test_there_are_no_articles(driver: Driver, method: str) -> None:
    assert '"status":404,"type":"Not Found"' in driver.call(method)["error"]["message"]


@pytest.mark.parametrize("contract", ["strict", "lenient"])
@pytest.mark.parametrize("method", sorted(FUNCTIONS))
def test_no_function_breaks_on_odd_parameters(make_driver: type[Driver], method: str, contract: str) -> None:
    driver, function = make_driver(contract=contract), FUNCTIONS[method]
    send = driver.call if "channel" in function.tokens else driver.app_call
    odds: list[Any] = [[], {}, "x", 5, True, None, [[]], [{}], {"a": [1]}, {"paths": []}, "", ["", "a."]]
    fields = [name for name in function.contract.params.fields if name not in ("channelId", "appId")]
    for odd in odds:
        params: dict[str, Any] = dict.fromkeys(fields, odd)
        send(method, **params)
        assert driver.status == 200, (method, odd, driver.last()["error"])


COLUMNS = [
    {"key": kind.lower(), "name": kind, "type": f"OPERATOR_TYPE_{kind}"}
    for kind in (
        "STRING", "NUMBER", "BOOLEAN", "DATE", "DATETIME", "LIST_OF_STRING", "LIST_OF_NUMBER", "LIST_OF_OBJECT"
    )
]  # fmt: skip
FITS = {
    "string": "a",
    "number": 1.5,
    "boolean": False,
    "date": "2026-02-28",
    "datetime": "2026-02-28T09:00:00+09:00",
    "list_of_string": ["a"],
    "list_of_number": [1, 2.5],
    "list_of_object": [{"a": 1}],
}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({}, None),
        (dict.fromkeys(FITS), None),
        ({"datetime": "2026-02-28T00:00:00.5Z"}, None),
        ({"colour": "red"}, "rows[0].colour is no column of the table"),
        ({"string": 5}, "rows[0].string does not fit OPERATOR_TYPE_STRING, it is a number"),
        ({"number": "5"}, "rows[0].number does not fit OPERATOR_TYPE_NUMBER, it is a text of 1 character"),
        ({"number": True}, "rows[0].number does not fit"),
        ({"boolean": 1}, "rows[0].boolean does not fit"),
        ({"date": "2026-02-30"}, "rows[0].date does not fit"),
        ({"date": "20260228"}, "rows[0].date does not fit"),
        ({"datetime": "2026-02-28T09:00:00"}, "rows[0].datetime does not fit"),
        ({"datetime": "2026-02-28"}, "rows[0].datetime does not fit"),
        ({"list_of_string": ["a", 1]}, "rows[0].list_of_string does not fit"),
        ({"list_of_number": 1}, "rows[0].list_of_number does not fit"),
        ({"list_of_object": ["a"]}, "rows[0].list_of_object does not fit"),
    ],
)
def test_each_cell_fits_its_column(make_driver: type[Driver], cells: Any, message: str | None) -> None:
    table = {"channelId": "ch-1", "tableName": "orders"}
    for contract, refused in (("strict", message is not None), ("lenient", False)):
        driver = make_driver(contract=contract)
        driver.app_call("createAppDataTableSchema", **table, columns=COLUMNS)
        answer = driver.app_call("upsertAppDataTableRows", **table, rows=[{**FITS, **cells}])
        assert ("error" in answer) is refused, answer
        assert not refused or str(message) in answer["error"]["message"]


def test_a_column_that_must_not_be_null_is_not(driver: Driver) -> None:
    table = {"channelId": "ch-1", "tableName": "orders"}
    driver.app_call("createAppDataTableSchema", **table, columns=[{**COLUMNS[0], "nullable": False}])
    answer = driver.app_call("upsertAppDataTableRows", **table, rows=[{"string": None}])
    assert "rows[0].string must not be null" in answer["error"]["message"]
