"""What the sources say of the functions that they name. A function that is added to the table needs no line here."""

from __future__ import annotations

from airflow_channel_provider.contract.functions import CATALOGUE, is_token_request, lookup
from airflow_channel_provider.contract.model import RetryClass, TokenScope

NAMES = [
    "issueToken",
    "refreshToken",
    "registerCommands",
    "getCommands",
    "toggleCommand",
    "getCommandChannelActivations",
    "registerExtension",
    "unregisterExtension",
    "getAlfTaskVersions",
    "getAppNotebookVersions",
    "listActiveOAuthManagerTargets",
    "createAppDataTable",
    "createAppDataTableSchema",
    "getAppDataTableSchema",
    "upsertAppDataTableRows",
    "checkInstall",
    "registerInstallHook",
    "registerToggleHook",
    "registerAppWidgets",
    "writeSystemLog",
    "writeGroupMessage",
    "writeGroupMessageAsManager",
    "writeUserChatMessage",
    "writeUserChatMessageAsManager",
    "writeUserChatMessageAsUser",
    "writeDirectChatMessageAsManager",
    "patchMessage",
    "getManager",
    "batchGetManagers",
    "searchManagers",
    "getRole",
    "getUser",
    "searchUser",
    "createLead",
    "createUser",
    "upsertMember",
    "patchUser",
    "deleteUser",
    "findOrCreateContactAndUser",
    "findContactsByUser",
    "findContactsByAddress",
    "createEvent",
    "getUserChat",
    "manageUserChat",
    "createUserChat",
    "findOrCreateUserChatByMedium",
    "updateUserChatState",
    "updateUserChatStateByUser",
    "startUserChatFromUserByMedium",
    "searchUserChatsByContact",
    "searchUserChatsByMedium",
    "submitHandlingWorkflowButton",
    "getGroup",
    "searchGroups",
    "getChannel",
    "createDirectChat",
    "findOrCreateDirectChat",
    "getPlugin",
    "registerCommerce",
    "deregisterCommerce",
    "createMediumLink",
    "deleteMediumLink",
    "searchUserChatSchemas",
    "searchUserSchemas",
    "searchEventSchemasByEventName",
    "createAppSchemas",
    "issueEntityToken",
    "searchArticles",
    "getArticle",
    "getRevision",
]
NAMED = {name: CATALOGUE[name] for name in NAMES if name in CATALOGUE}
READS = ("get", "batchGet", "search", "list", "findContacts", "checkInstall")


def test_the_catalogue_holds_every_function_that_the_sources_name() -> None:
    assert list(NAMED) == NAMES


def test_what_reads_is_a_read_and_nothing_else_is() -> None:
    reads = {name for name, function in NAMED.items() if function.retry is RetryClass.READ}
    assert reads == {name for name in NAMES if name.startswith(READS)}


def test_messages_are_safe_with_a_request_id_only() -> None:
    with_id = {name for name, function in NAMED.items() if function.retry is RetryClass.REQUEST_ID}
    assert with_id == {name for name in NAMES if "Message" in name} - {"patchMessage"}


def test_what_is_never_repeated() -> None:
    unsafe = {name for name, function in NAMED.items() if function.retry is RetryClass.UNSAFE}
    assert unsafe == {
        *(
            "issueToken",
            "refreshToken",
            "createAppDataTable",
            "createAppDataTableSchema",
            "upsertAppDataTableRows",
        ),
        *("writeSystemLog", "createLead", "createUser", "createEvent", "manageUserChat", "createUserChat"),
        *(
            "startUserChatFromUserByMedium",
            "submitHandlingWorkflowButton",
            "createDirectChat",
            "registerCommerce",
        ),
        *("createMediumLink", "issueEntityToken"),
    }


def test_which_token_a_function_wants() -> None:
    by_scope = {scope: {n for n, f in NAMED.items() if f.scope is scope} for scope in TokenScope}
    assert by_scope[TokenScope.NONE] == {"issueToken", "refreshToken"}
    assert by_scope[TokenScope.ANY] == {"checkInstall"}
    assert by_scope[TokenScope.APP] == {
        *(
            "registerCommands",
            "getCommands",
            "registerExtension",
            "unregisterExtension",
            "getAlfTaskVersions",
        ),
        *(
            "getAppNotebookVersions",
            "listActiveOAuthManagerTargets",
            "createAppDataTable",
            "createAppDataTableSchema",
        ),
        *("getAppDataTableSchema", "upsertAppDataTableRows", "registerInstallHook", "registerToggleHook"),
        "registerAppWidgets",
    }


def test_an_unknown_function_is_treated_with_caution() -> None:
    unknown = lookup("newFunction")
    assert (unknown.name, unknown.scope, unknown.retry) == ("newFunction", TokenScope.ANY, RetryClass.UNSAFE)
    assert not unknown.violations({"anything": [1, None, {"a": 1.5}]})


def test_only_the_two_token_functions_are_token_requests() -> None:
    assert [name for name in [*NAMES, "newFunction"] if is_token_request(name)] == [
        "issueToken",
        "refreshToken",
    ]
