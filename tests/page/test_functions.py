"""The function endpoint in Airflow's own server: who gets in, and what is said to whom."""

from __future__ import annotations

import base64
import hmac
import json
import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.airflow_features import PLUGIN_PAGES, has
from support.function_calls import KEY, ROUTE, body_of, put
from support.fuzzing import cases
from support.site import BASE, Site

from airflow_channel_provider.contract.signing import signature_of, signing_key_of
from airflow_channel_provider.plugins._gate import MAX_BODY_BYTES

DISCOVERY = "extension.core.function.getFunctions"
ELSEWHERE = (
    "/channel-talk/",
    "/channel-talk/api/quota",
    "/api/v2/dags",
    "/api/v2/connections",
    "/api/v2/connections/app",
    "/api/v2/variables",
    "/api/v2/monitor/health",
)
OTHER_KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2


@pytest.fixture(autouse=True)
def _connections(monkeypatch: pytest.MonkeyPatch) -> None:
    extras = {"APP": {"signing_secret": KEY}, "KEYLESS": {}, "BROKEN": {"signing_secret": "no hexadecimal"}}
    for conn_id, extra in extras.items():
        fields = {"conn_type": "channel_talk", "password": "a-secret-of-these-tests", "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id}", json.dumps(fields))
    # The secret of a webhook opens webhooks, and those of another service nothing here.
    other = {"conn_type": "benlly", "host": "h", "password": "secret", "extra": {"signing_secret": KEY}}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(other))


# ----------------------------------------------------------------------------------------------------- who gets in


@pytest.mark.parametrize("route", [ROUTE, f"{ROUTE}/v1"])
def test_a_signed_call_is_answered(site: Site, route: str) -> None:
    answer = put(site.anonymous, body_of(DISCOVERY), route=route)
    assert answer.status_code == 200
    assert answer.json()["result"]["success"] is True


@pytest.mark.promise(name="commands")
@pytest.mark.parametrize(
    "conn_id", ["app", "keyless", "broken", "other", "nowhere", "a b", "%00", "%ed%a0%80"]
)
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Signature": signature_of(signing_key_of(OTHER_KEY), body_of(DISCOVERY))},
        {"X-Signature": signature_of(KEY.encode(), body_of(DISCOVERY))},
        {"X-Signature": signature_of(bytes(32), body_of(DISCOVERY))},
        {"X-Signature": ""},
        {"Accept": "*/*"},
        {"Authorization": f"Bearer {signature_of(signing_key_of(KEY), body_of(DISCOVERY))}"},
    ],
    ids=["another key", "key as text", "no key", "empty", "none", "elsewhere"],
)
def test_without_the_signature_nothing_is_said(site: Site, conn_id: str, headers: dict[str, str]) -> None:
    route = ROUTE.replace("app", conn_id)
    answer = put(site.anonymous, body_of(DISCOVERY), route=route, **headers)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})


@pytest.mark.promise(name="commands")
@pytest.mark.parametrize("conn_id", ["keyless", "broken", "other", "nowhere"])
def test_a_signature_opens_its_own_connection_alone(site: Site, conn_id: str) -> None:
    assert put(site.anonymous, body_of(DISCOVERY), route=ROUTE.replace("app", conn_id)).status_code == 401


@pytest.mark.promise(name="commands")
def test_two_signatures_are_none(site: Site) -> None:
    body = body_of(DISCOVERY)
    good = signature_of(signing_key_of(KEY), body)
    headers = [("X-Signature", good), ("x-signature", "another")]
    assert site.anonymous.put(ROUTE, content=body, headers=headers).status_code == 401


@pytest.mark.promise(name="commands")
def test_no_session_stands_in_for_the_signature(site: Site) -> None:
    for client in (site.browser("admin"), site.as_("admin")):
        assert client.put(ROUTE, content=body_of(DISCOVERY)).status_code == 401


@pytest.mark.promise(name="commands")
def test_the_signature_opens_nothing_else(site: Site) -> None:
    body = body_of(DISCOVERY)
    headers = {"X-Signature": signature_of(signing_key_of(KEY), body)}
    for path in ("", "api/quota", "functions/", "functions/app/v1/more", "functions/app/v2"):
        for verb in ("GET", "PUT"):
            answer = site.anonymous.request(
                verb, f"{BASE}/channel-talk/{path}", content=body, headers=headers
            )
            assert answer.status_code in (401, 404, 405)
    for verb in ("GET", "POST", "PATCH", "DELETE", "OPTIONS", "HEAD"):
        assert site.anonymous.request(verb, ROUTE, headers=headers).status_code == 405


