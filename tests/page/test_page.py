"""The page in Airflow's own server: its users, its database, its connections, below a path of its host."""

from __future__ import annotations

import itertools
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import fleet
from support.airflow_features import PLUGIN_PAGES, leave_out_unless
from support.fuzzing import cases
from support.records import app_record, now_of, write
from support.site import BASE, ROLES, Site

from airflow_channel_provider.emulator import EmulatorThread
from airflow_channel_provider.tokens.stores.file import FileStore

if TYPE_CHECKING:
    from support.backends import Backend

leave_out_unless(*PLUGIN_PAGES)

PAGE, DATA, DROP = (
    f"{BASE}/channel-talk/",
    f"{BASE}/channel-talk/api/quota",
    f"{BASE}/channel-talk/api/drop-token",
)
EDIT = {"X-Requested-With": "airflow-channel-talk"}
STORE_OPTION = "AIRFLOW__CHANNEL_TALK__STORE"
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _no_warning_of_airflow_is_ours() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FileStore:
    """The configured store, with one app in it."""
    monkeypatch.setenv(STORE_OPTION, tmp_path.joinpath("store").as_uri())
    store = FileStore(tmp_path / "store")
    write(store, "busy", app_record(now_of(store), "shop", ages=[300, 1500], spent=3, requests=50))
    return store


# ---------------------------------------------------------------------------------------------------- who may what


@pytest.mark.promise(name="page")
@pytest.mark.parametrize(
    ("role", "read", "edit"),
    [(None, 401, 401), ("viewer", 403, 403), ("user", 403, 403), ("op", 200, 200), ("admin", 200, 200)],
)
@pytest.mark.parametrize("session", ["as_", "browser"])
def test_each_role_gets_what_it_may(
    site: Site, store: FileStore, role: str | None, read: int, edit: int, session: str
) -> None:
    client = getattr(site, session)(role) if role else site.anonymous
    before = store.load("busy").state
    assert client.get(PAGE).status_code == read
    assert client.get(DATA).status_code == read
    dropped = client.post(DROP, headers=EDIT, json={"app": "busy", "scope": "app"})
    assert dropped.status_code == edit
    assert (store.load("busy").state == before) == (edit != 200)
    for path in ("openapi.json", "docs", "redoc", "api", "page.html"):
        assert client.get(f"{BASE}/channel-talk/{path}").status_code == 404


