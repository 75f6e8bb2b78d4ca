"""
Reads the rows of a stream that belong to a window, and hands them to the parts. See the package for the rules.

What is done is known by its id, so nothing is written twice within a run: not a chat that comes again because pages
have shifted, and not one that an earlier try has written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from airflow_channel_provider.bulk.outcomes import is_item_error
from airflow_channel_provider.contract.open_api import CHAT_STATES
from airflow_channel_provider.exceptions import ChannelError, ChannelRequestError, ChannelResponseError
from airflow_channel_provider.extract.parts import Parts
from airflow_channel_provider.extract.schema import encode
from airflow_channel_provider.extract.streams import CHAT_LIST, GROUP_LIST, Source, Stream
from airflow_channel_provider.extract.windows import FallingOrder, Window, change_ms, last_messages
from airflow_channel_provider.times import to_ms

MAX_PASSES = 10
MARGIN_MS = 60_000
"""By so much the clocks of the service and of this host may differ; by the lookback, if that is longer."""
MAX_RANGE_MS = 90 * 86_400_000
"""The longest range that the service gives calls of."""
_NO_CURSOR = (400, 404, 422)
_GONE = 404

Row = dict[str, Any]


class Page(Protocol):
    """One page of a list."""

    @property
    def answer(self) -> Any:
        """All of the answer."""

    @property
    def items(self) -> list[Any]:
        """What it lists."""

    @property
    def since(self) -> object:
        """The cursor that it was asked for with; None: it is the first."""

    @property
    def next(self) -> object:
        """The cursor of the next; None: it is the last."""


class Service(Protocol):
    """What reads from the service: the hook."""

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Return one answer."""

    def pages(self, stream: str, *, since: object = None, **filters: Any) -> Iterator[Any]:
        """Yield the pages of a list."""


class Log(Protocol):
    """The task's log."""

    def info(self, message: str, /, *args: object) -> object:
        """Write one line."""

    def warning(self, message: str, /, *args: object) -> object:
        """Write one line that needs attention."""


class Chats(NamedTuple):
    """
    The chats of one page that belong to the window and are not done.

    :param answer: all of the answer.
    :param chats: with the digest of what is done with each.
    :param at_ms: when the page was asked for; epoch milliseconds.
    :param here: the position of the page.
    :param after: the position behind it.
    """

    answer: Mapping[str, Any]
    chats: list[tuple[bytes, Row]]
    at_ms: int
    here: dict[str, Any]
    after: dict[str, Any]


