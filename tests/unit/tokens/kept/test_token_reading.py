"""Tasks that read tokens which a keeper renews: they send nothing, and wait where they must."""

from __future__ import annotations

import pytest
from support.kept_tokens import (
    START,
    World,
    raising,
    seconds_until,
)

from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelNotSentError,
    ChannelRequestError,
    ChannelTokenQuotaError,
)


def test_tasks_use_what_the_keeper_stored_and_write_nothing(world: World) -> None:
    world.keep(None, "1")
    world.variables.writes.clear()
    assert {world.task().get().access_token for _ in range(50)} == {"access-0"}
    assert world.task().get("1").access_token == "access-1"
    assert world.kinds() == ["issue", "issue"]
    assert world.variables.writes == []


def test_a_cold_task_reads_two_variables_and_a_warm_one_none(world: World) -> None:
    world.keep()
    world.variables.reads.clear()
    task = world.task()
    task.get()
    assert len(world.variables.reads) == 2
    world.now += 1300
    task.get()
    assert len(world.variables.reads) == 2
    world.now += 100  # there may be a newer one by now
    task.get()
    assert len(world.variables.reads) == 4


def test_a_task_without_a_token_sends_nothing_and_says_whose_it_is(world: World) -> None:
    with pytest.raises(ChannelNotSentError) as caught:
        world.task().get("1")
    for part in (
        "Connection 'c'",
        "channel:1",
        "KeepTokensOperator",
        "none has written yet",
        "Nothing was sent",
    ):
        assert part in caught.value.message
    assert 90 <= seconds_until(caught.value, world.now) <= 120
    assert world.kinds() == []
    assert world.variables.values == {}


def test_a_task_names_the_dag_that_should_have_renewed(world: World) -> None:
    world.keep()
    world.now += 1860
    with pytest.raises(
        ChannelNotSentError, match=r"ended 60 s ago.* DAG 'keeper' \(last wrote on 2023-11-14 at"
    ):
        world.task().get()
    with pytest.raises(ChannelNotSentError, match="none that this App Secret opens"):
        world.task().get("2")


def test_tasks_that_wait_come_back_spread_out(world: World) -> None:
    def wait() -> float:
        with pytest.raises(ChannelNotSentError) as caught:
            world.task().get()
        return seconds_until(caught.value, world.now)

    waits = [wait() for _ in range(200)]
    assert max(waits) - min(waits) > 20


def test_a_waiting_task_goes_on_once_the_keeper_has_run(world: World) -> None:
    task = world.task()
    with pytest.raises(ChannelNotSentError):
        task.get()
    world.keep()
    assert task.get().access_token == "access-0"


def test_an_old_token_serves_until_its_end(world: World) -> None:
    world.keep()
    world.now += 1799
    assert world.task().get().access_token == "access-0"


def test_a_newer_token_takes_the_place_of_a_refused_one(world: World) -> None:
    task = world.task()
    world.keep()
    refused = task.get().fingerprint
    world.now += 1400
    world.keep()
    assert task.get(rejected=refused).access_token == "access-1"


def test_a_process_goes_on_with_its_token_while_airflow_does_not_answer(world: World) -> None:
    world.keep()
    task = world.task()
    task.get()
    world.variables.away = True
    world.now += 1799
    assert task.get().access_token == "access-0"
    world.now += 1
    with pytest.raises(ChannelNotSentError):
        task.get()


def test_a_refused_token_that_nobody_replaced_yet_is_waited_for(world: World) -> None:
    world.keep()
    world.now += 600
    refused = world.task().get().fingerprint
    with pytest.raises(
        ChannelNotSentError, match=r"600 s old.*nor tell DAG 'keeper'.*ahead_seconds=1800"
    ) as caught:
        world.task().get(rejected=refused)
    assert 90 <= seconds_until(caught.value, world.now) <= 120
    assert world.kinds() == ["issue"]


def test_a_new_token_that_is_refused_fails_since_the_next_one_would_be_too(world: World) -> None:
    world.keep()
    world.now += 60
    with pytest.raises(ChannelAuthenticationError, match="60 s old"):
        world.task().get(rejected=world.task().get().fingerprint)


def test_by_hand_a_refused_token_is_renewed_at_once(world: World) -> None:
    world.keep()
    world.now += 60
    assert world.keep(ahead_seconds=1800.0)["app"].action == "refreshed"


def test_tasks_learn_what_the_keeper_was_refused(world: World) -> None:
    world.service.trouble = raising(
        ChannelAuthenticationError("The App Secret was refused.", http_status=200)
    )
    assert world.keep()["app"].action == "missing"
    for second in (1, 299, 400):
        world.now = START + second
        with pytest.raises(ChannelAuthenticationError, match=r"The App Secret was refused\."):
            world.task().get()
    assert world.kinds() == ["issue"]
    with pytest.raises(ChannelNotSentError):
        world.task("a corrected secret").get()


def test_tasks_without_a_token_wait_until_the_quota_lets_the_keeper_renew(world: World) -> None:
    kept = world.keep(*(str(i) for i in range(11)))
    assert [one.action for one in kept.values()] == ["issued"] * 10 + ["missing"]
    with pytest.raises(ChannelTokenQuotaError, match="DAG 'keeper'") as caught:
        world.task().get("10")
    assert 1865 <= seconds_until(caught.value, START) <= 2050
    assert world.kinds() == ["issue"] * 10


def test_a_passing_trouble_of_the_keeper_is_waited_out(world: World) -> None:
    world.service.trouble = raising(ChannelRequestError("server error", http_status=503))
    world.keep()
    with pytest.raises(ChannelNotSentError, match=r"Its last 4 token requests failed") as caught:
        world.task().get()
    assert 90 <= seconds_until(caught.value, world.now) <= 120