def test_an_airflow_without_pages_of_plugins_serves_none(site: Site) -> None:
    answer = site.as_("admin").get(f"{BASE}/channel-talk/")
    assert answer.status_code == (200 if has(PLUGIN_PAGES[0]) else 404)


@pytest.mark.promise(name="commands")
@pytest.mark.parametrize("role", [None, "viewer", "op", "admin"])
def test_neither_signature_nor_token_changes_what_a_person_gets_elsewhere(
    site: Site, monkeypatch: pytest.MonkeyPatch, role: str | None
) -> None:
    token = "a-webhook-token-of-these-tests"
    fields = {"conn_type": "channel_talk", "extra": {"signing_secret": KEY, "webhook_token": token}}
    monkeypatch.setenv("AIRFLOW_CONN_APP", json.dumps(fields))
    body = body_of(DISCOVERY)
    proof = {"X-Signature": signature_of(signing_key_of(KEY), body)}
    client = site.as_(role) if role else site.anonymous
    found = []
    for verb in ("GET", "PUT", "POST", "PATCH", "DELETE"):
        for path in ELSEWHERE:
            without, with_proof = (
                client.request(verb, f"{BASE}{path}", content=body, headers=headers, params=params)
                for headers, params in (({}, {}), (proof, {"token": token}))
            )
            assert (without.status_code, without.headers.get("content-type")) == (
                with_proof.status_code,
                with_proof.headers.get("content-type"),
            )
            found.append(without.status_code)
    assert {401} <= set(found) if role is None else 200 in found


@pytest.mark.promise(name="commands")
@pytest.mark.parametrize("conn_id", ["app", "keyless", "broken", "nowhere"])
@pytest.mark.parametrize("kind", ["signature", "token"])
def test_a_refusal_takes_one_comparison_whatever_is_wrong(
    site: Site, monkeypatch: pytest.MonkeyPatch, conn_id: str, kind: str
) -> None:
    body = body_of(DISCOVERY)
    good = signature_of(signing_key_of(KEY), body)
    compared: list[tuple[int, int]] = []

    def compare(left: Any, right: Any) -> bool:
        compared.append((len(left), len(right)))
        return original(left, right)

    original = hmac.compare_digest
    for tried in ("", "x" * len(good), good[:-2] + "x=", good[:-1]):
        compared.clear()
        with monkeypatch.context() as patch:
            patch.setattr(hmac, "compare_digest", compare)
            if kind == "signature":
                answer = put(
                    site.anonymous, body, route=ROUTE.replace("app", conn_id), **{"X-Signature": tried}
                )
            else:
                route = f"{BASE}/channel-talk/webhooks/{conn_id}"
                answer = site.anonymous.post(route, params={"token": tried}, content=body)
        assert answer.status_code == 401
        # What is expected has the same length for every connection, and so takes the same time.
        assert compared == [(44, len(tried)) if kind == "signature" else (32, 32)]


@pytest.mark.promise(name="commands")
def test_a_call_for_another_channel_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"signing_secret": KEY, "channel_id": "ch-2"}
    fields = {"conn_type": "channel_talk", "password": "a-secret-of-these-tests", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_APP", json.dumps(fields))
    answer = put(site.anonymous, body_of("airflow.run.x", channel={"id": "ch-1"}))
    assert "another channel" in answer.json()["error"]["message"]
    # Discovery belongs to no channel.
    assert "result" in put(site.anonymous, body_of(DISCOVERY)).json()


# ------------------------------------------------------------------------------------------------ what it can't read


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"[]", b"null", b'{"method": 5}', b'{"method": ""}', b"{}"],
)
def test_what_is_no_call_is_a_bad_request(site: Site, body: bytes) -> None:
    answer = put(site.anonymous, body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "parseError")


