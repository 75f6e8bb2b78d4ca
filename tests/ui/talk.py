"""What a person does on the emulator's page of conversations, by the words that stand on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

MOST_MILLISECONDS = 120_000
"""Until an Airflow on a busy machine has run a DAG."""


class TalkPage:
    """
    The page.

    :param page: the tab.
    :param url: of the emulator.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(f"{url}/")
        page.get_by_role("link", name="Conversations").click()
        expect(page.get_by_text("Live", exact=True)).to_be_visible()

    @property
    def messages(self) -> Locator:
        """What stands in the chat."""
        return self.page.get_by_role("log", name="Messages")

    @property
    def notice(self) -> Locator:
        """What came of the last thing that the person did."""
        return self.page.locator("#notice")

    @property
    def sent(self) -> Locator:
        """What the emulator has sent, newest first."""
        return self.page.get_by_role("complementary").get_by_role("listitem")

    def choose_chat(self, title: str) -> None:
        """Go to a chat."""
        self.page.get_by_role("navigation", name="Chats").get_by_role("link", name=title).first.click()
        expect(self.page.get_by_role("heading", name=title)).to_be_visible()

    def open_chat(self, customer: str, text: str) -> None:
        """Open a chat as a customer, and arrive there."""
        self.page.get_by_label("Customer", exact=True).select_option(customer)
        self.page.get_by_label("First message").fill(text)
        self.page.get_by_role("button", name="Open chat").click()
        expect(self.page.get_by_role("heading", name=f"{customer} (user chat)")).to_be_visible()
        expect(self.messages).to_contain_text(text)

    def write(self, text: str) -> None:
        """Type into the box, and send with Enter."""
        self.page.get_by_label("Message or /command").fill(text)
        self.page.keyboard.press("Enter")

    def run(self, command: str, **arguments: str) -> None:
        """Type a command, fill in its parameters, and send it."""
        self.page.get_by_label("Message or /command").fill(f"/{command}")
        for name, value in arguments.items():
            field = self.page.locator(f"[data-parameter={name}]")
            if field.evaluate("node => node.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)
        self.page.get_by_role("button", name="Send").click()
