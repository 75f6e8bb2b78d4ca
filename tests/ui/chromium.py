"""
Debian's Chromium, and what it did.

Invariant: it finds no other machine. No name and no address but 127.0.0.1 is resolved, what it does of its own accord
in the background is switched off, and no browser is ever downloaded.
"""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Request

COMMAND = "chromium"
SWITCHES = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-gpu",  # there is none, and playing one costs more than doing without
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-pings",
    "--no-first-run",
)
OWN_HOST = "127.0.0.1"
# On SQLite, Airflow's own API answers 500 now and then while the scheduler writes; its UI asks again.
NOT_OURS = re.compile(r"http://[^/]+/(api/v2|ui)/.*status of 500")


@contextmanager
def chromium() -> Iterator[Browser]:
    """
    Run Chromium without a window.

    Its own sandbox is off, which root needs: all that it sees comes from this machine.
    """
    path = shutil.which(COMMAND)
    assert path, f"{COMMAND} was not found; make test-ui installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, chromium_sandbox=False, args=list(SWITCHES)
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watch:
    """
    What the pages of a browser context did.

    :param requests: addresses of everything that was asked for.
    :param complaints: errors that a page threw, or that Chromium wrote to the console, each with where it came from.
    """

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def over(cls, context: BrowserContext) -> Watch:
        """Begin to watch."""
        watch = cls()
        context.on("request", watch._note_request)
        context.on("console", watch._note_console)
        context.on("weberror", lambda error: watch.complaints.append(f"thrown: {error.error}"))
        return watch

    def _note_request(self, request: Request) -> None:
        self.requests.append(request.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        complaint = f"{message.location['url']}: {message.text}"
        if message.type == "error" and not NOT_OURS.match(complaint):
            self.complaints.append(complaint)

    def foreign(self) -> list[str]:
        """Return the requests that went elsewhere than to this machine."""
        return [url for url in self.requests if not _is_own(url)]

    def forget(self) -> None:
        """Forget the complaints: Airflow's log-in page makes its own."""
        self.complaints.clear()


def _is_own(url: str) -> bool:
    parts = urlsplit(url)
    # A blob: names the page that made it, and data: names nobody.
    parts = urlsplit(parts.path) if parts.scheme == "blob" else parts
    return parts.scheme == "data" or parts.hostname == OWN_HOST
