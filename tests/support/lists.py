"""A service that does nothing but list, in whichever published form of a page, so that many pages cost little."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_channel_provider.api.transport import Response, Transport
from airflow_channel_provider.contract.functions import LISTINGS
from airflow_channel_provider.contract.model import Listing, Paging

TOKEN = {"accessToken": "a-token", "refreshToken": "another", "expiresIn": 1800}


def next_field(listing: Listing) -> str:
    """Return the field of a page that holds the cursor of the next one."""
    return "nextCursor" if listing.paging is Paging.CURSOR else "next"


class Lists(Transport):
    """
    Answers each list function with pages of the same list, without a wire.

    :param items: all of them.
    :param has_next: whether a page says by ``hasNext`` if another follows, beside a cursor that each page has; else it
        names a cursor where one follows.
    """

    def __init__(self, items: Sequence[Any] = (), *, has_next: bool = False) -> None:
        super().__init__("http://127.0.0.1:9")
        self.items = items
        self.has_next = has_next
        self.limits: list[int | None] = []

    def send(
        self, http_method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], **_: Any
    ) -> Response:
        call = json.loads(body or b"")
        listing = LISTINGS.get(call["method"])
        result = TOKEN if listing is None else self._page(listing, call["params"])
        return Response(200, {}, json.dumps({"result": result}).encode())

    def _page(self, listing: Listing, params: Mapping[str, Any]) -> dict[str, Any]:
        if listing.paging is Paging.WHOLE:
            self.limits.append(None)
            return {listing.items: self.items}
        options = params if listing.paging is Paging.CURSOR else params["pagination"]
        cursor = options.get("cursor" if listing.paging is Paging.CURSOR else "since")
        self.limits.append(options["limit"])
        start = int(cursor.removeprefix("after-")) if cursor else 0
        end = min(start + options["limit"], len(self.items))
        more = end < len(self.items)
        page: dict[str, Any] = {listing.items: self.items[start:end]}
        if self.has_next:
            return {**page, "nextCursor": f"after-{end}", "hasNext": more}
        return {**page, next_field(listing): f"after-{end}"} if more else page
