"""
One Airflow and one Chromium for all tests of this folder; a tab of its own for each test.

Invariant: a test in whose tab something was asked of another machine, or went wrong unseen, fails at its end. What a
test that failed had on the screen is kept in ``.ui/failures``, with the trace of every step for
``playwright show-trace``.
"""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tools.demo.progress import Progress
from ui.chromium import Watch, chromium
from ui.deployment import ROOT, UiAirflow
from ui.gallery import DESK, FOLDER, take_pictures
from ui.person import Person
from ui.typed import Typed, typed_connections

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

    from playwright.sync_api import Browser, StorageState

    Sessions = Callable[[str], StorageState]
    SitDown = Callable[[pytest.Item, str], AbstractContextManager[Person]]

FAILURES = ROOT / ".ui" / "failures"
FAILED = pytest.StashKey[bool]()
PATIENCE_MILLISECONDS = 20_000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("pictures")
    for path in sorted([*FOLDER.glob("*"), *FAILURES.glob("*")]):
        terminalreporter.write_line(str(path.relative_to(ROOT)))


@pytest.fixture(scope="session")
def airflow() -> Iterator[UiAirflow]:
    for folder in (FOLDER, FAILURES):
        shutil.rmtree(folder, ignore_errors=True)
    with UiAirflow(Progress()) as deployment:
        yield deployment


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def sessions(airflow: UiAirflow, browser: Browser) -> Sessions:
    """What a browser keeps of a log-in, by role."""

    def log_in(role: str) -> StorageState:
        with browser.new_context() as context:
            person = Person(context.new_page(), airflow.home.api_url, Watch.over(context))
            person.log_in(role, airflow.home.passwords[role])
            assert person.watch.foreign() == []
            return context.storage_state()

    return cache(log_in)


@pytest.fixture(scope="session")
def sit_down(airflow: UiAirflow, browser: Browser, sessions: Sessions) -> SitDown:
    """Let somebody of a role sit down before a browser, logged in, for the ``with`` block of a node of pytest."""

    @contextmanager
    def seat(node: pytest.Item, role: str) -> Iterator[Person]:
        context = browser.new_context(viewport=DESK, color_scheme="light", storage_state=sessions(role))
        context.tracing.start(snapshots=True)
        person = Person(context.new_page(), airflow.home.api_url, Watch.over(context))
        with context, _kept_on_failure(node, person):
            person.page.goto(person.url)
            yield person
        assert person.watch.foreign() == []
        assert person.watch.complaints == []

    return seat


@pytest.fixture
def admin(request: pytest.FixtureRequest, sit_down: SitDown) -> Iterator[Person]:
    with sit_down(request.node, "admin") as person:
        yield person


@pytest.fixture
def viewer(request: pytest.FixtureRequest, sit_down: SitDown) -> Iterator[Person]:
    with sit_down(request.node, "viewer") as person:
        yield person


@contextmanager
def _kept_on_failure(node: pytest.Item, person: Person) -> Iterator[None]:
    failed = True
    try:
        yield
        failed = node.stash.get(FAILED, False)
    finally:
        if failed:
            _keep(person, re.sub(r"\W+", "-", node.name))


def _keep(person: Person, name: str) -> None:
    FAILURES.mkdir(parents=True, exist_ok=True)
    picture, trace = FAILURES / f"{name}.png", FAILURES / f"{name}.zip"
    person.page.screenshot(path=picture)
    person.page.context.tracing.stop(path=trace)


@pytest.fixture(scope="session")
def typed(request: pytest.FixtureRequest, airflow: UiAirflow, sit_down: SitDown) -> list[Typed]:
    """The connections that were typed into the form, by an admin; pictures of it are taken."""
    connections = typed_connections(airflow)
    with sit_down(request.node, "admin") as person:
        person.open_connections()
        for connection in connections:
            form = person.begin_connection(connection.conn_id, connection.conn_type)
            for section, values in connection.fields.items():
                form.fill(section, values)
                if connection.is_full:
                    name = f"{connection.conn_type} form {section}".lower().replace(" ", "-")
                    take_pictures(person.page, name)
            form.save()
            expect(person.row(connection.conn_id)).to_be_visible()
    return connections
