"""Each function and each rule of the contract, held against both who read it: the provider and the strict emulator."""

from __future__ import annotations

from typing import Any

import pytest
from support.contract_calls import Broken, broken, rules_of, smallest
from unit.emulator.conftest import Driver

from airflow_channel_provider.contract.functions import CATALOGUE
from airflow_channel_provider.contract.model import NativeFunction, TokenScope
from airflow_channel_provider.contract.sources import Strength
from airflow_channel_provider.emulator import DEMO_SECRET
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.prepared_call import check as check_call
from airflow_channel_provider.prepared_call import described

SEEDS = {
    "appId": "demo-app",
    "secret": DEMO_SECRET,
    "channelId": "ch-1",
    "userId": "user-ch-1-1",
    "memberId": "member-ch-1-1",
    "managerId": "manager-ch-1-1",
    "managerIds": ["manager-ch-1-1"],
    "roleId": "role-1",
    "userChatId": "chat-ch-1-1",
    "chatId": "chat-ch-1-1",
    "chatType": "userChat",
    "groupId": "group-ch-1-1",
    "directChatId": "directChat-new-1",
    "messageId": "msg-00000001",
    "tableName": "orders",
}
CHECKED = [function for function in CATALOGUE.values() if function.scope is not TokenScope.NONE]
NOTHING_THERE = {"getArticle": "article not found", "getRevision": "revision not found"}
"""The emulator keeps no articles, and nothing is published of what makes one."""


class Seeded(Driver):
    """An emulator in which everything that the seeds name exists."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.call("createDirectChat", managerIds=[SEEDS["managerId"]])
        self.call("writeUserChatMessage", userChatId=SEEDS["userChatId"], dto={"botName": "b"})
        column = {"key": "id", "name": "Id", "type": "OPERATOR_TYPE_STRING"}
        self.app_call("createAppDataTableSchema", channelId="ch-1", tableName="orders", columns=[column])

    def send_as_it_is(self, function: NativeFunction, params: dict[str, Any]) -> Any:
        channel_id = None if function.scope is TokenScope.APP else "ch-1"
        token = self.emulator.world.tokens.mint("demo-app", channel_id, self.time)["accessToken"]
        return self.native(function.name, params, token)


def seeds_for(driver: Driver) -> dict[str, Any]:
    return {**SEEDS, "refreshToken": driver.issue()["refreshToken"]}


@pytest.mark.parametrize("contract", ["strict", "lenient"])
@pytest.mark.parametrize("method", CATALOGUE)
def test_the_smallest_call_that_keeps_the_contract_is_accepted(method: str, contract: str) -> None:
    driver, function = Seeded(contract=contract), CATALOGUE[method]
    params = smallest(function.params, seeds_for(driver))
    assert set(params) == {name for name in function.params.fields if function.needs(name)}
    assert list(check_call(function, params, enforce_contract=True)) == []
    answer = driver.send_as_it_is(function, params)
    assert ("error" in answer) is (method in NOTHING_THERE), answer
    if method in NOTHING_THERE:
        assert NOTHING_THERE[method] in answer["error"]["message"]


@pytest.fixture(scope="module")
def driver() -> Driver:
    return Seeded()


@pytest.mark.parametrize("function", CHECKED, ids=lambda function: function.name)
def test_each_rule_stops_the_call_that_breaks_just_it(driver: Seeded, function: NativeFunction) -> None:
    for case in broken(function, SEEDS):
        (violation,) = function.violations(case.value)
        assert (violation.path, violation.rule) == (case.path, case.rule)
        _the_provider_stops_it(function, case)
        _the_emulator_refuses_it(driver, function, case)


def _the_provider_stops_it(function: NativeFunction, case: Broken) -> None:
    told = f"{function.name}: params.{case.path} {case.rule.text}, it "
    if case.rule.source.strength.is_certain:
        with pytest.raises(ChannelConfigurationError) as caught:
            check_call(function, case.value, enforce_contract=True)
        assert str(caught.value).startswith(told)
        assert f"({case.rule.source})" in str(caught.value)
    else:
        warnings = check_call(function, case.value, enforce_contract=True)
        assert f"{function.name}: {described(warnings)}".startswith(told)
    check_call(function, case.value, enforce_contract=False)


def _the_emulator_refuses_it(driver: Seeded, function: NativeFunction, case: Broken) -> None:
    answer = driver.send_as_it_is(function, case.value)
    if case.rule.source.strength is Strength.INFERRED:
        assert "error" not in answer, case.path
        return
    error = answer["error"]
    assert (error["code"], error["type"]) == (1, "unprocessable"), case.path
    assert error["message"].startswith(f"validation failed: {case.path} {case.rule.text}, it ")
    assert driver.last()["acted"] is False


@pytest.mark.parametrize("function", CHECKED, ids=lambda function: function.name)
def test_no_rule_is_left_out(function: NativeFunction) -> None:
    said = {(path, rule) for path, rule in rules_of(function.params, function.params.by) if path}
    closed = {("", rule) for rule in function.params.limits(function.params.by)}
    tried = {(case.path.removesuffix("surplus").rstrip("."), case.rule) for case in broken(function, SEEDS)}
    assert tried == said | closed


@pytest.mark.parametrize("method", ["issueToken", "refreshToken"])
def test_a_token_request_that_lacks_something_is_refused(method: str) -> None:
    driver = Driver()
    for params in ({}, {"secret": 5, "refreshToken": 5}):
        assert "error" in driver.native(method, params)
