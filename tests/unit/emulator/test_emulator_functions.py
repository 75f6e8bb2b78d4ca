from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_channel_provider.emulator.functions import FUNCTIONS

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver

CATALOGUE = """
registerCommands getCommands toggleCommand getCommandChannelActivations registerExtension unregisterExtension
getAlfTaskVersions getAppNotebookVersions listActiveOAuthManagerTargets createAppDataTable createAppDataTableSchema
getAppDataTableSchema upsertAppDataTableRows checkInstall registerInstallHook registerToggleHook registerAppWidgets
writeSystemLog writeGroupMessage writeGroupMessageAsManager writeUserChatMessage writeUserChatMessageAsManager
writeUserChatMessageAsUser writeDirectChatMessageAsManager patchMessage getManager batchGetManagers searchManagers
getRole getUser searchUser createLead createUser upsertMember patchUser deleteUser findOrCreateContactAndUser
findContactsByUser findContactsByAddress createEvent getUserChat manageUserChat createUserChat
findOrCreateUserChatByMedium updateUserChatState updateUserChatStateByUser startUserChatFromUserByMedium
searchUserChatsByContact searchUserChatsByMedium submitHandlingWorkflowButton getGroup searchGroups getChannel
createDirectChat findOrCreateDirectChat getPlugin registerCommerce deregisterCommerce createMediumLink
deleteMediumLink searchUserChatSchemas searchUserSchemas searchEventSchemasByEventName createAppSchemas
issueEntityToken searchArticles getArticle getRevision
"""


def test_every_known_native_function_is_there() -> None:
    assert sorted(FUNCTIONS) == sorted(CATALOGUE.split())


def command(name: str, scope: str = "desk", **more: Any) -> dict[str, Any]:
    return {"name": name, "scope": scope, "actionFunctionName": "act", **more}


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
        ([command(f"c{n}") for n in range(31)], "the number of commands must be less than or equal to 30"),
        ([command("a"), command("a")], "command a is given twice in scope desk"),
        ([{"name": "a", "scope": "desk"}], "command actionFunctionName is required"),
        ([command("a", "side")], "command scope must be desk or front"),
        ([command("a", alfMode="x")], "command alfMode must be disable or recommend"),
    ],
)
def test_wrong_commands_change_nothing(driver: Driver, commands: Any, message: str) -> None:
    driver.app_call("registerCommands", commands=[command("old")])
    assert driver.app_call("registerCommands", commands=commands) == {
        "error": {"type": "common", "message": message}
    }
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
    columns = [{"key": "id", "name": "Id", "type": "string"}, {"key": "v", "name": "V", "type": "string"}]
    table = {"channelId": "ch-1", "tableName": "orders"}
    schema = driver.app_call("createAppDataTableSchema", **table, columns=columns, primaryKeyColumns=["id"])[
        "schema"
    ]
    assert schema["revision"] == 1
    for rows in ([{"id": "1", "v": "a"}, {"id": "2"}], [{"id": "1", "v": "b"}]):
        answer = driver.app_call("upsertAppDataTableRows", **table, rows=rows)
        assert answer["acceptedRowCount"] == len(rows)
    kept = driver.emulator.world.apps["demo-app"].tables[("ch-1", "orders")]["rows"]
    assert list(kept.values()) == [{"id": "1", "v": "b"}, {"id": "2"}]
    assert driver.app_call("getAppDataTableSchema", **table)["schema"] == schema
    missing = driver.app_call("upsertAppDataTableRows", **table, rows=[{"v": "c"}])
    assert missing["error"]["message"] == "each of rows needs the primary key columns"


def test_a_table_is_created_once(driver: Driver) -> None:
    columns = [{"key": "id", "name": "Id", "type": "string"}]
    assert driver.app_call("createAppDataTable", tableName="t", columns=columns) == {
        "requestId": "request-new-1"
    }
    again = driver.app_call("createAppDataTable", tableName="t", columns=columns)
    assert again["error"]["message"] == "table t already exists"


def test_a_failed_extension_is_a_success_that_says_so(driver: Driver) -> None:
    names = {"extensionName": "e", "systemVersion": "v1"}
    assert driver.app_call("registerExtension", **names)["extensions"] == [names]
    wrong = driver.app_call("registerExtension", extensionName=5, systemVersion="v1")
    assert (wrong["success"], wrong["validationErrors"][0]["field"]) == (False, "extensionName")
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
        ("deregisterCommerce", {"pluginId": "p", "appCommerce": {}}),
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
    assert '"type":"ENTITY_NOT_FOUND"' in driver.call(method)["error"]["message"]


@pytest.mark.parametrize("method", sorted(FUNCTIONS))
def test_no_function_breaks_on_odd_parameters(driver: Driver, method: str) -> None:
    function = FUNCTIONS[method]
    send = driver.call if "channel" in function.scopes else driver.app_call
    odds: list[Any] = [[], {}, "x", 5, True, [[]], [{}], {"a": [1]}]
    for odd in odds:
        params: dict[str, Any] = dict.fromkeys(
            (*function.required, "pagination", "cursor", "mediumId", "memberId"), odd
        )
        params |= {"appId": "demo-app"}
        params.pop("channelId", None)
        send(method, **params)
        assert driver.status == 200, (method, odd, driver.last()["error"])
