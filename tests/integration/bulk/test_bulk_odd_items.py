"""Items that lack what names them, or hold what few texts do: each is its own matter, and the others arrive."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from support.bulk_runs import CHATS, GONE, State, campaign, counts, dead, execute, texts

from airflow_channel_provider.emulator import DEMO_APP_ID, EmulatorProcess
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.operators.bulk import BulkNativeFunctionOperator, DataTableLoadOperator

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be called outside")

HALF = "half \ud83d"


def utf8(value: Any) -> bytes:
    """As XComs and task states travel: a text that is no UTF-8 stops them."""
    return json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize("chat", [CHATS[0], GONE])
def test_half_a_pair_is_the_matter_of_its_item(emulator: EmulatorProcess, tmp_path: Path, chat: str) -> None:
    items = [{"n": HALF, "chat": chat}, {"n": 1, "chat": CHATS[1]}, {"n": 2, "chat": f"{HALF} chat"}]
    state, failed = State(), tmp_path / "failed.jsonl"
    summary = execute(
        campaign(items=items, order_by="n", dead_letter=failed.as_uri(), max_failures=None), state
    )
    assert summary["items"] == 3
    assert texts(emulator)["order 1 of 2026-01-31"] == 1
    lost = [items[0], items[2]] if chat == GONE else [items[2]]
    assert sorted((letter["item"] for letter in dead(failed)), key=items.index) == lost
    assert utf8(summary)
    assert utf8(state.get("channel_talk_bulk"))
    again = execute(campaign(path=failed.as_uri(), max_failures=None), run_id="again")
    assert counts(again) == {"failed": len(lost)}


@pytest.mark.parametrize("missing", [{}, {"n": None}, {"n": ""}, {"n": float("nan")}])
@pytest.mark.parametrize("key", ["n", lambda item: item.get("n")])
def test_an_item_without_its_key_is_a_dead_letter_and_stays_one(
    emulator: EmulatorProcess, tmp_path: Path, missing: dict[str, Any], key: Any
) -> None:
    items = [{"n": 1, "chat": CHATS[1]}, {"chat": CHATS[2], **missing}, {"n": 3, "chat": CHATS[3]}]
    failed = tmp_path / "failed.jsonl"
    params = {"userChatId": "{{ item.chat }}", "dto": {"plainText": "order", "botName": "Shop"}}
    summary = execute(
        campaign(items=items, item_key=key, function_params=params, dead_letter=failed.as_uri())
    )
    assert counts(summary) == {"succeeded": 2, "failed": 1}
    (letter,) = dead(failed)
    assert (letter["key"], letter["request_id"], letter["item"]["chat"]) == ("", None, CHATS[2])
    assert letter["message"].startswith("Item 1 of the source ")
    assert letter["message"].endswith(" It was not sent.")
    again = campaign(path=failed.as_uri(), item_key=key, function_params=params, max_failures=None)
    assert counts(execute(again, run_id="again")) == {"failed": 1}
    assert sum(texts(emulator).values()) == 2


def test_an_item_without_its_lane_is_a_dead_letter(emulator: EmulatorProcess, tmp_path: Path) -> None:
    failed = tmp_path / "failed.jsonl"
    items = [{"n": n, "chat": CHATS[n], **({} if n == 1 else {"lane": "a"})} for n in range(4)]
    summary = execute(campaign(items=items, order_by="lane", dead_letter=failed.as_uri()))
    assert counts(summary) == {"succeeded": 3, "failed": 1}
    assert [letter["item"]["n"] for letter in dead(failed)] == [1]


@pytest.mark.parametrize(
    ("method", "outcome"), [("createEvent", "uncertain"), ("writeUserChatMessage", "failed")]
)
def test_what_an_earlier_run_has_sent_is_known_also_without_its_lane(
    emulator: EmulatorProcess, tmp_path: Path, method: str, outcome: str
) -> None:
    letter = {
        "dead_letter": 1,
        "item": {"n": 1, "chat": CHATS[0]},
        "key": "1",
        "request_id": "r-1" if outcome == "failed" else None,
        "outcome": outcome,
        "error": "ChannelError",
        "message": "no",
        "attempt": 1,
        "at": "2026-01-31T12:00:00+00:00",
    }
    failed = tmp_path / "failed.jsonl"
    operator = campaign(
        method=method, items=[letter], order_by="lane", dead_letter=failed.as_uri(), max_failures=None
    )
    assert counts(execute(operator)) == {outcome: 1}
    (again,) = dead(failed)
    assert [again[name] for name in ("key", "request_id", "outcome")] == [
        letter[name] for name in ("key", "request_id", "outcome")
    ]


COLUMNS = ("dead_letter", "item", "items", "values", "copy", "keys", "key", "outcome")


def test_columns_may_be_called_like_anything(emulator: EmulatorProcess) -> None:
    row = {name: f"<{name}>" for name in COLUMNS}
    text = " ".join(f"{{{{ item.{name} }}}}" for name in COLUMNS)
    operator = campaign(
        items=[{**row, "chat": CHATS[0]}],
        function_params={"userChatId": "{{ item.chat }}", "dto": {"plainText": text, "botName": "Shop"}},
        item_key="key",
    )
    assert counts(execute(operator)) == {"succeeded": 1}
    assert set(texts(emulator)) == {" ".join(row.values())}


def test_a_table_may_have_the_columns_of_a_dead_letter(emulator: EmulatorProcess) -> None:
    rows = [{"dead_letter": 1, "item": "shoes", "key": 7, "outcome": "uncertain"}]
    load = DataTableLoadOperator(task_id="bulk", table_name="orders", items=rows)
    assert counts(execute(load)) == {"succeeded": 1}
    assert emulator.table(DEMO_APP_ID, "ch-1", "orders")["rows"] == rows


PRICES = ["12.50", "3.00", "0.10", "1000", "7.125"]


def of_a_list(folder: Path) -> dict[str, Any]:
    return {"items": [{"n": n, "price": Decimal(price)} for n, price in enumerate(PRICES)]}


def of_json_lines(folder: Path) -> dict[str, Any]:
    path = folder / "prices.jsonl"
    path.write_text("".join(f'{{"n": {n}, "price": {price}}}\n' for n, price in enumerate(PRICES)))
    return {"path": path.as_uri()}


def of_json_text(folder: Path) -> dict[str, Any]:
    items = (f'{{"n": {n}, "price": {price}}}' for n, price in enumerate(PRICES))
    return {"items": f"[{', '.join(items)}]"}


def of_csv(folder: Path) -> dict[str, Any]:
    path = folder / "prices.csv"
    path.write_text("n,price\n" + "".join(f"{n},{price}\n" for n, price in enumerate(PRICES)))
    return {"path": path.as_uri()}


def of_parquet(folder: Path) -> dict[str, Any]:
    prices = [pyarrow.array([Decimal(price)]).cast(pyarrow.decimal128(9, scale(price))) for price in PRICES]
    paths = []
    for n, price in enumerate(prices):
        pyarrow.parquet.write_table(pyarrow.table({"n": [n], "price": price}), folder / f"{n}.parquet")
        paths.append(folder.joinpath(f"{n}.parquet").as_uri())
    return {"path": paths}


def scale(price: str) -> int:
    return len(price.partition(".")[2])


@pytest.mark.parametrize("source", [of_a_list, of_json_lines, of_json_text, of_csv, of_parquet])
def test_a_price_is_told_as_it_is_written_also_after_a_failure(
    emulator: EmulatorProcess, tmp_path: Path, source: Callable[[Path], dict[str, Any]]
) -> None:
    given = source(tmp_path)
    for position, path in enumerate(given["path"] if isinstance(given.get("path"), list) else [None]):
        failed = tmp_path / f"failed-{position}.jsonl"
        options = {"item_key": None, "max_failures": None, "dead_letter": failed.as_uri()}
        once = given if path is None else {"path": path}
        execute(campaign(function_params=costs(GONE), **once, **options), run_id=f"lost {position}")
        execute(
            campaign(function_params=costs(CHATS[0]), path=failed.as_uri(), item_key=None),
            run_id=f"{position}",
        )
        execute(
            campaign(function_params=costs(CHATS[1]), **once, item_key=None), run_id=f"at once {position}"
        )
    assert texts(emulator) == {f"It costs {price}": 2 for price in PRICES}


def costs(chat: str) -> dict[str, Any]:
    return {"userChatId": chat, "dto": {"plainText": "It costs {{ item.price }}", "botName": "Shop"}}


def test_a_name_that_stands_twice_in_items_is_told_before_anything_is_sent(emulator: EmulatorProcess) -> None:
    twice = f'{{"n": 1, "chat": "{CHATS[0]}", "chat": "{CHATS[1]}"}}'
    for items in (f"[{twice}]", f'[{{"n": 0, "chat": "{CHATS[2]}"}}, {{"n": 1, "of": [{twice}]}}]'):
        with pytest.raises(
            ChannelConfigurationError,
            match=r"items has the field 'chat' twice in one object\. .* remove the other",
        ):
            execute(campaign(items=items))
    assert emulator.messages() == []


def test_a_number_of_items_as_json_text_is_not_rounded(emulator: EmulatorProcess) -> None:
    items = '[{"n": 1, "price": 12.50, "share": 0.33333333333333333333}, {"n": 2, "share": 0.5}]'
    load = DataTableLoadOperator(task_id="bulk", table_name="shares", primary_key="n", items=items)
    assert counts(execute(load)) == {"succeeded": 2}
    assert emulator.table(DEMO_APP_ID, "ch-1", "shares")["rows"] == [
        {"n": 1, "price": 12.5, "share": "0.33333333333333333333"},
        {"n": 2, "share": "0.5"},
    ]


def test_a_price_of_a_database_is_a_number_where_a_number_is_wanted(emulator: EmulatorProcess) -> None:
    def event(item: Any) -> dict[str, Any]:
        return {"userId": "user-ch-1-1", "name": "Bought", "property": {"price": item["price"] * 2}}

    operator = BulkNativeFunctionOperator(
        task_id="bulk", method="createEvent", function_params=event, items=[{"price": Decimal("12.50")}]
    )
    assert counts(execute(operator)) == {"succeeded": 1}
    (call,) = [entry for entry in emulator.journal() if entry["method"] == "createEvent"]
    assert call["params"]["property"] == {"price": 25}


def test_a_table_in_memory_is_one_call_for_each_row(emulator: EmulatorProcess) -> None:
    table = pyarrow.table({"n": [0, 1, 2], "chat": CHATS[:3]})
    assert counts(execute(campaign(items=table))) == {"succeeded": 3}
    assert set(texts(emulator)) == {f"order {n} of 2026-01-31" for n in range(3)}
    load = DataTableLoadOperator(task_id="bulk", table_name="orders", primary_key="n", items=table)
    assert counts(execute(load, run_id="table")) == {"succeeded": 3}
    assert emulator.table(DEMO_APP_ID, "ch-1", "orders")["rows"] == table.to_pylist()
