"""Whatever text an item holds, the item, its key and its dead letter keep it through two failed runs and a good one."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.bulk_runs import CHATS, GONE, campaign, dead, execute
from support.fuzzing import cases

from airflow_channel_provider.emulator import EmulatorProcess

NUMBERS = count()
# Two halves of a surrogate pair side by side are one character wherever JSON has been.
ANY_TEXT = st.text(st.characters(exclude_categories=()), min_size=1, max_size=12).map(
    lambda text: json.loads(json.dumps(text))
)


@pytest.mark.fuzz
@cases(15)
@given(written=st.lists(ANY_TEXT, min_size=1, max_size=6, unique=True))
@example(written=["\ud83d", "\0", "{{ ds }}", "null", "\u2028", " ", "</script>", "\U0001f600 end \udc00"])
def test_any_text_survives_as_item_key_and_dead_letter(
    emulator: EmulatorProcess, tmp_path: Path, written: list[str]
) -> None:
    run = next(NUMBERS)
    failed, again = tmp_path / f"failed-{run}.jsonl", tmp_path / f"again-{run}.jsonl"
    options = {"item_key": "text", "order_by": "text", "max_failures": None}
    items = [{"text": text, "chat": GONE} for text in written]
    execute(
        campaign(function_params=saying(GONE), items=items, dead_letter=failed.as_uri(), **options),
        run_id=f"{run}",
    )
    execute(
        campaign(function_params=saying(GONE), path=failed.as_uri(), dead_letter=again.as_uri(), **options),
        run_id=f"again {run}",
    )
    for path in (failed, again):
        assert {letter["item"]["text"]: letter["key"] for letter in dead(path)} == dict(
            zip(written, written, strict=True)
        )
    execute(
        campaign(function_params=saying(CHATS[0]), path=again.as_uri(), **options), run_id=f"at last {run}"
    )
    said = {message["plainText"] for message in emulator.messages()}
    assert {f"<{text}>" for text in written if is_whole(text)} <= said


def saying(chat: str) -> dict[str, Any]:
    return {"userChatId": chat, "dto": {"plainText": "<{{ item.text }}>", "botName": "Shop"}}


def is_whole(text: str) -> bool:
    return text.encode(errors="replace").decode() == text
