"""
The data of the page, documented in ``docs/page.md``: the content of the configured store, or why it can't be read.

Never raises: an error of the store becomes a sentence, and an unexpected error the name of its class.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

from airflow_channel_provider import configuration
from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.hooks import _overviews
from airflow_channel_provider.hooks._stores import open_store
from airflow_channel_provider.hooks._tracebacks import clear_frames

if TYPE_CHECKING:
    from airflow_channel_provider.tokens.overview import AppOverview

VERSION = 1
"""Goes up when a key is removed or changes its meaning; a new key does not change it."""

NO_RIGHT = "Dropping a token needs the right to edit a connection that uses the app."

log = logging.getLogger(__name__)


class Reader(Protocol):
    """The person who looks at the page."""

    def reads(self, connections: Sequence[str]) -> bool:
        """Return whether an app that these connections use may be shown."""

    def edits(self, connections: Sequence[str]) -> bool:
        """Return whether its tokens may be dropped."""


def report(reader: Reader) -> dict[str, Any]:
    """
    Return the page's data as plain JSON values.

    :param reader: whose apps are shown.
    """
    address, note, error = "", "", ""
    apps: list[AppOverview] = []
    try:
        address = configuration.store()
        note = _overviews.visibility_note(address)
        apps = [app for app in _overviews.overviews(open_store(address)) if reader.reads(app.connections)]
    except Exception as trouble:
        error = _described(trouble)
    may_edit = any(reader.edits(app.connections) for app in apps) if apps else reader.edits(())
    return {
        "version": VERSION,
        "at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "store": {
            "address": _overviews.shown_address(address),
            "reachable": not error,
            "error": error,
            "note": note,
        },
        "drop": {"allowed": may_edit, "why_not": "" if may_edit else NO_RIGHT},
        "apps": [app.as_json() for app in apps],
    }


def _described(trouble: Exception) -> str:
    if isinstance(trouble, ChannelError):
        return trouble.message
    clear_frames(trouble)
    log.error("The token store could not be read for the page", exc_info=trouble)
    return f"Reading the store failed with {type(trouble).__name__}; the log of the api-server says more."
