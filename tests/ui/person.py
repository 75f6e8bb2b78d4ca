"""
What a person does in Airflow's UI, by the words that stand on the screen.

Invariant: nothing here waits for a time. Every step waits for what a person would wait for: that something shows.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import FrameLocator, Locator, Page

    from ui.chromium import Watch

TEST_PATH = "/api/v2/connections/test"
STANDARD, EXTRA = "Standard Fields", "Extra Fields"
MASK = "***"
MOST_TABS = 60


class Person:
    """
    Somebody in front of a browser.

    :param page: the tab.
    :param url: of Airflow.
    :param watch: over the tab.
    """

    def __init__(self, page: Page, url: str, watch: Watch) -> None:
        self.page = page
        self.url = url
        self.watch = watch

    def log_in(self, user: str, password: str) -> None:
        """Come to Airflow, and log in."""
        self.page.goto(self.url)
        self.page.get_by_label("Username").fill(user)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("button", name="Browse")).to_be_visible()

    def choose(self, menu: str, *items: str) -> None:
        """Open a menu of the navigation and choose, submenu by submenu."""
        self.page.get_by_role("button", name=menu, exact=True).click()
        for item in items:
            self.page.get_by_role("menuitem", name=item).or_(
                self.page.get_by_role("menuitemradio", name=item)
            ).click()

    # ------------------------------------------------------------------------------------------ connections

    def open_connections(self) -> None:
        """Go to the list of connections."""
        self.choose("Admin", "Connections")
        expect(self.page.get_by_role("button", name="Add Connection")).to_be_visible()

    def begin_connection(self, conn_id: str, conn_type: str) -> Form:
        """
        Open the form for a new connection.

        :param conn_type: as the list of types calls it.
        """
        self.page.get_by_role("button", name="Add Connection").click()
        form = Form(self.page)
        form.dialog.get_by_label("Connection ID").fill(conn_id)
        form.dialog.get_by_role("combobox", name="Connection Type").fill(conn_type)
        self.page.get_by_role("option", name=conn_type, exact=True).click()
        expect(form.section(EXTRA)).to_be_visible()
        return form

    def edit_connection(self, conn_id: str) -> Form:
        """Open the form of a connection."""
        self.row(conn_id).get_by_role("button", name="Edit Connection").click()
        form = Form(self.page)
        expect(form.dialog.get_by_label("Connection ID")).to_have_value(conn_id)
        return form

    def test_connection(self, conn_id: str) -> Locator:
        """Press Test, and return the notice with the answer."""
        with self.page.expect_response(lambda response: response.url.endswith(TEST_PATH)) as answer:
            self.row(conn_id).get_by_role("button", name="Test Connection").click()
        said = answer.value.json()["message"]
        notice = self.page.get_by_role("status").filter(has_text=said).last
        expect(notice).to_be_visible()
        return notice

    def row(self, conn_id: str) -> Locator:
        """Return the row of a connection."""
        return self.page.get_by_role("row").filter(
            has=self.page.get_by_role("cell", name=conn_id, exact=True)
        )

    # ---------------------------------------------------------------------------------- DAGs, and the page

    def trigger(self, dag_id: str) -> None:
        """Look for a DAG, trigger it, and arrive at its run."""
        self.page.get_by_role("link", name="Dags", exact=True).click()
        self.page.get_by_role("link", name=dag_id, exact=True).click()
        expect(self.page.get_by_role("heading", name=dag_id, exact=True)).to_be_visible()
        self.page.get_by_role("button", name="Trigger Dag").click()
        self.page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True).click()
        expect(self.page).to_have_url(re.compile(rf"/dags/{dag_id}/runs/manual"))

    def tab_to(self, wanted: Locator) -> None:
        """Press Tab until something has the focus, and see that it shows it."""
        for _ in range(MOST_TABS):
            if wanted.evaluate("node => node === node.ownerDocument.activeElement"):
                break
            self.page.keyboard.press("Tab")
        expect(wanted).to_be_focused()
        assert wanted.evaluate("node => getComputedStyle(node).outlineStyle") != "none"

    def open_quota_page(self) -> QuotaPage:
        """Go to the page of the plugin."""
        self.choose("Browse", "Channel Talk")
        return QuotaPage(self.page)


class Form:
    """
    The form of a connection.

    :param page: it lies over this one.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.dialog = page.get_by_role("dialog")

    def section(self, name: str) -> Locator:
        """Return the button that opens a section; only one of them is open."""
        return self.dialog.get_by_role("button", name=name, exact=True)

    def open_section(self, name: str) -> None:
        """Open a section, where it is closed."""
        if self.section(name).get_attribute("aria-expanded") != "true":
            self.section(name).click()
        expect(self.section(name)).to_have_attribute("aria-expanded", "true")

    def field(self, label: str) -> Locator:
        """Return the input beside a visible label."""
        group = self.dialog.get_by_role("group").filter(
            has=self.page.get_by_text(re.compile(rf"^{re.escape(label)}\s*\*?$"))
        )
        inputs = group.get_by_role("textbox").or_(group.get_by_role("spinbutton"))
        return inputs.or_(group.get_by_role("combobox")).first

    def fill(self, section: str, values: Mapping[str, str]) -> None:
        """Type values into fields of a section, by label; choose where there is a choice."""
        self.open_section(section)
        for label, value in values.items():
            field = self.field(label)
            expect(field).to_be_visible()
            if field.get_attribute("role") == "combobox":
                field.click()
                self.page.get_by_role("option", name=value, exact=True).click()
            else:
                field.fill(value)
                field.blur()

    def values(self, section: str, labels: Mapping[str, str]) -> dict[str, str]:
        """Return what fields of a section show."""
        self.open_section(section)
        return {label: self._value(label) for label in labels}

    def _value(self, label: str) -> str:
        field = self.field(label)
        expect(field).to_be_visible()
        if field.get_attribute("role") == "combobox":
            # What is chosen stands beside the input, in the box around both.
            return field.locator("xpath=../..").inner_text().strip()
        return field.input_value()

    def save(self) -> None:
        """Save, and see the form close."""
        self.dialog.get_by_role("button", name="Save").click()
        expect(self.dialog).to_be_hidden()


class QuotaPage:
    """
    The page of the plugin, in its frame.

    :param page: Airflow's, around it.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.inside: FrameLocator = page.frame_locator('iframe[title="Channel Talk"]')

    def app(self, app_id: str) -> Locator:
        """Return the card of an app."""
        heading = self.inside.get_by_role("heading", name=app_id, exact=True)
        return self.inside.locator("details").filter(has=heading)

    def slots(self, app_id: str) -> list[str]:
        """Return which scope has spent each slot of the quota; ``free`` where none has."""
        slots = self.app(app_id).get_by_role("region", name="Quota").get_by_role("listitem")
        expect(slots.first).to_be_visible()
        return [text.split("\n")[0] for text in slots.all_inner_texts()]

    def token(self, app_id: str, scope: str) -> Locator:
        """Return the line of a scope."""
        tokens = self.app(app_id).get_by_role("region", name="Tokens").get_by_role("listitem")
        return tokens.filter(has=self.inside.get_by_text(scope, exact=True))

    @contextmanager
    def left_open(self) -> Iterator[None]:
        """See to it that what shows within came by itself: nobody has loaded the page again."""
        self.page.evaluate("document.querySelector('iframe').contentWindow.stillTheSame = true")
        yield
        assert self.page.evaluate("document.querySelector('iframe').contentWindow.stillTheSame")
