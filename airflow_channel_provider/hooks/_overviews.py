"""The content of the configured store for people: the page and the command line. No task uses this module.

It needs no App Secret and reads no token.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_channel_provider import configuration
from airflow_channel_provider.hooks._pace import PREFIX as PACE
from airflow_channel_provider.hooks.threads import SUFFIX as THREADS

if TYPE_CHECKING:
    from airflow_channel_provider.tokens.budget import Quota
    from airflow_channel_provider.tokens.overview import AppOverview
    from airflow_channel_provider.tokens.record import TokenFacts
    from airflow_channel_provider.tokens.stores.base import Snapshot, TokenStore

log = logging.getLogger(__name__)

_SAME_SECONDS = 1.0
_KEY_LENGTH = 64
_differences: dict[tuple[str, str], float] = {}
"""Wall time minus the store's, by store and document."""


def overviews(store: TokenStore | None = None) -> list[AppOverview]:
    """
    Describe every app of the store, those with warnings first, then by App ID.

    :param store: default: the configured one.
    :raises ChannelError: it can't be read.
    """
    from airflow_channel_provider.hooks._stores import open_store

    found = read_overviews(store or open_store(configuration.store()))
    return sorted(found, key=lambda app: (not app.warnings, app.app_id, app.base_url, app.key))


def read_overviews(store: TokenStore) -> Iterator[AppOverview]:
    """
    Describe every app of the store, in no particular order.

    :raises ChannelError: it can't be read.
    """
    from airflow_channel_provider.tokens.validation import is_name

    quota = _quota(store)
    try:
        for key in store.documents():
            if not is_name(key, _KEY_LENGTH) or key.endswith(THREADS) or key.startswith(PACE):
                continue  # no record of an app
            snapshot = store.load(key)
            if snapshot.state is not None or snapshot.lost:  # otherwise it is gone since it was listed
                yield _overview_of(key, snapshot, quota, (store.address, key))
    finally:
        store.rest()


def _overview_of(key: str, stored: Snapshot, quota: Quota, clock: tuple[str, str]) -> AppOverview:
    """Describe one app; an unforeseen value in its document must not hide the other apps."""
    from airflow_channel_provider.tokens.overview import overview_of
    from airflow_channel_provider.tokens.record import AppRecord
    from airflow_channel_provider.tokens.repository import read_record

    try:
        snapshot = read_record(stored, quota)
        return overview_of(key, snapshot.record, snapshot.now, quota, _wall_time_of(snapshot.now, clock))
    except Exception as trouble:
        log.exception("The record of app %s in %s could not be described", key, clock[0])
        sentence = f"The record of this app can't be shown ({type(trouble).__name__}); the log says more."
        nothing = overview_of(key, AppRecord(), 0.0, quota, datetime.now(timezone.utc))
        return replace(nothing, warnings=(sentence,))


def connections_of(store: TokenStore, app: str) -> tuple[str, ...] | None:
    """
    Return the connections that use an app.

    :param app: key of its record in the store.
    :return: None if there is no such app.
    :raises ChannelError: the store can't be read.
    """
    from airflow_channel_provider.tokens.repository import read_record

    try:
        if app not in store.documents():
            return None
        return read_record(store.load(app), _quota(store)).record.name.connections
    finally:
        store.rest()


def drop_token(store: TokenStore, app: str, scope: str) -> bool:
    """
    Stop the use of the present token of a scope; the next process that needs one renews it, for one token request.

    :param app: key of its record in the store.
    :return: False if there is no such app, or no token of that scope to drop.
    :raises ChannelError: it can't be written.
    """
    from airflow_channel_provider.tokens.repository import read_record
    from airflow_channel_provider.tokens.seal import is_blob_name

    quota = _quota(store)

    def drop(stored: Snapshot) -> tuple[dict[str, Any] | None, TokenFacts | None]:
        snapshot = read_record(stored, quota)
        record, facts = snapshot.record, snapshot.record.tokens.get(scope)
        if facts is None or facts.dropped:
            return None, None
        return snapshot.to_write(record.with_dropped_token(scope)), facts

    try:
        # What is listed names no file and no key of something else.
        dropped = store.update(app, drop) if app in store.documents() else None
        if dropped is not None and is_blob_name(dropped.blob):
            # If the record is lost, the sealed token would be in use again. One that replaced it at this moment goes
            # with it, which costs a token request.
            store.drop_blob(app, dropped.blob)
        return dropped is not None
    finally:
        store.rest()


def shown_address(address: str) -> str:
    """Return a store's address without anything that may be a password, such as the address of a server."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return "..."
    # An address without a server, such as a path, has no place for a password before its query.
    harmless = not any(character in rest for character in ("?#" if rest.startswith("/") else ":@?#"))
    return address if harmless else f"{scheme}://..."


def visibility_note(address: str) -> str:
    """Return a sentence about token requests that this process can't see; empty if it sees all of them."""
    from airflow_channel_provider.hooks._stores import kind_of, remote_executors

    kind = kind_of(address)
    if kind is not None and kind.shared_by == "process":
        return (
            f"The store {kind.addresses[0]} is one process only: what tasks do with their tokens can't be seen from "
            "here."
        )
    if kind is not None and kind.shared_by == "host" and (executors := remote_executors()):
        return (
            f"The store is {kind.place} of this host, and {executors} runs tasks on other hosts: what those do with "
            "their tokens can't be seen from here."
        )
    return ""


def _wall_time_of(now: float, clock: tuple[str, str]) -> datetime:
    """
    Convert a store's clock to the wall clock, by the same difference as last time, so that shown times do not jump.

    :param clock: name of the store's clock.
    """
    difference = time.time() - now
    kept = _differences.setdefault(clock, difference)
    if abs(difference - kept) > _SAME_SECONDS:
        _differences[clock] = kept = difference
    return datetime.fromtimestamp(now + kept, timezone.utc)


def _quota(store: TokenStore) -> Quota:
    from airflow_channel_provider.tokens.budget import Quota

    quota = Quota(configuration.token_quota(), configuration.token_quota_window_seconds())
    return quota.held_longer(store.margin_seconds)
