"""The page about messages says what the code says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from support import markdown

from airflow_channel_provider.messages import attachments
from airflow_channel_provider.messages.dto import message_dto
from airflow_channel_provider.messages.markdown import read_markdown
from airflow_channel_provider.notifications.channel_talk import ChannelTalkNotifier

ROOT = Path(__file__).parents[3]
PAGE = ROOT.joinpath("docs", "messages.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())
ARGUMENTS, SYNTAX = markdown.tables(PAGE)


def test_arguments_are_all_of_them() -> None:
    names = set(inspect.signature(message_dto).parameters) - {"bot_name", "request_id"}
    assert {markdown.code(row[0]) for row in ARGUMENTS[1:]} == names


def test_limits_and_colours_are_those_of_the_code() -> None:
    assert f"at most {attachments.MAX_FILES} files" in WORDS
    assert f"at most {attachments.MAX_BUTTONS} buttons" in WORDS
    assert f"more than {attachments.TITLE_LENGTH} characters" in WORDS
    (sentence,) = re.findall(r"The colours are (.*?)\.", WORDS)
    assert re.findall(r"`(\w+)`", sentence) == [color.lower() for color in attachments.COLORS]
    wait_seconds = inspect.signature(ChannelTalkNotifier).parameters["max_total_wait_seconds"].default
    alerts = " ".join(markdown.page("how_to/alerts.md").split())
    assert f"`max_total_wait_seconds` ({wait_seconds:.0f})" in alerts


SYNTAX_KINDS = [
    ("# Heading", "text"),
    ("*italics*", "text"),
    ("[text](https://...)", "text"),
    ("[@Name](manager:ID)", "text"),
    ('[Title](https://... "button")', "buttons"),
    ("![text](https://...)", "files"),
    ("- item", "bullets"),
    ("> quote", "text"),
    ("a fenced block", "code"),
    ("`` `code` ``", "text"),
    ("---", "text"),
    (":name:", "text"),
    ("${name}", "text"),
]


def test_each_syntax_is_looked_at() -> None:
    assert len(SYNTAX[1:]) == len(SYNTAX_KINDS)


@pytest.mark.parametrize(("syntax", "kind"), SYNTAX_KINDS)
def test_syntax_is_read_as_the_table_says(syntax: str, kind: str) -> None:
    assert [row for row in SYNTAX[1:] if syntax in row[0]]
    source = {"a fenced block": "```\nx\n```"}.get(syntax, syntax).replace("...", "example.com")
    read = read_markdown(source.strip("` ") if syntax.startswith("``") else source)
    assert getattr(read, kind, None) or [block["type"] for block in read.blocks] == [kind]
