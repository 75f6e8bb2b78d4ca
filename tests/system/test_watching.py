"""
Watchers of user chats in a triggerer of a real Airflow, which is killed again and again.

How many assets are watched is said by WATCHED_ASSETS (4), how often the triggerer is killed by TRIGGERER_KILLS (3);
`make test-watchers` makes it 50 and 20.
"""

from __future__ import annotations

import pytest

pytest.importorskip("airflow.triggers.shared_stream", reason="Before Airflow 3.3.2 nothing is shared.")

from airflow_channel_provider.contract.open_api import CHAT_STATES
from system.watching_run import COUNT, KILLS, Watching
from tools.demo.progress import Progress


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Watching:
    with Watching(tmp_path_factory.mktemp("watching") / "home", Progress()) as watching:
        watching.run()
    return watching


def test_no_asset_misses_an_event_and_what_is_told_again_has_the_same_key(watching: Watching) -> None:
    assert len(watching.wanted) > KILLS
    assets = {asset for asset, _ in watching.told}
    assert len(assets) == COUNT
    # What is told again adds to a count here, and no other event to these sets.
    for asset in assets:
        assert {key for told_asset, key in watching.told if told_asset == asset} >= watching.wanted
    versions = {key.rpartition(":")[0] for key in watching.wanted}
    assert {key.rpartition(":")[0] for _, key in watching.told} == versions


def test_payloads_are_texts_and_numbers(watching: Watching) -> None:
    assert {type(value) for chat in watching.chats for value in chat.values()} == {str, int}


def test_all_watchers_share_a_poll(watching: Watching) -> None:
    # Polls side by side would read the lists in each other's midst.
    first = CHAT_STATES.index(watching.states[0])
    rounds = [CHAT_STATES[(first + number) % len(CHAT_STATES)] for number in range(len(watching.states))]
    assert watching.states == rounds


@pytest.mark.promise(name="secrets")
def test_no_secret_is_left_in_logs_database_or_token_store(watching: Watching) -> None:
    assert watching.leaks == []
