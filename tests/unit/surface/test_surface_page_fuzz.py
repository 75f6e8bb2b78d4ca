"""Any request to the page, by anybody: a classified answer with the headers, and no effect without the right."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st
from support.airflow_features import PLUGIN_PAGES, skip_unless
from support.fuzzing import cases
from support.records import app_record, now_of, write

from airflow_channel_provider.plugins import _page, channel_talk
from airflow_channel_provider.tokens.stores.file import FileStore

pytestmark = [pytest.mark.fuzz, pytest.mark.promise(name="page")]

ROLES = ["viewer", "user", "op", "admin"]
EDITORS = {"op", "admin"}
PATHS = ["/", "/api/quota", "/api/drop-token"]
DROP = {"app": "busy", "scope": "app"}


@pytest.fixture(scope="module")
def users() -> Iterator[Any]:
    """The rights of the request to come."""
    skip_unless(*PLUGIN_PAGES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from airflow.api_fastapi.app import create_auth_manager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        from airflow.api_fastapi.core_api.security import get_user

        from airflow_channel_provider.plugins._app import app

        create_auth_manager()
        user = SimpleAuthManagerUser(username="somebody", role="viewer")
        app.dependency_overrides[get_user] = lambda: user
    yield user
    app.dependency_overrides.clear()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FileStore:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.as_uri())
    store = FileStore(tmp_path)
    write(store, "busy", app_record(now_of(store), "shop", ages=[300], spent=3, requests=5))
    return store


def ask(method: str, path: bytes, query: bytes, headers: list[tuple[bytes, bytes]], body: list[bytes]) -> Any:
    """Speak to the application as a server does that has taken a request from the wire; what it raises is raised."""
    chunks = iter([*({"type": "http.request", "body": chunk, "more_body": True} for chunk in body)])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(chunks, {"type": "http.request", "body": b"", "more_body": False})

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }
    asyncio.run(channel_talk.application(scope, receive, send))
    start = sent[0]
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return start["status"], {k.decode().lower(): v.decode("latin-1") for k, v in start["headers"]}, content


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["busy", "app"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["app", "scope"]) | st.text(), inner, max_size=3)
    ),
    max_leaves=6,
)
BODIES = (
    st.binary(max_size=200)
    | ANY_JSON.map(json.dumps).map(str.encode)
    | st.fixed_dictionaries({"app": ANY_JSON, "scope": ANY_JSON}).map(json.dumps).map(str.encode)
    | st.just(json.dumps(DROP).encode())
    | st.integers(1, 40_000).map(lambda depth: b"[" * depth)
    | st.sampled_from(["utf-16", "utf-32", "utf-8-sig"]).map(json.dumps(DROP).encode)
)
NAMES = st.sampled_from(
    b"content-type x-requested-with accept cookie authorization host origin content-length x-forwarded-host "
    b"transfer-encoding range if-none-match".split()
)
VALUES = (
    st.binary(max_size=40)
    | st.sampled_from([b"application/json", b"application/json; charset=utf-16", b"text/html"])
    | st.just(_page.REQUESTED_WITH.encode())
)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=5) | st.just(
    [(b"content-type", b"application/json"), (b"x-requested-with", _page.REQUESTED_WITH.encode())]
)
REQUESTS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(
            ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "get", "X"]
        ),
        "path": st.sampled_from(PATHS).map(str.encode)
        | st.sampled_from(PATHS).flatmap(
            lambda path: st.binary(max_size=9).map(lambda more: path.encode() + more)
        )
        | st.binary(max_size=30).map(lambda path: b"/" + path),
        "query": st.binary(max_size=30),
        "headers": HEADERS,
        "body": st.lists(BODIES, max_size=2),
    }
)
AS_THE_PAGE: Any = {
    "method": "POST",
    "path": b"/api/drop-token",
    "query": b"",
    "headers": [(b"content-type", b"application/json"), (b"x-requested-with", _page.REQUESTED_WITH.encode())],
}


READING = st.builds(
    lambda request, path: {**request, "method": "GET", "path": path.encode()},
    REQUESTS,
    st.sampled_from(PATHS),
)
DROPPING = st.builds(
    lambda body, headers: {**AS_THE_PAGE, "body": body, "headers": headers},
    st.lists(BODIES, min_size=1, max_size=2),
    st.just(AS_THE_PAGE["headers"]) | HEADERS,
)


@cases(150)
@given(request=REQUESTS | READING | DROPPING, role=st.sampled_from(ROLES))
@example(request={**AS_THE_PAGE, "body": [json.dumps(DROP).encode()]}, role="op")
@example(request={**AS_THE_PAGE, "body": [json.dumps(DROP).encode()]}, role="viewer")
@example(request={**AS_THE_PAGE, "body": [b"[" * 10_000]}, role="op")
@example(request={**AS_THE_PAGE, "body": [b'{"app": "\\ud800", "scope": "\\ud800"}']}, role="op")
@example(request={**AS_THE_PAGE, "body": [b"x" * 10_000] * 9}, role="op")
def test_any_request_gets_a_classified_answer(
    users: Any, store: FileStore, request: dict[str, Any], role: str
) -> None:
    users.role = role
    before = store.load("busy").state
    status, headers, content = ask(**request)
    event(f"{status}")
    assert 200 <= status < 500
    for name, value in _page.headers().items():
        assert headers[name.lower()] == value
    assert b"Traceback" not in content
    if status == 200:
        assert role in EDITORS
    else:
        assert b"shop" not in content
        assert store.load("busy").state == before
    if store.load("busy").state != before:
        assert (role in EDITORS, json.loads(content)) == (True, {"dropped": True})
        write(store, "busy", app_record(now_of(store), "shop", ages=[300], spent=3, requests=5))
    assert store.documents() == ["busy"]