def test_an_unknown_function_is_an_error_in_the_answer(site: Site) -> None:
    answer = put(site.anonymous, body_of("commands.of.another.app"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (200, -32601)


def test_a_body_that_is_too_large_is_refused_before_it_is_read(site: Site) -> None:
    assert put(site.anonymous, b" " * (MAX_BODY_BYTES + 1)).status_code == 413
    assert put(site.anonymous, b" " * MAX_BODY_BYTES).status_code == 400


def test_an_outage_of_the_database_asks_to_send_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_channel_provider.plugins._gate import Gate

    def lost(*args: Any, **kwargs: Any) -> None:
        from sqlalchemy.exc import OperationalError

        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("disk I/O error"))

    monkeypatch.setattr(Gate, "_settings", lost)
    answer = put(site.anonymous, body_of(DISCOVERY))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
METHODS = st.sampled_from(
    [DISCOVERY, "extension.command.metadata.getCommands", "extension.hook.metadata.getHooks", "airflow.run.x"]
)


@pytest.mark.fuzz
@given(
    body=st.binary(max_size=60)
    | st.builds(
        lambda method, params, context: json.dumps(
            {"method": method, "params": params, "context": context}
        ).encode(),
        METHODS | st.text(max_size=10),
        VALUES | st.fixed_dictionaries({"chat": VALUES, "input": VALUES, "trigger": VALUES}),
        VALUES | st.fixed_dictionaries({"caller": VALUES, "channel": VALUES}),
    ),
    padding=st.sampled_from([0, 0, 0, MAX_BODY_BYTES // 2, MAX_BODY_BYTES + 1]),
    signed=st.booleans(),
    verb=st.sampled_from(["PUT", "PUT", "PUT", "POST", "GET", "DELETE", "PATCH"]),
    header=st.binary(max_size=50).map(lambda raw: bytes(b for b in raw if b >= 32 and b != 127)),
    kind=st.sampled_from(["application/json", "text/plain; charset=utf-16", "multipart/form-data", ""]),
    encoding=st.sampled_from(["", "gzip", "br", "identity, deflate"]),
)
@cases(60)
def test_whatever_is_sent_is_answered(
    site: Site, body: bytes, padding: int, signed: bool, verb: str, header: bytes, kind: str, encoding: str
) -> None:
    body += b" " * padding
    signature = signature_of(signing_key_of(KEY), body).encode() if signed else header
    headers = {
        b"X-Signature": signature,
        b"Content-Type": kind.encode(),
        b"Content-Encoding": encoding.encode(),
    }
    answer = site.anonymous.request(verb, ROUTE, content=body, headers=headers)
    if verb != "PUT":
        assert answer.status_code == 405
    elif len(body) > MAX_BODY_BYTES:
        assert answer.status_code == 413
    elif not signed:
        assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})
    else:
        assert answer.status_code in (200, 400)
        assert set(answer.json()) <= {"result", "error"}


# ----------------------------------------------------------------------------------------------------------- hooks


def test_a_webhook_that_comes_as_a_hook_and_by_its_address_is_one_event(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete, select

    token = "a-webhook-token-of-these-tests-0123456789"
    extra = {"signing_secret": KEY, "webhook_token": token}
    fields = {"conn_type": "channel_talk", "password": "a-secret-of-these-tests", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_APP", json.dumps(fields))
    with create_session() as session:
        session.execute(delete(AssetEvent))
        session.execute(delete(AssetModel))
        session.add(AssetModel(name="chats", uri="channeltalk://ch-1/userChat.opened", group="asset"))
    hooks = put(site.anonymous, body_of("extension.hook.metadata.getHooks")).json()["result"]["hooks"]
    (name,) = [hook["actionFunctionName"] for hook in hooks if hook["type"] == "webhook.received"]
    webhook = {"event": "userChat.opened", "entity": {"id": "chat-1", "channelId": "ch-1", "version": 1}}
    raw = base64.b64encode(json.dumps(webhook).encode()).decode()
    call = body_of(name, {"deliveryId": "d-1", "request": {"rawBodyBase64": raw}})
    assert put(site.anonymous, call).json() == {"result": {"events": 1}}
    assert put(site.anonymous, call).json() == {"result": {"events": 0}}
    by_address = site.anonymous.post(
        f"{BASE}/channel-talk/webhooks/app", params={"token": token}, json=webhook
    )
    assert by_address.json() == {"events": 0}
    with create_session() as session:
        assert len(session.scalars(select(AssetEvent)).all()) == 1
