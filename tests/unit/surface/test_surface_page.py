"""The page without a server around it: who is let in, and what its data says."""

from __future__ import annotations

import base64
import hashlib
import importlib
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowPlugin
from support.airflow_features import PLUGIN_PAGES, needs, skip_unless
from support.records import Anybody, app_record, now_of, write

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.get_provider_info import get_provider_info
from airflow_channel_provider.hooks import _overviews
from airflow_channel_provider.plugins import _page, _report, channel_talk
from airflow_channel_provider.tokens.record import AppRecord, Failure
from airflow_channel_provider.tokens.stores.file import FileStore

if TYPE_CHECKING:
    from support.fresh_process import FreshProcess

STORE_OPTION = "AIRFLOW__CHANNEL_TALK__STORE"
EDIT = {"X-Requested-With": _page.REQUESTED_WITH}
DROP = {"app": "busy", "scope": "app"}


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Speaks to the bare application as an operator of Airflow."""
    skip_unless(*PLUGIN_PAGES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from airflow.api_fastapi.app import create_auth_manager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        from airflow.api_fastapi.core_api.security import get_user
        from starlette.testclient import TestClient

        from airflow_channel_provider.plugins._app import app

        create_auth_manager()
        app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username="ops", role="op")
        client = TestClient(channel_talk.application)
    yield client
    app.dependency_overrides.clear()


# ---------------------------------------------------------------------------------------------------- plugin


@needs(*PLUGIN_PAGES)
def test_address_in_the_menu_is_relative_and_leads_to_the_application() -> None:
    (view,), (served,) = (
        channel_talk.ChannelTalkPlugin.external_views,
        channel_talk.ChannelTalkPlugin.fastapi_apps,
    )
    assert not view["href"].startswith("/")
    assert f"/{view['href']}" == f"{served['url_prefix']}/"
    assert (view["destination"], view["category"]) == ("nav", "browse")


@pytest.mark.parametrize("has_routes", [False, True], ids=["Airflow 2", "Airflow 3.0"])
def test_airflow_without_pages_of_plugins_gets_none(
    monkeypatch: pytest.MonkeyPatch, has_routes: bool
) -> None:
    older: Any = type("Older", (), {"fastapi_apps": []} if has_routes else {})
    monkeypatch.setattr("airflow.providers.common.compat.sdk.AirflowPlugin", older)
    try:
        plugin: Any = importlib.reload(channel_talk).ChannelTalkPlugin
        assert [served["url_prefix"] for served in plugin.fastapi_apps] == ["/channel-talk"] * has_routes
        assert plugin.external_views == []
    finally:
        monkeypatch.undo()
        importlib.reload(channel_talk)
    assert issubclass(channel_talk.ChannelTalkPlugin, AirflowPlugin)


def test_plugin_is_not_declared_twice() -> None:
    # Where providers are discovered at start, Airflow reports a plugin of both kinds as an import error.
    assert "plugins" not in get_provider_info()


def test_importing_the_plugin_imports_no_web_application(fresh_process: FreshProcess) -> None:
    code = (
        "import sys, airflow.plugins_manager; before = set(sys.modules); "
        "import airflow_channel_provider.plugins.channel_talk; new = set(sys.modules) - before; "
        "sys.exit(str([m for m in new if not m.startswith('airflow_channel_provider')]) if any("
        "m.split('.')[0] in ('fastapi', 'starlette', 'cryptography', 'requests') for m in new) or "
        "any(m.startswith('airflow_channel_provider.tokens') for m in new) else 0)"
    )
    fresh_process.run(code)


# ---------------------------------------------------------------------------------------------------- data


def test_store_and_rights_are_told(store: FileStore) -> None:
    found = _report.report(Anybody())
    assert found["version"] == 1
    assert found["store"] == {"address": store_address(store), "reachable": True, "error": "", "note": ""}
    assert found["drop"] == {"allowed": True, "why_not": ""}
    assert [app["app_id"] for app in found["apps"]] == ["shop"]
    assert not _report.report(Anybody(edits=False))["drop"]["allowed"]


def store_address(store: FileStore) -> str:
    return store._directory.as_uri()


@pytest.mark.parametrize(
    ("address", "shown", "words"),
    [
        ("redis://me:hunter2@host/0", "redis://...", "must be the id of an Airflow connection"),
        ("mongodb://me:hunter2@host/0", "mongodb://...", "not a known store"),
        ("redis://nowhere", "redis://nowhere", "which does not exist"),
        ("s3://nowhere/bucket/prefix", "s3://nowhere/bucket/prefix", "which does not exist"),
        ("s3://me:hunter2@host/bucket", "s3://...", "with the id of an Airflow connection"),
        ("sql://nowhere", "sql://nowhere", "which does not exist"),
    ],
)
def test_a_store_that_can_not_be_read_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, address: str, shown: str, words: str
) -> None:
    monkeypatch.setenv(STORE_OPTION, address)
    found = _report.report(Anybody())
    assert (found["store"]["address"], found["store"]["reachable"], found["apps"]) == (shown, False, [])
    assert words in found["store"]["error"]
    assert "hunter2" not in str(found)


def test_an_option_that_is_wrong_is_told_in_words(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__TOKEN_QUOTA", "many")
    assert "token_quota must be a whole number" in _report.report(Anybody())["store"]["error"]


def test_an_error_that_nobody_has_foreseen_is_named_and_logged(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def documents(self: FileStore) -> list[str]:
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr(FileStore, "documents", documents)
    error = _report.report(Anybody())["store"]["error"]
    assert error.startswith("Reading the store failed with ZeroDivisionError")
    assert "hunter2" not in error
    assert "hunter2" in caplog.text


def test_what_can_not_be_seen_from_here_is_told(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    assert "CeleryExecutor runs tasks on other hosts" in _report.report(Anybody())["store"]["note"]
    monkeypatch.setenv(STORE_OPTION, "memory://")
    assert "can't be seen from here" in _report.report(Anybody())["store"]["note"]


# ---------------------------------------------------------------------------------------------------- routes


def test_every_answer_has_the_headers(client: Any, store: FileStore) -> None:
    for path in ("/", "/api/quota", "/openapi.json", "/docs", "/nothing"):
        answer = client.get(path)
        for name, value in _page.headers().items():
            assert answer.headers[name] == value, path
    assert client.get("/openapi.json").status_code == client.get("/docs").status_code == 404


@pytest.mark.promise(name="page")
def test_policy_lets_in_the_page_s_own_scripts_and_style_alone() -> None:
    policy = dict(part.split(" ", 1) for part in _page.headers()["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert (policy["connect-src"], policy["frame-ancestors"]) == ("'self'", "'self'")
    notice = _page.notice("Title", "Text")
    for tag in ("script", "style"):
        for text in (_page.page(), notice):
            for block in re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", text, re.DOTALL):
                digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
                assert f"'sha256-{digest}'" in policy[f"{tag}-src"].split()
    assert "unsafe" not in str(policy)


@pytest.mark.promise(name="page")
@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (415, {**EDIT, "Content-Type": "application/x-www-form-urlencoded"}, "app=busy&scope=app"),
        (415, {**EDIT, "Content-Type": "text/plain"}, '{"app": "busy", "scope": "app"}'),
        (415, {**EDIT, "Content-Type": "multipart/form-data; boundary=x"}, "--x--"),
        (415, EDIT, '{"app": "busy", "scope": "app"}'),
        (403, {"Content-Type": "application/json"}, '{"app": "busy", "scope": "app"}'),
        (
            403,
            {"Content-Type": "application/json", "X-Requested-With": "XMLHttpRequest"},
            '{"app": "busy", "scope": "app"}',
        ),
        (400, {**EDIT, "Content-Type": "application/json"}, "{"),
        (400, {**EDIT, "Content-Type": "application/json"}, "[]"),
        (400, {**EDIT, "Content-Type": "application/json"}, '{"app": "busy"}'),
        (400, {**EDIT, "Content-Type": "application/json"}, '{"app": "busy", "scope": ["app"]}'),
        (400, {**EDIT, "Content-Type": "application/json"}, ""),
        (400, {**EDIT, "Content-Type": "application/json"}, "[" * 10_000),
        (400, {**EDIT, "Content-Type": "application/json"}, '{"app":' * 2_000),
        (400, {**EDIT, "Content-Type": "application/json"}, '{"app": {"app": "busy"}, "scope": "app"}'),
        (400, {**EDIT, "Content-Type": "application/json"}, '{"app": 1e999, "scope": NaN}'),
        (400, {**EDIT, "Content-Type": "application/json"}, b'{"app": "\xff", "scope": "app"}'),
        (400, {**EDIT, "Content-Type": "application/json"}, b"\xff\xfe\x00"),
        (413, {**EDIT, "Content-Type": "application/json"}, " " * 20_000 + '{"app": "busy", "scope": "app"}'),
        (404, {**EDIT, "Content-Type": "application/json"}, '{"app": "\\ud800", "scope": "\\udc00"}'),
        (
            404,
            {**EDIT, "Content-Type": "application/json"},
            '{"app": "busy", "app": "other", "scope": "app"}',
        ),
        (404, {**EDIT, "Content-Type": "application/json"}, '{"app": "busy", "scope": "channel:1"}'),
        (404, {**EDIT, "Content-Type": "application/json"}, '{"app": "../busy", "scope": "app"}'),
    ],
)
def test_a_request_that_another_site_could_make_changes_nothing(
    client: Any, store: FileStore, status: int, headers: dict[str, str], body: str
) -> None:
    before = store.load("busy").state
    answer = client.post("/api/drop-token", headers=headers, content=body)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert store.load("busy").state == before
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        assert client.request(method, "/api/drop-token", headers=headers).status_code == 405


def test_a_token_is_dropped(client: Any, store: FileStore) -> None:
    answer = client.post("/api/drop-token", headers=EDIT, json=DROP)
    assert (answer.status_code, answer.json()) == (200, {"dropped": True})
    (app,) = client.get("/api/quota").json()["apps"]
    assert app["scopes"][0]["state"] == "dropped"
    assert client.post("/api/drop-token", headers=EDIT, json=DROP).status_code == 404


def test_a_store_that_fails_while_dropping_is_told_in_words(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORE_OPTION, "redis://nowhere")
    answer = client.post("/api/drop-token", headers=EDIT, json=DROP)
    assert answer.status_code == 409
    assert "does not exist" in answer.json()["detail"]


def test_what_nobody_has_foreseen_is_told_by_its_name(
    client: Any, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from starlette.testclient import TestClient

    def broken(*_: object) -> bool:
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr(_overviews, "drop_token", broken)
    calm = TestClient(channel_talk.application, raise_server_exceptions=False)
    answer = calm.post("/api/drop-token", headers=EDIT, json=DROP)
    assert answer.status_code == 500
    assert answer.json() == {
        "detail": "The page failed with ZeroDivisionError; the log of the api-server says more."
    }
    for name, value in _page.headers().items():
        assert answer.headers[name] == value


def test_half_of_a_surrogate_pair_in_an_error_is_an_answer_all_the_same(
    client: Any, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise ChannelConfigurationError("half \ud800")

    monkeypatch.setattr(_overviews, "drop_token", refuse)
    answer = client.post("/api/drop-token", headers=EDIT, json=DROP)
    assert (answer.status_code, answer.json()["detail"]) == (409, "half \ud800")


def test_a_person_without_the_right_reads_why(client: Any) -> None:
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api.security import get_user

    from airflow_channel_provider.plugins._app import app

    before = app.dependency_overrides[get_user]
    app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username="eve", role="viewer")
    try:
        seen = client.get("/", headers={"Accept": "text/html"})
        told = client.get("/api/quota", headers={"Accept": "application/json"})
    finally:
        app.dependency_overrides[get_user] = before
    assert seen.status_code == told.status_code == 403
    assert "<h2>This page needs the right to read connections</h2>" in seen.text
    assert told.json() == {"detail": "Forbidden"}


@pytest.mark.promise(name="page")
def test_names_that_are_html_stay_json(client: Any, store: FileStore) -> None:
    hostile = '</script><img src=x onerror="alert(1)">'
    record = app_record(now_of(store), hostile, ages=[10], requests=1, connections=(hostile,))
    write(store, "hostile", record.with_failure("channel:<b>", Failure(1, 0.0, at=1.0), outage=None))
    answer = client.get("/api/quota")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert hostile in [app["app_id"] for app in answer.json()["apps"]]
    assert hostile not in client.get("/").text


def test_record_of_an_earlier_release_without_a_name_is_shown(client: Any, store: FileStore) -> None:
    write(store, "nameless", AppRecord())
    found = {app["key"]: app for app in client.get("/api/quota").json()["apps"]}
    assert found["nameless"]["app_id"] == ""
    assert found["nameless"]["left"] == 10


# ---------------------------------------------------------------------------------------------------- whose app is it


class Teams:
    """An auth manager that grants by connection and by team, and knows nobody else."""

    reads = {"shop_a": "team-a", "shop_b": "team-b", "shared": None}
    edits = {"shop_a": "team-a"}

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []

    def is_authorized_connection(self, *, method: str, user: Any, details: Any = None) -> bool:
        granted = self.reads if method == "GET" else self.edits
        if details is None or details.conn_id is None:
            return method == "GET"
        self.asked.append((method, details.conn_id))
        return details.conn_id in granted and granted[details.conn_id] in (None, details.team_name)


@pytest.fixture
def teams(client: Any, store: FileStore, monkeypatch: pytest.MonkeyPatch) -> Teams:
    """Two teams and their apps, in one store."""
    from airflow.models.connection import Connection

    from airflow_channel_provider.plugins import _rights

    for key, connections in {
        "a": ("shop_a",),
        "b": ("shop_b",),
        "c": ("hidden", "shared"),
        "d": ("hidden",),
        "e": (),
    }.items():
        write(store, key, app_record(now_of(store), f"app-{key}", ages=[300], connections=connections))
    teams = Teams()
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    monkeypatch.setattr(_rights, "get_auth_manager", lambda: teams)
    names = {"shop_a": "team-a", "shop_b": "team-c"}
    monkeypatch.setattr(Connection, "get_team_name", names.get, raising=False)
    return teams


def rights() -> Any:
    from airflow_channel_provider.plugins._rights import Rights

    nobody: Any = None
    return Rights(nobody)


@needs(*PLUGIN_PAGES)
def test_each_app_is_shown_to_those_who_may_read_one_of_its_connections(teams: Teams) -> None:
    found = _report.report(rights())
    shown = {app["app_id"] for app in found["apps"]}
    # The connection of b is of another team than the one that may be read, and d's is nobody's.
    assert shown == {"app-a", "app-c", "app-e"}
    assert found["drop"]["allowed"]
    assert len(teams.asked) == len(set(teams.asked))


@needs(*PLUGIN_PAGES)
@pytest.mark.parametrize(
    ("key", "status"), [("a", True), ("b", False), ("c", 403), ("d", False), ("e", 403), ("nowhere", False)]
)
def test_a_token_is_dropped_by_those_who_may_edit_one_of_its_connections(
    teams: Teams, store: FileStore, key: str, status: bool | int
) -> None:
    from fastapi import HTTPException

    from airflow_channel_provider.plugins._app import _drop

    before = {name: store.load(name).state for name in store.documents()}
    if isinstance(status, bool):
        assert _drop(rights(), key, "app") is status
    else:
        with pytest.raises(HTTPException) as caught:
            _drop(rights(), key, "app")
        assert caught.value.status_code == status
    after = {name: store.load(name).state for name in store.documents()}
    assert {name for name in before if before[name] != after[name]} == ({key} if status is True else set())
