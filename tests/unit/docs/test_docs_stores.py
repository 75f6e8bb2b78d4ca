"""What the page about stores shows in JSON is what the stores take, and its lines of configuration open stores."""

from __future__ import annotations

import json
import re

import pytest
from support import markdown

from airflow_channel_provider.hooks._stores import open_store

PAGE = markdown.page("stores.md")
LINES = sorted(set(re.findall(r"`store = (\S+)`", PAGE)))


def test_json_names_what_the_stores_take() -> None:
    sentinels, policy = [
        json.loads(block.text) for block in markdown.blocks(PAGE) if block.language == "json"
    ]
    assert sentinels.keys() == {"sentinels", "master_name"}
    assert all(re.fullmatch(r"[\w-]+:\d+", place) for place in sentinels["sentinels"])
    assert policy["Action"] == ["s3:GetObject", "s3:PutObject"]


@pytest.mark.parametrize("address", LINES)
def test_each_line_of_configuration_names_a_store(address: str) -> None:
    assert open_store(address).address
