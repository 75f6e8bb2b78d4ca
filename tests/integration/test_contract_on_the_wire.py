"""The contract from the hook to the wire: what is sent, what is not, and what the emulator says of what got through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from support.contract_calls import broken, smallest
from unit.contract.test_contract_calls import CHECKED, NOTHING_THERE, SEEDS

from airflow_channel_provider.contract.model import NativeFunction, TokenScope
from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorThread
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelRequestError
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

pytest_plugins = ["airflow_channel_provider.emulator.pytest_plugin"]
FILLED_IN = ("channelId", "appId")
"""Parameters that the hook knows from the connection, so that no call of it can lack them."""


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator, pytest.MonkeyPatch.context() as patch:
        address = urlsplit(emulator.url)
        connection = {
            "conn_type": "channel_talk",
            "host": address.hostname,
            "port": address.port,
            "schema": "http",
            "login": "demo-app",
            "password": DEMO_SECRET,
            "extra": {"channel_id": "ch-1"},
        }
        patch.setenv("AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps(connection))
        patch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path_factory.mktemp("store").as_uri())
        with ChannelTalkHook() as hook:
            hook.call("createDirectChat", {"managerIds": SEEDS["managerIds"]})
            hook.call("writeUserChatMessage", {"userChatId": SEEDS["userChatId"], "dto": {"botName": "b"}})
            column = {"key": "id", "name": "Id", "type": "OPERATOR_TYPE_STRING"}
            hook.call("createAppDataTableSchema", {"tableName": SEEDS["tableName"], "columns": [column]})
        yield emulator


def call(function: NativeFunction, params: dict[str, Any], **kwargs: Any) -> Any:
    with ChannelTalkHook(call_attempts=1, **kwargs) as hook:
        return hook.call(
            function.name, params, channel_id=None if function.scope is TokenScope.APP else "ch-1"
        )


@pytest.mark.parametrize("function", CHECKED, ids=lambda function: function.name)
def test_the_smallest_call_gets_through(emulator: EmulatorThread, function: NativeFunction) -> None:
    # Nobody else needs the user who is deleted.
    seeds = {**SEEDS, "userId": "user-ch-1-2"} if function.name == "deleteUser" else SEEDS
    params = smallest(function.params, seeds)
    if function.name in NOTHING_THERE:
        with pytest.raises(ChannelRequestError, match=NOTHING_THERE[function.name]):
            call(function, params)
    else:
        call(function, params)
    assert emulator.journal()[-1]["method"] == function.name


@pytest.mark.parametrize("function", CHECKED, ids=lambda function: function.name)
def test_what_breaks_a_rule_is_not_sent_until_the_contract_is_off(
    emulator: EmulatorThread, function: NativeFunction
) -> None:
    """One rule of each kind; all of them are tried where no wire is."""
    cases = [
        case
        for case in broken(function, SEEDS)
        if case.rule.source.strength.is_certain and case.path not in FILLED_IN
    ]
    for case in {case.rule.kind: case for case in cases}.values():
        before = len(emulator.journal())
        with pytest.raises(ChannelConfigurationError, match="The call was not sent"):
            call(function, case.value)
        assert len(emulator.journal()) == before
        with pytest.raises(ChannelRequestError) as caught:
            call(function, case.value, contract="off")
        assert (caught.value.code, caught.value.error_type) == (1, "unprocessable")
        assert f"validation failed: {case.path} {case.rule.text}" in str(caught.value)
        assert emulator.journal()[-1]["acted"] is False


def test_a_lenient_emulator_takes_what_a_strict_one_refuses(emulator: EmulatorThread) -> None:
    params = {"commands": [{"name": "a", "scope": "desk", "actionFunctionName": "f"}]}
    with ChannelTalkHook(contract="off") as hook:
        with pytest.raises(ChannelRequestError, match="alfMode is required"):
            hook.call("registerCommands", params)
        emulator.configure(contract="lenient")
        try:
            hook.call("registerCommands", params)
        finally:
            emulator.configure(contract="strict")


@pytest.fixture
def channel_talk_emulator_settings() -> dict[str, Any]:
    return {"contract": "lenient"}


def test_the_fixture_has_a_setting(channel_talk_emulator: EmulatorThread) -> None:
    with urlopen(f"{channel_talk_emulator.url}/_emulator/settings") as answer:
        assert json.load(answer)["contract"] == "lenient"
