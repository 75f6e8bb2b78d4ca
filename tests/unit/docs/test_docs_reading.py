"""The page about reading and waiting says what the code says. What it shows in Python is run elsewhere."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from airflow_channel_provider.hooks import _paging
from airflow_channel_provider.operators.paged_read import MAX_XCOM_BYTES
from airflow_channel_provider.sensors._base import ChannelTalkBaseSensor
from airflow_channel_provider.triggers import channel_talk, conditions

ROOT = Path(__file__).parents[3]
PAGE = ROOT.joinpath("docs", "reading.md").read_text(encoding="utf-8")
WORDS = {4: "four"}


def test_states_are_all_of_them() -> None:
    (sentence,) = re.findall(r"`state` is one of (.*?), or a list", PAGE, re.DOTALL)
    assert re.findall(r"`(\w+)`", sentence) == list(conditions.states_of_user_chats())


def test_numbers_are_those_of_the_code() -> None:
    assert f"`max_xcom_bytes`\n({MAX_XCOM_BYTES:,}, as JSON)" in PAGE
    assert f"{_paging.MAX_EMPTY_PAGES} pages in a row are empty" in PAGE
    assert f"at most {WORDS[channel_talk.THREADS]} threads" in PAGE
    parameters = inspect.signature(ChannelTalkBaseSensor.__init__).parameters
    assert f"`tolerated_failures` ({parameters['tolerated_failures'].default}) in a row" in PAGE
