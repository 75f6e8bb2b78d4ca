"""
Which functions answer lists: the field that holds the items, and how one page leads to the next.

One row a function, beside the catalogue of all functions. What is not here can be listed all the same by whoever names
the field; its pages are then taken to follow each other as those of most functions do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

__all__ = ["LISTINGS", "Listing", "Paging"]


class Paging(Enum):
    """How one page leads to the next."""

    SINCE = "since"
    """``pagination`` has ``since`` and ``limit``; the answer's ``next`` is the next ``since``."""
    CURSOR = "cursor"
    """``cursor`` and ``limit`` are parameters of their own; the answer has ``nextCursor``."""
    WHOLE = "whole"
    """One answer holds everything."""


@dataclass(frozen=True, slots=True)
class Listing:
    """
    What a list-like function answers.

    :param items: field of the result that holds the items.
    :param paging: how one page leads to the next.
    """

    items: str
    paging: Paging = Paging.SINCE

    @property
    def next_field(self) -> str:
        """Field of the result that leads to the next page."""
        return "nextCursor" if self.paging is Paging.CURSOR else "next"


_ROWS = (
    ("searchManagers", "managers", Paging.SINCE),
    ("searchGroups", "groups", Paging.SINCE),
    ("searchUserChatsByContact", "userChats", Paging.SINCE),
    ("searchUserChatSchemas", "schemas", Paging.SINCE),
    ("searchUserSchemas", "schemas", Paging.SINCE),
    ("searchEventSchemasByEventName", "schemas", Paging.SINCE),
    ("listActiveOAuthManagerTargets", "targets", Paging.CURSOR),
    ("getCommands", "commands", Paging.WHOLE),  # the answer itself is the list
    ("batchGetManagers", "managers", Paging.WHOLE),
    ("findContactsByUser", "contacts", Paging.WHOLE),
    ("findContactsByAddress", "contacts", Paging.WHOLE),
    ("searchUserChatsByMedium", "userChats", Paging.WHOLE),
    ("getAlfTaskVersions", "tasks", Paging.WHOLE),
    ("getAppNotebookVersions", "notebooks", Paging.WHOLE),
)

LISTINGS: Mapping[str, Listing] = MappingProxyType(
    {name: Listing(items, paging) for name, items, paging in _ROWS}
)
"""Every list-like function whose answer the sources describe, by its name."""
