"""
Follows the pages of a list to its end. Pure: a function that fetches one page comes from outside.

The service has published two forms of a page: with ``next``, which the last page lacks, and with ``nextCursor`` and
``hasNext``, where the last page may have a cursor all the same. Both are read, whatever the function.

Reading always ends: a repeated cursor, a repeated page and a long row of empty pages are errors, and so is a page that
says there is more and names no cursor. Items are yielded as they were answered, each once; none is skipped.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_channel_provider.api.redaction import quote
from airflow_channel_provider.contract.functions import CATALOGUE, LISTINGS
from airflow_channel_provider.contract.model import Listing, Paging, RetryClass
from airflow_channel_provider.contract.parts import PAGE_SIZE
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelResponseError

MAX_PAGE_SIZE = PAGE_SIZE.most or 0
SORT_ORDER = "SORT_ORDER_ASC"
"""Where the caller names none: the service refuses a ``pagination`` without one."""
MAX_EMPTY_PAGES = 100
_FIELD_NAME = re.compile(r"[A-Za-z]\w{0,29}", re.ASCII)
_CURSORS = ("next", "nextCursor")


def listing_of(method: str, items_field: str | None) -> Listing:
    """
    Return how a function lists.

    :param items_field: the field of its result that holds the items; None: what the catalogue knows.
    :raises ChannelConfigurationError: the field is not known, or the function is no list.
    """
    known = CATALOGUE.get(method)
    if known is not None and known.retry is not RetryClass.READ:
        raise ChannelConfigurationError(
            f"{method} changes data, so it can't be read as a list.", method=method
        )
    listing = LISTINGS.get(method)
    if items_field:
        return Listing(items_field, listing.paging if listing else Paging.SINCE)
    if listing is None:
        raise ChannelConfigurationError(
            f"{method}: the field of its result that holds the items is unknown; give items_field.",
            method=method,
        )
    return listing


class Page(NamedTuple):
    """
    One page of a list.

    :param answer: all of the answer.
    :param items: what it lists.
    :param since: the cursor that it was asked for with; None: it is the first.
    :param next: the cursor of the page that follows; None: it is the last.
    """

    answer: Any
    items: list[Any]
    since: object
    next: object


def _whole(page: list[Any]) -> list[Any]:
    return page


def ends_of(page: list[Any]) -> list[Any]:
    """Return what distinguishes a page of rows with ids from others, and costs less than all of it."""
    return [len(page), page[0], page[-1]]


@dataclass
class Pages:
    """
    The pages of one list.

    :param fetch: takes the parameters of a page and returns the function's result.
    :param method: name of the function, for messages.
    :param listing: how it lists.
    :param params: its parameters; a ``pagination`` or ``cursor`` among them says where to begin, and in which order.
    :param page_size: how many items to ask for at once; None: what the parameters say, else as many as it may be.
    :param limit: maximum number of items; None: all.
    :param mark_of: returns the part of a page by which a page that comes a second time is recognised.
    """

    fetch: Callable[[dict[str, Any]], Any]
    method: str
    listing: Listing
    params: Mapping[str, Any]
    page_size: int | None = None
    limit: int | None = None
    mark_of: Callable[[list[Any]], list[Any]] = _whole
    _cursors: set[object] = field(default_factory=set, init=False)
    _seen: set[bytes] = field(default_factory=set, init=False)
    _empty: int = field(default=0, init=False)
    _has_said_more: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        for name, number in (("page_size", self.page_size), ("limit", self.limit)):
            is_whole = isinstance(number, int) and not isinstance(number, bool)
            if number is not None and (not is_whole or number < 1):
                raise self._wrong(f"{name} must be a whole number of at least 1")
        pagination = self.params.get("pagination") or {}
        if not isinstance(pagination, Mapping):
            raise self._wrong("params['pagination'] must be a mapping")
        given = (pagination.get("since"), self.params.get("since"), self.params.get("cursor"))
        self._cursors |= {cursor for cursor in given if cursor}

    def items(self) -> Iterator[Any]:
        """
        Yield the items, page by page.

        :raises ChannelResponseError: an answer is no page, or the pages repeat.
        """
        left = self.limit
        for page in self.pages():
            yield from page.items if left is None else page.items[:left]
            if left is not None:
                left -= len(page.items)
                if left <= 0:
                    return

    def pages(self, cursor: object = None) -> Iterator[Page]:
        """
        Yield the pages.

        :param cursor: of the page to begin with; None: the first.
        :raises ChannelResponseError: an answer is no page, or the pages repeat.
        """
        while True:
            result = self.fetch(self._params(cursor))
            items = self._page(result)
            following, failure = self._following(result)
            # A list of one page can't repeat itself, and most lists of messages have one.
            if following is not None or self._seen or not items:
                self._note(items)
            yield Page(result, items, cursor, following)
            if failure is not None:
                raise failure
            cursor = following
            if cursor is None:
                return

    def _following(self, result: Any) -> tuple[object, ChannelResponseError | None]:
        """Return the cursor of the next page, or what is wrong with it: the items of this page are good."""
        try:
            return self._next(result), None
        except ChannelResponseError as error:
            return None, error

    def _params(self, cursor: object) -> dict[str, Any]:
        params = dict(self.params)
        if self.listing.paging is Paging.SINCE:
            given = dict(params.get("pagination") or {})
            given["sortOrder"] = given.get("sortOrder") or SORT_ORDER
            given["limit"] = self._size(given.get("limit"))
            params["pagination"] = given if cursor is None else {**given, "since": cursor}
        elif self.listing.paging is Paging.QUERY:
            params["limit"] = self._size(params.get("limit"))
            if cursor is not None:
                params["since"] = cursor
        elif self.listing.paging is Paging.CURSOR:
            params["limit"] = self._size(params.get("limit"))
            params["cursor"] = params.get("cursor") if cursor is None else cursor
            if not params["cursor"]:  # an empty one is refused, where an empty since begins at the beginning
                del params["cursor"]
        return params

    def _size(self, given: Any) -> Any:
        size = self.page_size or given or MAX_PAGE_SIZE
        return min(size, self.limit) if self.limit and isinstance(size, int) else size

    def _page(self, result: Any) -> list[Any]:
        """Return the items of an answer; a list that is empty may be null, or left out of it."""
        if isinstance(result, list) and self.listing.paging is Paging.WHOLE:
            return result
        answer = {} if result is None else result
        page = answer.get(self.listing.items) if isinstance(answer, Mapping) else None
        others = self._other_lists(answer)
        if page is None and isinstance(answer, Mapping) and (self.listing.items in answer or not others):
            return []
        if not isinstance(page, list):
            names = ", ".join(name for name in others if _FIELD_NAME.fullmatch(name))
            hint = f"; its lists are {quote(names)}. Correct items_field" if names else ""
            raise ChannelResponseError(
                f"{self.method}: the answer holds no list of {self.listing.items}{hint}.", method=self.method
            )
        return page

    @staticmethod
    def _other_lists(result: Any) -> list[str]:
        return (
            [str(name) for name, value in result.items() if isinstance(value, list)]
            if isinstance(result, Mapping)
            else []
        )

    def _note(self, page: list[Any]) -> None:
        if not page:
            self._empty += 1
            if self._empty > MAX_EMPTY_PAGES:
                raise self._repeating(f"{MAX_EMPTY_PAGES} pages in a row were empty and led to another one")
            return
        self._empty = 0
        try:
            digest = hashlib.sha256(json.dumps(self.mark_of(page), sort_keys=True).encode()).digest()
        except RecursionError:
            raise ChannelResponseError(
                f"{self.method}: an item of the answer is nested too deeply.", method=self.method
            ) from None
        if digest in self._seen:
            raise self._repeating("a page came back a second time")
        self._seen.add(digest)

    def _next(self, result: Any) -> object:
        if self.listing.paging is Paging.WHOLE or not isinstance(result, Mapping):
            return None
        name = next((name for name in _CURSORS if result.get(name) not in (None, "")), None)
        if not self._has_next(result, name):
            return None
        cursor = None if name is None else result[name]
        if isinstance(cursor, bool) or not isinstance(cursor, (str, int)):
            raise self._no_page(f"the answer's {name} is not a cursor but a {type(cursor).__name__}")
        if cursor in self._cursors:
            raise self._repeating(f"its {name} leads back to an earlier page")
        self._cursors.add(cursor)
        return cursor

    def _has_next(self, result: Mapping[str, Any], name: str | None) -> bool:
        """Return whether another page follows. A list that has sent hasNext once omits it only when it is False."""
        more = result.get("hasNext")
        if more is None:
            return name is not None and not self._has_said_more
        if not isinstance(more, bool):
            raise self._no_page(f"the answer's hasNext is not true or false but a {type(more).__name__}")
        self._has_said_more = True
        if more and name is None:
            raise self._no_page(
                "the answer says that there is more but names no cursor, so that the rest can't be read"
            )
        return more

    def _no_page(self, what: str) -> ChannelResponseError:
        return ChannelResponseError(f"{self.method}: {what}.", method=self.method)

    def _repeating(self, what: str) -> ChannelResponseError:
        return ChannelResponseError(
            f"{self.method}: the pages repeat: {what}. Reading stopped there; the items that were "
            "read may not be the whole list.",
            method=self.method,
        )

    def _wrong(self, what: str) -> ChannelConfigurationError:
        return ChannelConfigurationError(f"{self.method}: {what}.", method=self.method)