class Reader:
    """
    Reads one stream for one window.

    :param stream: which.
    :param window: which rows.
    :param service: reads.
    :param parts: writes.
    :param log: of the task.
    :param now_ms: epoch milliseconds.
    :param on_failure: takes the id of a chat, user or group that can't be read, and why; None: the error ends the run.
    :param on_progress: called now and then.
    """

    def __init__(
        self,
        stream: Stream,
        window: Window,
        service: Service,
        parts: Parts,
        log: Log,
        *,
        now_ms: Callable[[], int],
        on_failure: Callable[[str, ChannelError], None] | None = None,
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._stream = stream
        self._window = window
        self._service = service
        self._parts = parts
        self._log = log
        self._now_ms = now_ms
        self._on_failure = on_failure
        self._on_progress = on_progress
        position = parts.progress.position
        self.order = FallingOrder(
            has_held=position.get("held", True), is_told_apart=position.get("apart", False)
        )

    def run(self) -> None:
        """
        Read all, and leave the last part open.

        :raises ChannelError: what the hook raises, at a border or within a chat.
        """
        sources: dict[Source, Callable[[], None]] = {
            Source.CHATS: self._read_chats,
            Source.USERS: self._read_users,
            Source.OF_CHATS: lambda: self._read_children("id"),
            Source.OF_USERS: lambda: self._read_children("userId"),
            Source.OF_GROUPS: self._read_groups,
            Source.LIST: self._read_list,
            Source.ONE: self._read_one,
            Source.RANGE: self._read_range,
        }
        sources[self._stream.source]()
        if nameless := self._parts.progress.counts.get("nameless"):
            self._log.warning(
                "%s: %d chats or groups came without the id that their rows are asked for with; these rows are missing",
                self._stream.name,
                nameless,
            )

    # ---- what is read of the chats of the window

    def _read_chats(self) -> None:
        for page in self._chats("id"):
            self._parts.write([chat for _, chat in page.chats], page.at_ms)
            self._parts.border((digest for digest, _ in page.chats), page.after)

    def _read_users(self) -> None:
        for page in self._chats("userId"):
            users = {user["id"]: user for user in page.answer.get("users") or () if _has(user, "id")}
            rows = []
            for _, chat in page.chats:
                if self._can_ask(chat, "userId"):
                    user = users.get(chat["userId"]) or self._one_user(str(chat["userId"]))
                    rows += [] if user is None else [user]
            self._parts.write(rows, page.at_ms)
            self._parts.border((digest for digest, _ in page.chats), page.after)

    def _one_user(self, user_id: str) -> Row | None:
        """Return a user whom the list of chats has left out; None where there is none any more."""
        with _Tolerated(self, user_id):
            answer = self._service.get(f"/users/{quote(user_id, safe='')}")
            user = answer.get("user") if isinstance(answer, Mapping) else None
            if not isinstance(user, dict):
                raise _no_record(self._stream.path)
            return user
        return None

    def _read_children(self, key: str) -> None:
        for page in self._chats(key):
            for digest, chat in page.chats:
                if self._can_ask(chat, key):
                    self._read_list_of(str(chat[key]))
                self._parts.border((digest,), page.here)
            self._parts.border((), page.after)

    def _read_list_of(self, parent_id: str, *, window: Window | None = None) -> None:
        """Read the list of one chat, user or group; with a window, what changed in it."""
        path, seen = self._stream.path.replace("{id}", quote(parent_id, safe="")), set[str]()
        with _Tolerated(self, parent_id):
            for page, at_ms in self._pages(path, sortOrder="asc"):
                rows = _rows_of(page, self._stream.path)
                if window is not None:
                    rows = [row for row in rows if window.holds(change_ms(row))]
                fresh: dict[str, Row] = {}
                for row in rows:
                    fresh.setdefault(self._key_of(row), row)
                self._parts.write([row for key, row in fresh.items() if key not in seen], at_ms)
                seen.update(fresh)
        self._parts.progress.count("lists")
        self._on_progress()

    # ---- the chats of the window

    def _chats(self, key: str) -> Iterator[Chats]:
        """
        Yield the chats of the window, page by page; again until nothing new comes, where the list has moved.

        :param key: the field of a chat that says what is done with it.
        """
        position = self._parts.progress.position
        first = int(position.get("pass", 1))
        for number in count(first):
            if number > 1 and not self._has_moved():
                return
            found = 0
            for page in self._one_pass(key, number, position if number == first else {}):
                found += len(page.chats)
                yield page
                self._on_progress()
            if number == 1 and not self.order.has_held:
                self._log.warning(
                    "%s: the list of chats is not sorted by the last change, so it is read to its end each time",
                    self._stream.name,
                )
            if number > 1 and not found:
                return
            if number >= MAX_PASSES:
                self._log.warning(
                    "%s: the list of chats has changed so much that reading it %d times brought new chats each time; "
                    "extract a window that overlaps this one later",
                    self._stream.name,
                    number,
                )
                return

    def _one_pass(self, key: str, number: int, position: Mapping[str, Any]) -> Iterator[Chats]:
        begin_with = position.get("list", CHAT_STATES[0])
        states = CHAT_STATES[CHAT_STATES.index(begin_with) if begin_with in CHAT_STATES else 0 :]
        for state, following in zip(states, (*states[1:], None), strict=True):
            self.order.begin()
            since = position.get("since") if state == begin_with else None
            for page, at_ms in self._chat_pages(state, since):
                chats = self._fresh(page, key)
                is_past = self.order.is_past(self._window.from_ms)
                held = {"held": self.order.has_held, "apart": self.order.is_told_apart}
                here = {"pass": number, "list": state, "since": page.since, **held}
                after = {**here, "since": page.next}
                if is_past or page.next is None:
                    after |= {"list": following, "since": None} if following else {}
                    after |= {} if following else {"pass": number + 1, "list": CHAT_STATES[0], "since": None}
                yield Chats(page.answer, chats, at_ms, here, after)
                if is_past:
                    break

    def _chat_pages(self, state: str, since: object) -> Iterator[tuple[Page, int]]:
        how = {"state": state, "sortOrder": "desc"}
        if since is None:
            yield from self._pages(CHAT_LIST, **how)
            return
        has_begun = False
        try:
            for page in self._pages(CHAT_LIST, since=since, **how):
                has_begun = True
                yield page
        except ChannelRequestError as error:
            if has_begun or error.http_status not in _NO_CURSOR:
                raise
            self._log.warning(
                "%s: the service no longer takes the cursor of the previous try; the list is read anew",
                self._stream.name,
            )
            self.order.begin()
            yield from self._pages(CHAT_LIST, **how)

    def _fresh(self, page: Page, key: str) -> list[tuple[bytes, Row]]:
        """Return the chats of a page that belong to the window and are not done; note the order."""
        rows, done = _rows_of(page, CHAT_LIST), self._parts.done
        last = last_messages(page.answer.get("messages") if isinstance(page.answer, Mapping) else None)
        changes = [_later(change_ms(row), last.get(str(row.get("id")))) for row in rows]
        self.order.see(changes, [to_ms(row.get("createdAt")) for row in rows])
        fresh: dict[bytes, Row] = {}
        for row, change in zip(rows, changes, strict=True):
            if self._window.holds(change):
                digest = self._digest_of(row, key)
                if digest not in done:
                    fresh.setdefault(digest, row)
        return list(fresh.items())

    def _digest_of(self, row: Row, key: str) -> bytes:
        """Return what says that a chat or group is done; one without its key is itself."""
        return self._parts.digest_of(str(row[key]) if _has(row, key) else encode(row))

    def _can_ask(self, row: Row, key: str) -> bool:
        """Return whether a chat or group has the id that is asked for; count one that has not."""
        if _has(row, key):
            return True
        self._parts.progress.count("failed")
        self._parts.progress.count("nameless")
        return False

    def _has_moved(self) -> bool:
        """Return whether a chat has changed since reading began, so that a page may have shifted."""
        if not (self.order.has_held and self.order.is_told_apart):
            return True
        since_ms = self._parts.progress.started_ms - max(MARGIN_MS, self._window.lookback_ms)
        for state in CHAT_STATES:
            answer = self._service.get(CHAT_LIST, {"state": state, "sortOrder": "desc", "limit": 1})
            chats = answer.get("userChats") if isinstance(answer, Mapping) else None
            for chat in chats if isinstance(chats, list) else ():
                change = change_ms(chat) if isinstance(chat, Mapping) else None
                if change is None or change >= since_ms:
                    return True
        return False

    # ---- what does not hang on chats

    def _read_groups(self) -> None:
        for page, _ in self._pages(GROUP_LIST):
            for group in _rows_of(page, GROUP_LIST):
                digest = self._digest_of(group, "id")
                if digest not in self._parts.done:
                    if self._can_ask(group, "id"):
                        self._read_list_of(str(group["id"]), window=self._window)
                    self._parts.border((digest,), {})

    def _read_list(self) -> None:
        for page, at_ms in self._pages(self._stream.path):
            self._write_new(_rows_of(page, self._stream.path), at_ms)

    def _read_one(self) -> None:
        at_ms = self._now_ms()
        answer = self._service.get(self._stream.path)
        row = answer.get(self._stream.items) if isinstance(answer, Mapping) else None
        if not isinstance(row, dict):
            raise _no_record(self._stream.path)
        self._write_new([row], at_ms)

    def _read_range(self) -> None:
        from_ms = self._window.from_ms
        while from_ms < self._window.end_ms:
            to = min(from_ms + MAX_RANGE_MS, self._window.end_ms)
            at_ms = self._now_ms()
            answer = self._service.get(self._stream.path, {"from": from_ms, "to": to})
            if isinstance(answer, Mapping):  # wrapped, as the other lists are, and left out where it is empty
                answer = next((value for value in answer.values() if isinstance(value, (list, dict))), [])
            if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
                raise _no_record(self._stream.path)
            self._write_new(answer, at_ms)
            from_ms = to

    def _write_new(self, rows: list[Row], at_ms: int) -> None:
        fresh: dict[bytes, Row] = {}
        for row in rows:
            digest = self._parts.digest_of(self._key_of(row))
            if digest not in self._parts.done:
                fresh.setdefault(digest, row)
        self._parts.write(list(fresh.values()), at_ms)
        self._parts.border(fresh, {})
        self._on_progress()

    def _key_of(self, row: Row) -> str:
        """Return what identifies a row; one without its key is itself."""
        values = [row.get(name) for name in self._stream.key]
        return encode(values if any(value not in (None, "") for value in values) else row)

    # ---- pages

    def _pages(self, path: str, *, since: object = None, **params: Any) -> Iterator[tuple[Page, int]]:
        """Yield pages with the moment before each was asked for."""
        pages = self._service.pages(path, since=since, **params)
        while True:
            at_ms = self._now_ms()
            page = next(pages, None)
            if page is None:
                return
            yield page, at_ms

    def tolerates(self, parent_id: str, error: ChannelError) -> bool:
        """Return whether reading goes on without a chat, user or group; count it."""
        progress = self._parts.progress
        if getattr(error, "http_status", None) == _GONE:
            progress.count("gone")
            return True
        # The answer came, and holds something else than it should: that is about this one, and no gateway's doing.
        is_odd = isinstance(error, ChannelResponseError) and error.http_status is None
        if self._on_failure is None or not (is_odd or is_item_error(error)):
            return False
        self._on_failure(parent_id, error)
        progress.count("failed")
        return True


class _Tolerated:
    """Goes on behind what can't be read of one chat, user or group, where that is allowed."""

    def __init__(self, reader: Reader, parent_id: str) -> None:
        self._reader = reader
        self._parent_id = parent_id

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        return isinstance(error, ChannelError) and self._reader.tolerates(self._parent_id, error)


def _rows_of(page: Page, path: str) -> list[Row]:
    if not set(map(type, page.items)) <= {dict}:
        raise _no_record(path)
    return page.items


def _no_record(path: str) -> ChannelResponseError:
    return ChannelResponseError(f"GET {path}: the answer holds something that is no record.")


def _has(row: object, key: str) -> bool:
    return isinstance(row, dict) and row.get(key) not in (None, "")


def _later(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one
    return max(one, other)
