"""One request of Open API v5: what it names, how it is refused, and one page of a list."""

from __future__ import annotations

import math
from base64 import b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

from airflow_channel_provider.contract.open_api import MAX_PAGE_SIZE
from airflow_channel_provider.emulator.generated import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow_channel_provider.contract.open_api import Operation
    from airflow_channel_provider.emulator.generated import GeneratedChats
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.state import Channel, World

_DEFAULT_LIMIT = 25
_ORDERS = ("asc", "desc", "both")


class RefusedError(Exception):
    """The status and the words of a refusal."""

    def __init__(
        self, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.message, self.headers = status, kind, message, headers


def invalid(message: str) -> RefusedError:
    """Return the refusal for what breaks a rule."""
    return RefusedError(422, "unprocessableEntityError", message)


def missing(what: str) -> RefusedError:
    """Return the refusal for a thing that is not there."""
    return RefusedError(404, "notFoundError", f"{what} not found")


class OpenApiRequest:
    """One request with what it is about."""

    def __init__(
        self,
        world: World,
        channel: Channel,
        operation: Operation,
        path: Mapping[str, str],
        query: Mapping[str, list[str]],
        body: JSON,
        at: float,
    ) -> None:
        self.world, self.channel, self.operation = world, channel, operation
        self.path, self.query, self.at = path, query, at
        self.body: JSONObject = body if isinstance(body, dict) else {}
        self.repeated = False

    @property
    def stamp(self) -> int:
        """Epoch milliseconds."""
        return int(self.at * 1000)

    def text(self, name: str) -> str:
        """A query parameter; empty where it is absent."""
        return (self.query.get(name) or [""])[0]

    def needed(self, name: str) -> str:
        """A query parameter that must be there."""
        if not (value := self.text(name)):
            raise invalid(f"{name} is required")
        return value

    def find(self, things: Mapping[str, JSONObject], name: str, what: str) -> JSONObject:
        """One thing by an id in the path."""
        if (found := things.get(self.path[name])) is None:
            raise missing(what)
        return found

    def generated_chats(self) -> GeneratedChats:
        """The generated chats of the channel, which must have some."""
        if self.channel.generated is None:
            raise LookupError("the channel has no generated chats")
        return self.channel.generated

    def chat(self) -> JSONObject:
        """The user chat of the path; one that may be changed is no longer a generated one."""
        generated = self.channel.generated
        if generated is not None and self.operation.verb == "GET":
            made = generated.chat(self.path["userChatId"])
            if made is not None:
                return made
        return self.find(self.channel.user_chats, "userChatId", "userChat")

    def user(self) -> JSONObject:
        """The user of the path, by id or by member ID."""
        generated = self.channel.generated
        if "memberId" not in self.path:
            if generated is not None and self.operation.verb == "GET":
                made = generated.user(self.path["userId"])
                if made is not None:
                    return made
            return self.find(self.channel.users, "userId", "user")
        wanted = self.path["memberId"]
        for user in self.channel.users.values():
            if user.get("memberId") == wanted:
                return user
        if generated is not None and (made := generated.user_of_member(wanted)) is not None:
            return made if self.operation.verb == "GET" else self.channel.users[made["id"]]
        raise missing("user")

    def group(self) -> JSONObject:
        """The group of the path, by id or by name; private ones can't be read."""
        groups = self.channel.groups
        if "groupName" in self.path:
            wanted = self.path["groupName"]
            found = next((group for group in groups.values() if group.get("name") == wanted), None)
        else:
            found = groups.get(self.path["groupId"])
        if found is None or found.get("scope") == "private":
            raise missing("group")
        return found


def page_arguments(request: OpenApiRequest) -> tuple[int, bool, Place | None]:
    """Return how many items are asked for, whether the last ones come first, and behind which place they begin."""
    limit_text = request.text("limit") or str(_DEFAULT_LIMIT)
    if not limit_text.isdecimal() or not 1 <= int(limit_text) <= MAX_PAGE_SIZE:
        raise invalid(f"limit must be from 1 to {MAX_PAGE_SIZE}")
    order = request.text("sortOrder") or "desc"
    if order not in _ORDERS:
        raise invalid(f"sortOrder must be one of {', '.join(_ORDERS)}")
    since = request.text("since")
    return int(limit_text), order != "asc", _read_cursor(since) if since else None


def page_of(
    request: OpenApiRequest, items: Iterable[JSONObject], place: Callable[[JSONObject], tuple[float, str]]
) -> tuple[list[JSONObject], JSONObject]:
    """One page, and the cursor behind it; opaque to whoever reads it."""
    limit, falling, beyond = page_arguments(request)
    left = sorted(items, key=place, reverse=falling)
    if beyond is not None:
        left = [item for item in left if (place(item) < beyond if falling else place(item) > beyond)]
    chosen = left[:limit]
    return chosen, {"next": write_cursor(place(chosen[-1]))} if len(left) > limit else {}


def write_cursor(place: tuple[float, str]) -> str:
    """Return the cursor behind a place."""
    return urlsafe_b64encode(f"{place[0]!r}\x00{place[1]}".encode()).decode()


def _read_cursor(cursor: str) -> Place:
    try:
        number, item_id = b64decode(cursor, altchars=b"-_", validate=True).decode().split("\x00")
        at = float(number)
    except ValueError:
        raise invalid("since is invalid") from None
    if not math.isfinite(at):
        raise invalid("since is invalid")
    return Place(at, item_id)
