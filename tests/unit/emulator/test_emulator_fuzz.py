"""Whatever arrives at the emulator, and however it was set up before: an answer of its own, no internal error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases
from unit.emulator.conftest import settle

from airflow_channel_provider.emulator.control_plane import ControlPlane
from airflow_channel_provider.emulator.faults import OPTIONS
from airflow_channel_provider.emulator.functions import FUNCTIONS
from airflow_channel_provider.emulator.seed_data import DEMO_APP_ID, DEMO_SECRET
from airflow_channel_provider.emulator.service import NATIVE_PATH
from airflow_channel_provider.emulator.settings import Settings

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver

    from airflow_channel_provider.emulator.answers import Delivery

pytestmark = [pytest.mark.fuzz, pytest.mark.promise(name="emulator")]

NUMBERS = (
    st.sampled_from([0, 1, -1, 10**400, 1e300, -1e300, 1e-300, 0.5, 2**63]) | st.integers() | st.floats()
)
IDS = st.sampled_from(
    [
        "ch-1",
        "user-ch-1-1",
        "chat-ch-1-1",
        "group-ch-1-1",
        "manager-ch-1-1",
        DEMO_APP_ID,
        DEMO_SECRET,
        "app",
        "msg-00000001",
        "",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | NUMBERS
    | IDS
    | st.text(max_size=10)
    | st.sampled_from(["\ud800", "\0", "a" * 9_000])
)
KNOWN_KEYS = st.sampled_from(
    [
        "action",
        "app_id",
        "arguments",
        "attributes",
        "button",
        "buttons",
        "blocks",
        "body",
        "bot_name",
        "botName",
        "channel",
        "channelId",
        "channel_id",
        "chat_id",
        "columns",
        "commands",
        "context",
        "count",
        "cursor",
        "dto",
        "error",
        "event_form",
        "events",
        "fault",
        "http_status",
        "id",
        "items",
        "key",
        "limit",
        "managerIds",
        "manager_id",
        "message_id",
        "method",
        "name",
        "options",
        "pagination",
        "parameter",
        "params",
        "permissions",
        "plainText",
        "profile",
        "requestId",
        "result",
        "rows",
        "scope",
        "seconds",
        "secret",
        "share",
        "since",
        "sortOrder",
        "state",
        "tableName",
        "type",
        "text",
        "token",
        "updateMask",
        "url",
        "user_chat_id",
        "user_id",
        "value",
    ]
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KNOWN_KEYS | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = sorted({name for function in FUNCTIONS.values() for name in function.contract.params.fields})
PARAMS = st.dictionaries(
    st.sampled_from(NAMES) | KNOWN_KEYS,
    IDS | ANY_JSON,
    max_size=8,
).map(lambda params: {"channelId": "ch-1", "appId": DEMO_APP_ID, **params})
CALLS = st.tuples(st.just("call"), st.sampled_from(sorted(FUNCTIONS)), PARAMS, st.booleans())
CONTROLS = st.tuples(
    st.just("control"),
    st.sampled_from(
        [
            "inject",
            "clear_faults",
            "revoke_tokens",
            "reissue_secret",
            "reset",
            "advance",
            "configure",
            "app_functions",
            "user_chats",
            "webhook",
            "hook",
            "open_chat",
            "write_message",
            "run_command",
            "suggest",
            "click_button",
        ]
    ),
    ANY_JSON
    | st.dictionaries(KNOWN_KEYS, ANY_JSON, max_size=4)
    | st.dictionaries(st.sampled_from(sorted(Settings().public())), ANY_JSON, min_size=1, max_size=2)
    | st.fixed_dictionaries({"fault": st.sampled_from(sorted(OPTIONS)), "options": ANY_JSON}),
)
QUERIES = st.dictionaries(
    st.sampled_from(["since", "limit", "chat_id", "app_id", "channel_id", "table_name"]),
    IDS | NUMBERS.map(str),
)
READS = st.tuples(
    st.just("read"),
    st.sampled_from(
        [
            "journal",
            "token_requests",
            "app_calls",
            "deliveries",
            "webhooks",
            "messages",
            "commands",
            "table",
            "tables",
            "authorizations",
            "stats",
            "faults",
            "settings",
            "overview",
            "conversation",
        ]
    ),
    QUERIES,
)
RAW = st.tuples(
    st.just("raw"),
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "X"]),
    st.sampled_from(
        [
            NATIVE_PATH,
            f"/general/v1/apps/{DEMO_APP_ID}/functions",
            "/general/v1/apps//functions",
            "/api/oauth/token",
            "/api/v0.9/channel/1/authorize",
            "/api/v0.9/channels/1/deauthorize",
            "/api/v0.9/channel/1/triggers",
            f"/public/v1/apps/{DEMO_APP_ID}/hooks/a/b",
            "/public/v1/apps/",
            "/x",
        ]
    ),
    st.sampled_from(["", "application/json", "application/x-www-form-urlencoded", "Bearer \ud800"]),
    st.binary(max_size=60)
    | ANY_JSON.map(json.dumps).map(str.encode)
    | st.fixed_dictionaries(
        {"method": st.sampled_from(sorted(FUNCTIONS)) | st.text(), "params": ANY_JSON, "context": ANY_JSON}
    )
    .map(json.dumps)
    .map(str.encode)
    | st.integers(1, 20_000).map(lambda depth: b"[" * depth)
    | st.integers(1, 20_000).map(lambda depth: b'{"method":"getUser","params":{"a":' + b"[" * depth),
)


def check(delivery: Delivery) -> None:
    """What a wire can send."""
    assert 0 <= delivery.delay_seconds < 1e9
    if delivery.answer is not None:
        assert isinstance(delivery.answer.status, int)
        assert 200 <= delivery.answer.status < 600
        assert isinstance(delivery.answer.body, bytes)
        assert all(text.isprintable() and text.isascii() for text in delivery.answer.headers.values())


def carry_out(driver: Driver, step: Any) -> None:
    kind = step[0]
    if kind == "call":
        _, method, params, of_channel = step
        token = driver.emulator.world.tokens.mint(DEMO_APP_ID, "ch-1" if of_channel else None, driver.time)
        body = json.dumps({"method": method, "params": params}).encode()
        check(driver.emulator.handle("PUT", NATIVE_PATH, {"x-access-token": token["accessToken"]}, body))
    elif kind == "raw":
        _, method, path, content_type, body = step
        headers = {
            "Content-Type": content_type,
            "Authorization": content_type,
            "x-access-token": content_type,
        }
        check(driver.emulator.handle(method, path, headers, body))
    else:
        http_method, query, body = (
            ("GET", step[2], b"") if kind == "read" else ("POST", {}, json.dumps(step[2]).encode())
        )
        answer = settle(
            ControlPlane(driver.emulator).handle(http_method, f"/_emulator/{step[1]}", query, body)
        )
        assert answer.status in (200, 400, 404), (step, answer.body)
        json.loads(answer.body)


@cases(100)
@given(steps=st.lists(CALLS | CONTROLS | READS | RAW, min_size=1, max_size=6))
def test_any_requests_in_any_order_are_answered(make_driver: type[Driver], steps: list[Any]) -> None:
    driver = make_driver()
    for step in steps:
        carry_out(driver, step)
    for read in ("journal", "overview", "settings", "stats", "messages", "conversation"):
        carry_out(driver, ("read", read, {}))
    errors = [str(entry["error"]) for entry in driver.emulator.journal.since()]
    assert [error for error in errors if error.startswith("internal error")] == []