@pytest.mark.promise(name="page")
@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]
)
def test_a_form_of_another_site_changes_nothing(site: Site, store: FileStore, content_type: str) -> None:
    before = store.load("busy").state
    foreign = {"Content-Type": content_type, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    body = '{"app": "busy", "scope": "app", "x": "="}'
    assert site.browser("admin").post(DROP, headers=foreign, content=body).status_code == 415
    plain = {**foreign, "Content-Type": "application/json"}
    assert site.browser("admin").post(DROP, headers=plain, content=body).status_code == 403
    # What a script of another site may ask for beforehand.
    asked = site.browser("admin").options(
        DROP,
        headers={
            "Origin": "https://evil.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-requested-with",
        },
    )
    assert "access-control-allow-origin" not in asked.headers
    assert store.load("busy").state == before


@pytest.mark.promise(name="page")
def test_the_right_is_asked_for_before_the_request_is_looked_at(site: Site, store: FileStore) -> None:
    for content in (b"", b"{", b"app=busy"):
        assert site.anonymous.post(DROP, content=content).status_code == 401
        assert site.as_("viewer").post(DROP, content=content).status_code == 403


# ---------------------------------------------------------------------------------------------------- in airflow


def test_airflow_knows_the_page_and_its_address_leads_there(site: Site, store: FileStore) -> None:
    admin = site.as_("admin")
    (plugin,) = [
        p for p in admin.get(f"{BASE}/api/v2/plugins").json()["plugins"] if p["name"] == "channel_talk"
    ]
    (view,) = plugin["external_views"]
    assert (view["category"], view["destination"], view["url_route"]) == ("browse", "nav", "channel-talk")
    # The UI resolves it against the base address.
    assert "<title>Channel Talk" in admin.get(f"{BASE}/{view['href']}").text
    assert admin.get(f"{BASE}/api/v2/plugins/importErrors").json()["import_errors"] == []


@pytest.mark.promise(name="dropped")
def test_a_dropped_token_is_renewed_by_the_next_task(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(STORE_OPTION, tmp_path.as_uri())
    with EmulatorThread() as emulator:
        first = fleet.file_manager(emulator.url, tmp_path).get()
        (app,) = site.browser("op").get(DATA).json()["apps"]
        answer = site.browser("op").post(DROP, headers=EDIT, json={"app": app["key"], "scope": "app"})
        assert answer.json() == {"dropped": True}
        second = fleet.file_manager(emulator.url, tmp_path).get()
        assert second.fingerprint != first.fingerprint
        (app,) = site.browser("op").get(DATA).json()["apps"]
        assert (app["left"], app["scopes"][0]["state"]) == (8, "fresh")


# ---------------------------------------------------------------------------------------------------- every store


@pytest.fixture
def address(site: Site, shared: Backend) -> str:
    """Where a store is, as the option says it; a connection to it stands in Airflow's database."""
    conn_id = f"tokens_{next(_numbers)}"
    option, fields = shared.option(conn_id)
    if fields:
        answer = site.as_("admin").post(
            f"{BASE}/api/v2/connections", json={"connection_id": conn_id, **fields}
        )
        assert answer.status_code == 201, answer.text
    return option


def pieces(secret: str, length: int = 8) -> set[str]:
    return {secret[i : i + length] for i in range(len(secret) - length + 1)}


@pytest.mark.promise(name="page")
def test_no_part_of_a_secret_or_a_token_is_in_any_answer(
    site: Site,
    shared: Backend,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(STORE_OPTION, address)
    caplog.set_level(logging.DEBUG)
    with EmulatorThread() as emulator:
        tokens = [shared.manager(emulator.url).get(channel) for channel in (None, "ch-1", "ch-2")]
    admin = site.browser("admin")
    answers = [admin.get(PAGE), admin.get(DATA)]
    (app,) = answers[1].json()["apps"]
    assert answers[1].json()["store"] == {"address": address, "reachable": True, "error": "", "note": ""}
    assert {scope["scope"] for scope in app["scopes"]} == {token.scope for token in tokens}
    assert [entry["outcome"] for entry in app["timeline"]] == ["granted"] * 3
    answers += [
        admin.post(DROP, headers=EDIT, json={"app": app["key"], "scope": "channel:ch-1"}),
        admin.post(DROP, headers=EDIT, json={"app": app["key"], "scope": "channel:none"}),
        admin.get(DATA),
    ]
    seen = "\n".join(f"{dict(answer.headers)} {answer.text}" for answer in answers)
    hidden = [fleet.SECRET, *(t.access_token for t in tokens), *(t.refresh_token for t in tokens)]
    for secret in hidden:
        assert not [piece for piece in pieces(secret) if piece in seen]
    for token in tokens:
        assert token.fingerprint not in seen


@pytest.fixture
def fleet_of_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[EmulatorThread, list[str]]]:
    """A configured store with live tokens, the service that gave them, and what nobody may see."""
    monkeypatch.setenv(STORE_OPTION, tmp_path.as_uri())
    with EmulatorThread() as emulator:
        manager = fleet.file_manager(emulator.url, tmp_path)
        tokens = [manager.get(channel) for channel in (None, "ch-1")]
        yield emulator, [fleet.SECRET, *(half for t in tokens for half in (t.access_token, t.refresh_token))]


TEXTS = st.text(st.characters(codec="latin-1", min_codepoint=32), max_size=20)
ASKED = st.fixed_dictionaries(
    {
        "role": st.none() | st.sampled_from(ROLES),
        "method": st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
        "path": st.sampled_from([PAGE, DATA, DROP]) | TEXTS.map(lambda name: PAGE + quote(name, safe="/%")),
        "query": TEXTS,
        "headers": st.dictionaries(
            st.sampled_from(["Accept", "Content-Type", "X-Requested-With", "Cookie", "Origin", "Range"]),
            TEXTS.map(lambda text: text.encode("latin-1"))
            | st.sampled_from([b"text/html", b"application/json", b"airflow-channel-talk"]),
        ),
        "body": st.binary(max_size=50)
        | st.integers(1, 10_000).map(lambda depth: b"[" * depth)
        | st.text().map(lambda text: json.dumps({"app": text, "scope": "app"}).encode()),
    }
)


@pytest.mark.promise(name="page")
@pytest.mark.fuzz
@cases(60)
@given(asked=ASKED)
def test_no_request_makes_the_page_fail_or_tell_or_ask_for_a_token(
    site: Site, fleet_of_one: tuple[EmulatorThread, list[str]], asked: dict[str, Any]
) -> None:
    emulator, hidden = fleet_of_one
    client = site.as_(asked["role"]) if asked["role"] else site.anonymous
    answer = client.request(
        asked["method"],
        asked["path"],
        params={"q": asked["query"]},
        headers=asked["headers"],
        content=asked["body"],
        follow_redirects=False,
    )
    assert answer.status_code < 500
    assert "Traceback" not in answer.text
    if asked["role"] not in ("op", "admin"):
        assert answer.status_code >= 300
    seen = f"{dict(answer.headers)} {answer.text}"
    assert not [secret for secret in hidden if secret[:12] in seen or secret[-12:] in seen]
    assert len(emulator.token_requests()) == 2


def test_a_store_that_is_away_is_told_in_words(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for conn_id, fields, kind in (
        (
            "away_redis",
            {"conn_type": "redis", "host": "127.0.0.1", "port": 1, "password": "hunter2"},
            "redis",
        ),
        ("away_sql", {"conn_type": "postgres", "host": "127.0.0.1", "port": 1, "password": "hunter2"}, "sql"),
    ):
        site.as_("admin").post(f"{BASE}/api/v2/connections", json={"connection_id": conn_id, **fields})
        monkeypatch.setenv(STORE_OPTION, f"{kind}://{conn_id}")
        answer = site.as_("op").get(DATA)
        told = answer.json()["store"]
        assert (answer.status_code, told["reachable"], told["address"]) == (200, False, f"{kind}://{conn_id}")
        assert f"{kind}://{conn_id}" in told["error"]
        assert "hunter2" not in answer.text
        assert "Traceback" not in answer.text
    monkeypatch.setenv(STORE_OPTION, tmp_path.joinpath("file").as_uri())
    tmp_path.joinpath("file").write_text("no directory")
    told = site.as_("op").get(DATA).json()["store"]
    assert (told["reachable"], "can't be read" in told["error"]) == (False, True)
