"""
What every native function is made of: a description, a call, and the few ways to read parameters and refuse.

What a function takes is checked against the contract before it runs: it finds what it needs, of the right type. How
much more than that is sure depends on a setting.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from airflow_channel_provider.contract.functions import CATALOGUE
from airflow_channel_provider.contract.model import TokenScope
from airflow_channel_provider.contract.sources import Strength
from airflow_channel_provider.emulator.answers import RefusalError, core_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_channel_provider.contract.model import NativeFunction
    from airflow_channel_provider.contract.shapes import Violation
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.state import App, Channel, World
    from airflow_channel_provider.emulator.tokens import AccessToken

_TOKENS = {
    TokenScope.APP: frozenset({"app"}),
    TokenScope.CHANNEL: frozenset({"channel"}),
    TokenScope.ANY: frozenset({"app", "channel"}),
}
_DEFAULT_LIMIT = 25


@dataclass(slots=True)
class Call:
    """One call whose token was accepted."""

    world: World
    app: App
    token: AccessToken
    params: JSONObject
    now: float
    repeated: bool = False

    @property
    def stamp(self) -> int:
        """Now, in epoch milliseconds as the service writes times."""
        return int(self.now * 1000)

    @property
    def is_strict(self) -> bool:
        """Whether what the contract does not know, but the service would refuse, is refused as well."""
        return self.world.settings.contract == "strict"

    def counts(self, violation: Violation) -> bool:
        """
        Return whether a rule that is broken is reason enough to refuse.

        :param violation: of the contract.
        """
        if self.world.settings.contract == "lenient":
            return _counts_always(violation)
        return violation.rule.source.strength is not Strength.INFERRED

    def text(self, name: str) -> str:
        """A text, which the contract has seen to; ``""`` where it is absent."""
        return self.params.get(name) or ""

    def channel(self) -> Channel:
        """
        The channel that the call names.

        :raises RefusalError: there is none with this id.
        """
        channel = self.world.channels.get(self.text("channelId"))
        if channel is None:
            raise core_refusal(404, "channel not found")
        return channel

    def find(self, things: dict[str, JSONObject], name: str) -> JSONObject:
        """
        One thing by the id that a parameter holds.

        :param things: by id.
        :param name: the parameter, such as ``userId``.
        :raises RefusalError: there is none.
        """
        found = things.get(self.text(name))
        if found is None:
            raise core_refusal(404, f"{name.removesuffix('Id')} not found")
        return found


@dataclass(frozen=True, slots=True)
class Function:
    """
    What one native function does; what it takes is in the contract.

    :param name: its method.
    :param run: does it; returns the result.
    :param proxied: whether the App Store passes it on to the core API, which shapes its refusals.
    """

    name: str
    run: Callable[[Call], JSON]
    proxied: bool = True

    @property
    def contract(self) -> NativeFunction:
        """What the vendor says of it."""
        return CATALOGUE[self.name]

    @property
    def tokens(self) -> frozenset[str]:
        """Which kinds of token it accepts."""
        return _TOKENS[self.contract.scope]


def _counts_always(violation: Violation) -> bool:
    """Without it there is no call to carry out: parameters that are missing, and values of another type."""
    at_the_top = "." not in violation.path and "[" not in violation.path
    return violation.rule.kind == "type" or (violation.rule.kind == "required" and at_the_top)


def page(call: Call, items: Iterable[JSONObject], field: str) -> tuple[list[JSONObject], JSONObject]:
    """
    One page of a listing.

    The cursor holds the place of the last item that was handed out, so that an item added meanwhile is neither
    skipped nor handed out twice.

    :param call: its ``pagination`` has sortOrder, since and limit (1 to 500).
    :param items: all of them.
    :param field: what they are sorted by; ids break ties.
    :return: the page, and what says whether another one follows.
    """
    options = call.params.get("pagination") or {}
    limit = max(1, int(options.get("limit") or _DEFAULT_LIMIT))
    falling = str(options.get("sortOrder", "")).upper().removeprefix("SORT_ORDER_") in ("DESC", "2")
    place = itemgetter(field, "id")
    left = sorted(items, key=place)
    if options.get("since"):
        last = _read_cursor(options["since"])
        cut = (bisect_left if falling else bisect_right)(left, last, key=place)
        left = left[:cut] if falling else left[cut:]
    if falling:
        left.reverse()
    chosen = left[:limit]
    cursor = _write_cursor(place(chosen[-1])) if chosen else ""
    return chosen, what_follows(call, "next", cursor, more=len(left) > limit)


def what_follows(call: Call, name: str, cursor: str, *, more: bool) -> JSONObject:
    """
    What a page says of the next one, in the shape that is set.

    :param name: of the cursor, where the shape is that of today's functions.
    :param cursor: behind the page's last item; empty: it has none.
    :param more: whether another page follows.
    """
    if call.world.settings.page_shape == "next":
        return {name: cursor} if more else {}
    return {"nextCursor": cursor, "hasNext": more}


def _write_cursor(place: tuple[str, str]) -> str:
    return urlsafe_b64encode("\x00".join(place).encode("utf-8", "replace")).decode()


def _read_cursor(cursor: JSON) -> tuple[str, str]:
    try:
        key, item_id = b64decode(cursor, altchars=b"-_", validate=True).decode().split("\x00")
    except (ValueError, TypeError):
        raise RefusalError("invalid cursor", via="core", status=422, common_code="INVALID_CURSOR") from None
    return key, item_id


def merge_masked(target: JSONObject, body: JSONObject, mask: JSON) -> None:
    """
    Write the fields that an update mask names, and no others; a named field that the body lacks is cleared.

    :param target: changed in place.
    :param body: the new values.
    :param mask: names as a comma-separated string, a list, or ``{"paths": […]}``; a dot reaches into an object.
    """
    if isinstance(mask, dict):
        mask = mask.get("paths")
    for name in mask.split(",") if isinstance(mask, str) else mask or ():
        outer, _, inner = name.strip().partition(".")
        if not inner:
            target[outer] = body.get(outer)
        else:
            value = body.get(outer)
            old = target.get(outer)
            target[outer] = {
                **(old if isinstance(old, dict) else {}),
                inner: value.get(inner) if isinstance(value, dict) else None,
            }
