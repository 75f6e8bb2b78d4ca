"""Documents that no provider has written, and tasks that meet them in a store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.tokens.budget import Quota
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.record import AppRecord
from airflow_channel_provider.tokens.repository import read_record
from airflow_channel_provider.tokens.stores.base import TokenStore

from .token_service import TokenService

SECRET = "c2VjcmV0LW9mLXRlc3RzXy0=="
QUOTA = Quota(limit=3)

FRAGMENTS = (
    "1e300",
    "-1e300",
    "1e999",
    "NaN",
    "-Infinity",
    "9" * 400,
    "-" + "9" * 5000,
    '"\\ud800"',
    '"\\u0000\\u001b"',
    '"' + "x" * 2000 + '"',
    '"soon"',
    "null",
    "true",
    "[[]]",
    '{"a": {"b": []}}',
)
"""What may stand in the place of a value; none of it makes a count of token requests smaller unnoticed."""


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Name every place in a JSON value that holds something."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


def spoiled_at(text: str, path: tuple[str | int, ...], fragment: str) -> str:
    """Put a piece of text into one place of a document."""
    document = json.loads(text)
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = "@spoiled@"
    return json.dumps(document).replace('"@spoiled@"', fragment)


Spoiler = Callable[[str], str]


def spoilers(example: str) -> st.SearchStrategy[Spoiler]:
    """
    Spoil one place of a document, or put any JSON, or anything, in its place.

    :param example: a document with the same places.
    """
    number = st.floats() | st.integers() | st.sampled_from([10**400, -(10**19), 1e300])
    anything = st.recursive(
        st.none() | st.booleans() | number | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
        max_leaves=8,
    )

    def at(path: tuple[str | int, ...], fragment: str) -> Spoiler:
        return lambda text: spoiled_at(text, path, fragment)

    return (
        st.builds(at, st.sampled_from(list(places(json.loads(example)))), st.sampled_from(FRAGMENTS))
        | anything.map(lambda value: lambda text: json.dumps(value))
        | anything.map(lambda value: lambda text: json.dumps({**json.loads(text), "state": value}))
        | st.integers(0, len(example)).map(lambda length: lambda text: text[:length])
        | st.text(st.characters(codec="ascii", exclude_characters="\x00"), max_size=30).map(
            lambda found: lambda text: found
        )
    )


@dataclass
class Tasks:
    """
    Task processes of one app over one store.

    :param open_store: opens it as a new process does.
    :param clock: of the host.
    """

    open_store: Callable[[], TokenStore]
    clock: Callable[[], float]
    service: TokenService = field(init=False)

    def __post_init__(self) -> None:
        self.service = TokenService(self.clock, limit=QUOTA.limit)

    def task(self) -> TokenManager:
        store = self.open_store()
        store.local_cache.clear()
        return TokenManager(
            base_url="https://service.test",
            app_id="app",
            secret=SECRET,
            store=store,
            exchange=self.service,
            label="Connection 'c'",
            quota=QUOTA,
            sleep=lambda seconds: None,
            clock=self.clock,
        )

    @property
    def app(self) -> str:
        return self.task().repository.app

    def get(self, channel_id: str) -> str:
        """Ask for a token as one task; tell what came of it. Anything but a token or an error of ours is raised."""
        try:
            return self.task().get(channel_id, wait_seconds=0.0).access_token
        except ChannelError as error:
            return type(error).__name__

    def check(self, began_with: int) -> None:
        """
        Let so many tasks ask that the quota is at an end, and see that it held and that the document is healed.

        :param began_with: token requests that had been sent when the document was spoiled.
        """
        self.service.log[:] = self.service.log[:began_with]
        for number in range(QUOTA.limit + 1):
            self.get(f"after-{number}")
        assert len(self.service.log) <= QUOTA.limit
        assert self.service.refusals == 0
        snapshot = read_record(self.open_store().load(self.app), QUOTA)
        assert not snapshot.lost
        assert AppRecord.from_json(snapshot.record.to_json()) is not None
