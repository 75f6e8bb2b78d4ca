"""Tokens in Airflow's Variables: clocks that differ, documents that are lost or foreign, a second writer."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet
from support.kept_tokens import (
    RUN_EVERY_SECONDS,
    SECRET,
    START,
    World,
)
from support.token_service import busiest_window

from airflow_channel_provider.exceptions import (
    ChannelConfigurationError,
    ChannelNotSentError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.tokens.budget import Ledger, Quota
from airflow_channel_provider.tokens.policy import Request, Stage
from airflow_channel_provider.tokens.record import AppRecord
from airflow_channel_provider.tokens.stores.variable import PREFIX, VariableStore

# Clocks


@pytest.mark.parametrize("first", [-30.0, 30.0])
def test_clocks_that_differ_by_a_minute_matter_to_no_task_and_to_no_count(world: World, first: float) -> None:
    channels = [None, "1", "2", "3", "4"]
    reader = world.task()
    for run in range(30):
        world.now = START + run * RUN_EVERY_SECONDS
        world.off_seconds = first if run % 2 else -first
        world.keep(*channels)
        for second in range(0, 300, 20):
            world.now = START + run * RUN_EVERY_SECONDS + second
            for world.off_seconds in (-30.0, 30.0):
                reader.shared.store.local_cache.clear()
                token = reader.get()
                issued = next(at for at, *_ in reversed(world.service.log) if at <= world.now)
                assert world.now - issued < 1800, "served after its end"
                assert token.scope == "app"
    assert busiest_window(world.service.times()) <= 10


def test_charges_are_held_longer_by_what_two_clocks_may_differ(world: World) -> None:
    world.off_seconds = -30.0
    world.keep(*(str(i) for i in range(10)))
    world.off_seconds = 30.0
    for second in range(1700, 1801, 10):
        world.now = START + second
        with pytest.raises(ChannelTokenQuotaError):
            world.task().keep("10", wait_seconds=0)
    assert world.service.refusals == 0


def test_seconds_since_boot_carry_the_time_on_where_the_keeper_stays(world: World) -> None:
    world.boot = "the same"
    world.keep()
    world.now += 100
    world.off_seconds = 100.0  # the clock was stepped, by less than what would not be believed
    task = world.task()
    assert task.age_seconds(task.get()) == pytest.approx(100.0)


@pytest.mark.parametrize("boot", [None, "the same"])
@pytest.mark.parametrize("off", [-86_400.0, -3600.0])
def test_a_document_from_the_future_is_not_believed_and_half_of_the_quota_counts_as_spent(
    world: World, boot: str | None, off: float
) -> None:
    world.boot = boot
    world.keep()
    world.off_seconds = off
    with pytest.raises(ChannelNotSentError):
        world.task().get()
    assert world.task().status().charges_left == 5
    assert world.keep()["app"].action == "issued"
    assert world.task().get().access_token == "access-1"


# The store itself


def test_names_hide_the_values_and_values_hold_no_secret(world: World) -> None:
    world.keep(None, "1")
    assert len(world.variables.values) == 3
    for name, value in world.variables.values.items():
        assert name.startswith(PREFIX)
        assert "token" in name
        assert "access-" not in value
        assert "refresh-" not in value
        assert SECRET not in value
    document = json.loads(world.variables.values[world.document()])
    assert document["keeper"] == "DAG 'keeper'"


@pytest.mark.parametrize(
    "content", ["", "null", "[]", '{"format": "airflow-channel-provider/2"}', "not json"]
)
def test_a_document_of_another_format_counts_as_lost(world: World, content: str) -> None:
    world.keep()
    world.variables.values[world.document()] = content
    assert world.task().get().access_token == "access-0"
    assert world.task().status().charges_left == 5
    world.now += 1500
    assert world.keep()["app"].action == "refreshed"


@pytest.mark.parametrize("content", ["", "***", "AAAA", "Ä"])
def test_a_token_that_cannot_be_read_is_bought_anew(world: World, content: str) -> None:
    world.keep()
    (name,) = (name for name in world.variables.values if name != world.document())
    world.variables.values[name] = content
    with pytest.raises(ChannelNotSentError):
        world.task().get()
    assert world.keep()["app"].action == "issued"


def test_no_ledger_is_begun_anew_because_airflow_cannot_be_asked(world: World) -> None:
    world.keep()
    document = world.document()
    hidden: list[str] = []

    def get(name: str) -> str | None:
        hidden.append(name)
        return None  # what Airflow says as long as its API server does not answer

    world.variables.get = get  # type: ignore[method-assign]
    with pytest.raises(ChannelNotSentError, match="exists and can't be read now"):
        world.task().keep()
    assert document in hidden
    assert world.kinds() == ["issue"]


def test_where_names_cannot_be_listed_an_absent_document_counts_as_half_spent(world: World) -> None:
    world.variables.lists = False
    world.keep()
    assert world.task().status().charges_used == 5 + 1


def test_a_lost_document_beside_its_tokens_counts_as_half_spent(world: World) -> None:
    world.keep()
    del world.variables.values[world.document()]
    world.now += 1500
    world.keep()
    assert world.task().status().charges_used == 5 + 1


def test_airflow_that_does_not_answer_is_no_reason_to_send_uncounted_requests(world: World) -> None:
    world.variables.away = True
    with pytest.raises(ChannelNotSentError, match=r"variable://.*RuntimeError"):
        world.task().keep()
    assert world.kinds() == []


def test_airflow_that_forbids_its_variables_is_a_matter_of_configuration(world: World) -> None:
    def get(name: str) -> str | None:
        raise PermissionError("denied")

    world.variables.get = get  # type: ignore[method-assign]
    with pytest.raises(ChannelConfigurationError, match=PREFIX):
        world.task().get()


def test_a_second_keeper_that_writes_in_between_is_found_out_before_anything_is_sent(world: World) -> None:
    world.task().shared.claim(Request("app", "the other", "host", Stage.EXPIRED))
    name = world.document()
    by_the_other = world.variables.values.pop(name)  # read when ours did, and not yet written

    def between(name: str) -> None:
        world.variables.values[name] = by_the_other

    world.variables.after_set = between
    with pytest.raises(ChannelNotSentError, match="another task has been renewing"):
        world.task().keep(wait_seconds=0)
    assert world.kinds() == []
    assert world.variables.values[name] == by_the_other


def test_something_that_writes_all_the_time_stops_the_keeper_and_is_named(world: World) -> None:
    def overwrite(name: str) -> None:
        world.variables.values[name] = world.variables.values[name] + " "

    world.variables.after_set = overwrite
    with pytest.raises(ChannelNotSentError, match="is a second keeper running"):
        world.task().shared.change(lambda record, now: record)
    with pytest.raises(ChannelNotSentError):
        world.task().keep()
    assert world.kinds() == []


def test_a_write_that_takes_too_long_to_be_sure_sends_nothing(world: World) -> None:
    def slow(name: str) -> None:
        world.now += 3

    world.variables.before_set = slow
    with pytest.raises(ChannelNotSentError, match="overloaded"):
        world.task().keep()
    assert world.kinds() == []


def test_a_keeper_waits_a_moment_before_it_believes_that_it_is_alone(world: World) -> None:
    world.task(store=world.store(settle_seconds=2.0)).keep()
    assert world.waited == [2.0, 2.0]


def test_a_dead_keeper_is_followed_by_the_next_run_within_its_lease(world: World) -> None:
    world.task().shared.claim(Request("app", "dead", "host", Stage.EXPIRED))
    began = world.now
    assert world.keep()["app"].action == "issued"
    assert world.now - began < 20 + 5 + 1
    assert world.task().status().charges_used == 2


def test_the_document_is_read_as_the_record_that_every_store_has(world: World) -> None:
    world.keep()
    document = json.loads(world.variables.values[world.document()])
    record = AppRecord.from_json(document["state"])
    assert record is not None
    assert record.ledger.left(world.now, Quota()) == 9


def test_documents_are_those_that_are_no_tokens(world: World) -> None:
    world.keep(None, "1")
    (document,) = world.store().documents()
    assert PREFIX + document == world.document()
    world.variables.lists = False
    assert world.store().documents() == []


def test_the_longest_history_fits_into_a_variable_of_the_smallest_database(world: World) -> None:
    long = "x" * 1000
    for number in range(VariableStore.history_rows + 10):
        task = world.task()
        task.asked_by = lambda: long
        world.now += 60
        task.shared.claim(
            Request(f"channel:{number % 10}", f"{number:032}", "host", Stage.EXPIRED, why=long, asked_by=long)
        )
        task.shared.change(lambda record, now: replace(record, ledger=Ledger(), leases={}))
    history = json.loads(world.variables.values[world.document()])["state"]["history"]
    assert len(history) == VariableStore.history_rows
    encrypted = len(Fernet(Fernet.generate_key()).encrypt(world.variables.values[world.document()].encode()))
    assert encrypted < 65_535  # TEXT of MySQL
