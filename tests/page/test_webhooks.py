"""Webhooks in Airflow's own server: who gets in, and what becomes of an event."""

from __future__ import annotations

import json
import logging
import sqlite3
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases
from support.site import BASE, Site

from airflow_channel_provider.plugins._gate import MAX_BODY_BYTES

TOKEN = "a-webhook-token-of-these-tests"
ROUTE = f"{BASE}/channel-talk/webhooks/hooked"
URI = "channeltalk://ch-1/userChat.opened"


def chat(number: int) -> dict[str, Any]:
    return {
        "event": "userChat.opened",
        "entity": {"id": f"chat-{number}", "channelId": "ch-1", "userId": "u-1", "version": 1},
    }


@pytest.fixture(autouse=True)
def _connection(monkeypatch: pytest.MonkeyPatch) -> None:
    for conn_id, extra in (("HOOKED", {"webhook_token": TOKEN}), ("UNHOOKED", {})):
        fields = {"conn_type": "channel_talk", "password": "a-secret-of-these-tests", "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id}", json.dumps(fields))


@pytest.fixture
def asset(site: Site) -> int:
    """An asset that a DAG has."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(AssetEvent))
        session.execute(delete(AssetModel))
        model = AssetModel(name="opened chats", uri=URI, group="asset")
        session.add(model)
        session.flush()
        return model.id


def events(asset_id: int) -> list[dict[str, Any]]:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(AssetEvent).where(AssetEvent.asset_id == asset_id)).all()
        return [dict(event.extra) for event in found]


def post(site: Site, body: Any, token: str | None = TOKEN, route: str = ROUTE, **more: Any) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    query = {} if token is None else {"token": token}
    return site.anonymous.post(route, params={**query, **more}, content=content)


@pytest.mark.promise(name="webhooks")
@pytest.mark.parametrize("token", [None, "", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "None"])
@pytest.mark.parametrize(
    "route",
    [
        ROUTE.replace("hooked", conn_id)
        for conn_id in ("hooked", "unhooked", "nowhere", "a b", "%00", "%ed%a0%80")
    ],
)
def test_without_the_token_nothing_happens_and_nothing_is_said(
    site: Site, asset: int, token: str | None, route: str
) -> None:
    answer = post(site, chat(1), token, route)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})
    assert events(asset) == []


@pytest.mark.promise(name="webhooks")
def test_no_session_stands_in_for_the_token(site: Site, asset: int) -> None:
    for client in (site.browser("admin"), site.as_("admin")):
        assert client.post(ROUTE, json=chat(1)).status_code == 401
    assert events(asset) == []


@pytest.mark.promise(name="webhooks")
def test_the_token_opens_nothing_else(site: Site) -> None:
    for path in ("", "api/quota", "webhooks/", "webhooks/hooked/more"):
        answer = site.anonymous.get(f"{BASE}/channel-talk/{path}", params={"token": TOKEN})
        assert answer.status_code in (401, 404)
    for verb in ("GET", "PUT", "PATCH", "DELETE"):
        assert site.anonymous.request(verb, ROUTE, params={"token": TOKEN}).status_code == 405


def test_an_event_is_an_event_of_the_asset_once(site: Site, asset: int) -> None:
    assert post(site, chat(1)).json() == {"events": 1}
    assert post(site, chat(1)).json() == {"events": 0}
    again = {"event": "upsert", "type": "UserChat", "entity": {**chat(1)["entity"], "state": "opened"}}
    assert post(site, again).json() == {"events": 0}
    assert post(site, chat(2)).json() == {"events": 1}
    found = events(asset)
    assert [event["user_chat_id"] for event in found] == ["chat-1", "chat-2"]
    assert {event["channel_id"] for event in found} == {"ch-1"}


def test_the_run_that_is_created_next_has_every_event(site: Site, asset: int) -> None:
    from airflow.models.asset import AssetDagRunQueue, AssetEvent, DagScheduleAssetReference
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session
    from sqlalchemy import func, select, update

    with create_session() as session:
        session.merge(DagBundleModel(name="hooked"))
        session.flush()
        dag: Any = DagModel
        session.merge(dag(dag_id="greets", bundle_name="hooked", is_paused=False, is_stale=False))
        session.flush()
        session.add(DagScheduleAssetReference(asset_id=asset, dag_id="greets"))
    try:
        for number in range(3):
            assert post(site, chat(number)).json() == {"events": 1}
        if hasattr(AssetDagRunQueue, "asset_event_id"):  # Airflow >= 3.4
            with create_session() as session:
                waiting = select(func.count()).select_from(AssetDagRunQueue)
                assert session.scalar(waiting.where(AssetDagRunQueue.target_dag_id == "greets")) == 3
            return
        with create_session() as session:
            (until,) = session.scalars(
                select(AssetDagRunQueue.created_at).where(AssetDagRunQueue.target_dag_id == "greets")
            ).all()
            # What the scheduler gives to the run: the events up to this moment.
            given = select(func.count()).select_from(AssetEvent).where(AssetEvent.timestamp <= until)
            assert session.scalar(given) == 3
            ahead = until + timedelta(minutes=5)  # by the clock of another server
            session.execute(update(AssetDagRunQueue).values(created_at=ahead))
        assert post(site, chat(3)).json() == {"events": 1}
        with create_session() as session:
            assert session.scalars(select(AssetDagRunQueue.created_at)).all() == [ahead]
    finally:
        with create_session() as session:
            session.delete(session.get(DagModel, "greets"))


def test_an_event_that_no_dag_waits_for_is_taken(site: Site, asset: int) -> None:
    body = {"event": "message.created.userChat", "entity": {"id": "m-1", "channelId": "ch-1"}}
    assert (post(site, body).status_code, post(site, body).json()) == (200, {"events": 0})


def test_text_comes_only_where_the_address_asks_for_it(site: Site, asset: int) -> None:
    from airflow.models.asset import AssetModel
    from airflow.utils.session import create_session

    with create_session() as session:
        model = session.get(AssetModel, asset)
        assert model is not None
        model.uri = "channeltalk://ch-1/message.created.userChat"
    body = {
        "event": "message.created.userChat",
        "entity": {"id": "m-1", "channelId": "ch-1", "chatId": "c-1", "plainText": "안녕하세요"},
    }
    post(site, body)
    assert "text" not in events(asset)[0]
    body["entity"]["id"] = "m-2"  # type: ignore[index]
    post(site, body, text="true")
    assert events(asset)[1]["text"] == "안녕하세요"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"[" * 100_000, 400), (b"\xff\xfe", 400), ({"event": "push"}, 400)],
)
def test_what_is_no_webhook_is_a_bad_request(site: Site, asset: int, body: Any, status: int) -> None:
    assert post(site, body).status_code == status
    assert events(asset) == []


def test_a_body_that_is_too_large_is_refused_before_it_is_read(site: Site) -> None:
    assert post(site, b" " * (MAX_BODY_BYTES + 1)).status_code == 413


def test_the_connection_of_another_channel_is_named(
    site: Site, asset: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    extra = {"webhook_token": TOKEN, "channel_id": "ch-2"}
    monkeypatch.setenv(
        "AIRFLOW_CONN_HOOKED",
        json.dumps({"conn_type": "channel_talk", "password": "a-long-secret", "extra": extra}),
    )
    with caplog.at_level(logging.WARNING):
        assert post(site, chat(1)).status_code == 400
    assert "of channel 'ch-1'" in caplog.text
    assert events(asset) == []


def test_an_outage_of_the_database_asks_to_send_again(
    site: Site, asset: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow_channel_provider.plugins import _asset_events

    def lost(*args: Any, **kwargs: Any) -> int:
        from sqlalchemy.exc import OperationalError

        raise OperationalError("UPDATE asset", {}, sqlite3.OperationalError("disk I/O error"))

    with monkeypatch.context() as patch:
        patch.setattr(_asset_events, "register", lost)
        answer = post(site, chat(1))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert post(site, chat(1)).json() == {"events": 1}
    ours = [entry for entry in caplog.records if entry.name.startswith("airflow_channel_provider")]
    assert ours
    assert not any(TOKEN in entry.getMessage() for entry in ours)  # the client of the test logs its addresses


def test_a_connection_that_an_outage_hides_is_no_refusal(
    site: Site, asset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.connection import Connection
    from airflow.providers.common.compat.sdk import AirflowNotFoundException
    from sqlalchemy.exc import OperationalError
    from sqlalchemy.orm import Session

    def away(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("disk I/O error"))

    def hidden(conn_id: str) -> Any:
        patch.setattr(Session, "execute", away)  # from now on
        raise AirflowNotFoundException(f"The conn_id `{conn_id}` isn't defined")

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "get_connection_from_secrets", hidden)
        assert post(site, chat(1)).status_code == 503


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["userChat.opened", "message.created.userChat", "push", "upsert", "user.deleted"])
ENTITIES = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("id", "channelId", "chatId", "chatType", "userId", "version", "state"), VALUES),
)
WEBHOOKS = st.builds(
    lambda name, kind, entity, refers: json.dumps(
        {"event": name, "type": kind, "entity": entity, "refers": refers}
    ).encode(),
    NAMES | VALUES,
    st.sampled_from(["message", "userChat", "user", None]) | VALUES,
    ENTITIES | VALUES,
    VALUES,
)


@pytest.mark.fuzz
@given(
    body=st.binary(max_size=60) | WEBHOOKS,
    padding=st.sampled_from([0, 0, 0, MAX_BODY_BYTES // 2, MAX_BODY_BYTES + 1]),
    is_known=st.booleans(),
    verb=st.sampled_from(["POST", "POST", "POST", "PUT", "GET", "DELETE", "PATCH"]),
    query=st.binary(max_size=40).map(lambda raw: quote(raw, safe="=&;%+")),
    header=st.binary(max_size=50).map(lambda raw: bytes(b for b in raw if b >= 32 and b != 127)),
    kind=st.sampled_from(["application/json", "text/plain; charset=utf-16", "multipart/form-data", ""]),
    encoding=st.sampled_from(["", "gzip", "br", "identity, deflate"]),
)
@cases(60)
def test_whatever_is_sent_is_answered_and_stored_only_with_the_token(
    site: Site,
    asset: int,
    body: bytes,
    padding: int,
    is_known: bool,
    verb: str,
    query: str,
    header: bytes,
    kind: str,
    encoding: str,
) -> None:
    before = events(asset)
    body += b" " * padding
    address = f"{ROUTE}?token={TOKEN}" if is_known else f"{ROUTE}?{query}"
    headers = {b"Content-Type": kind.encode(), b"Content-Encoding": encoding.encode(), b"X-Any": header}
    answer = site.anonymous.request(verb, address, content=body, headers=headers)
    if verb != "POST":
        assert answer.status_code == 405
    elif len(body) > MAX_BODY_BYTES:
        assert answer.status_code == 413
    elif is_known:
        assert answer.status_code in (200, 400)
    else:
        assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})
    if answer.status_code != 200:
        assert events(asset) == before
