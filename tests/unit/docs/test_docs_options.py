"""The pages about options, metrics and errors say what the code says."""

from __future__ import annotations

import configparser
import re

import pytest
from support import markdown

from airflow_channel_provider import configuration, exceptions, metrics
from airflow_channel_provider.hooks import _tokens
from airflow_channel_provider.hooks._stores import open_store
from airflow_channel_provider.retry_policy import Action, decide
from airflow_channel_provider.tokens import policy, transitions

OPTIONS = markdown.page("options.md")
FAILURES = markdown.page("failures.md")
ERRORS = markdown.tables(FAILURES)[0][1:]


def names_under(heading: str) -> list[str]:
    return [markdown.code(row[0]) for row in markdown.tables(markdown.section(OPTIONS, heading))[0][1:]]


def test_options_are_all_of_them_with_their_defaults() -> None:
    rows = markdown.tables(markdown.section(OPTIONS, "## Options"))[0][1:]
    said = {markdown.code(row[0]): row[1].strip("`") for row in rows}
    assert said == {option.name: option.default or "*(empty)*" for option in configuration.OPTIONS}


def test_settings_files_set_options_that_exist() -> None:
    blocks = [block for _, block in markdown.all_blocks() if block.language == "ini"]
    assert blocks
    for block in blocks:
        settings = configparser.ConfigParser()
        settings.read_string(block.text)
        if settings.sections() != [configuration.SECTION]:
            continue
        assert set(settings[configuration.SECTION]) <= {option.name for option in configuration.OPTIONS}
        open_store(settings[configuration.SECTION]["store"])


def test_metrics_are_those_that_are_counted() -> None:
    assert names_under("## Metrics") == re.findall(r"^``([\w.]+)``", metrics.__doc__ or "", re.MULTILINE)


def test_errors_are_all_of_them() -> None:
    assert sorted([*(markdown.code(row[0]) for row in ERRORS), "ChannelError"]) == sorted(exceptions.__all__)


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: markdown.code(row[0]))
def test_what_becomes_of_a_task_is_what_the_policy_decides(row: list[str]) -> None:
    action = decide(getattr(exceptions, markdown.code(row[0]))("no")).action
    words = {
        Action.FAIL: "fails at once",
        Action.WAIT: "tried again when it is over",
        Action.RETRY: "tried again",
        Action.DEFAULT: "as `retries` and",
    }
    assert row[2].startswith(words[action])


def test_pauses_are_those_of_the_code() -> None:
    text = " ".join(FAILURES.split())
    assert policy.LEASE_SECONDS == 20
    assert "otherwise after 20 s" in text
    assert transitions.TRANSIENT_PAUSES_SECONDS == (2, 10, 60, 300)
    assert "after 2, 10, 60, then every 300 s" in text
    assert _tokens.REFUSAL_PAUSES_SECONDS == (1, 2, 3)
    assert "waits 1, 2 and 3 s" in text
