"""
Tokens in Redis or Valkey: one server, or one cluster, serves every process of every host.

Four kinds of key per app, and one for all apps; their hash tag keeps them on one node of a cluster:

``channel_talk:{<app>}:document``      the document; never expires, so a server that evicts only what expires keeps it
``channel_talk:{<app>}:token:<name>``  one sealed token; expires with it
``channel_talk:{<app>}:tokens``        says for a day that tokens were stored, so that a missing document is a lost one
``channel_talk:{<app>}:unreadable``    what stood in the place of the document and was none of ours; lasts a week
``channel_talk:documents``             names the documents, for people to look at: a scan of a large server takes long

``update`` is WATCH, GET, MULTI, SET, EXEC; the clock is the server's ``TIME``. The store can't know what a server
forgets at a restart: only append-only persistence keeps the count of token requests. If a server runs for less than a
window and has no document, it may have forgotten one, and the document counts as lost.

If the client finds its master through sentinels, each change waits until a replica has it too, and a problem is waited
out for as long as a failover takes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, TypeVar, cast

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError, ChannelNotSentError
from airflow_channel_provider.tokens.clock import steady
from airflow_channel_provider.tokens.stores import document as document_format
from airflow_channel_provider.tokens.stores.base import (
    ASIDE_SECONDS,
    Anew,
    CachedToken,
    Change,
    HostLock,
    Snapshot,
)

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline
    from redis.cluster import RedisCluster

T = TypeVar("T")

log = logging.getLogger(__name__)

_PREFIX = "channel_talk"
_INDEX = f"{_PREFIX}:documents"
_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS, _PAUSE_MAX_SECONDS = 0.002, 0.1
_ANSWER_SECONDS = 5.0
_MARK_SECONDS = 86_400
_ACKNOWLEDGED, _ACKNOWLEDGED_SECONDS = f"{_PREFIX}:acknowledged", 1.0
_FAILOVER_SECONDS = 20.0
_FAILOVER_PAUSE_SECONDS, _FAILOVER_PAUSE_MAX_SECONDS = 0.1, 1.0


class RedisStore:
    """
    A store in Redis.

    :param connect: makes a client; called at the first use, and again after a fork or an error.
    :param address: as configured; for messages.
    :param window_seconds: window of the quota; a server younger than that may have forgotten a document.
    """

    poll_seconds = (0.02, 0.25)
    margin_seconds = 0.0

    def __init__(
        self,
        connect: Callable[[], Redis | RedisCluster],
        *,
        address: str = "redis://",
        window_seconds: float = 1800.0,
    ) -> None:
        self.address = address
        self.host = "any"  # without a host lock, a lease is never taken over early
        self.local_cache: dict[str, CachedToken] = {}
        self._connect = connect
        self._window_seconds = window_seconds
        self._failover = False
        self._client: Redis | RedisCluster | None = None
        self._inherited: Redis | RedisCluster | None = None
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        # It is neither closed nor released: its connections belong to the parent.
        self._inherited, self._client = self._client, None

    def load(self, document: str) -> Snapshot:
        key = _key(document, "document")

        def read() -> Snapshot:
            with self._node(key).pipeline(transaction=False) as pipe:
                pipe.time()
                pipe.get(key)
                time_of_server, content = pipe.execute(raise_on_error=False)
            for answer in (time_of_server, content):
                if isinstance(answer, Exception) and not _is_of_another_type(answer):
                    raise answer
            return self._found(document, content, _seconds(time_of_server))

        return self._patiently(read)

    def update(self, document: str, change: Change[T]) -> T:
        from redis.exceptions import WatchError

        key, written, result = _key(document, "document"), b"", cast("T", None)

        def attempt(pipe: Pipeline) -> T:
            nonlocal written, result
            pipe.watch(key)  # type: ignore[no-untyped-call]
            content, snapshot = self._watched(document, pipe)
            if written and content == written:
                return result  # it was written, only the answer was lost
            state, result = change(snapshot)
            if state is not None:
                if content is None:
                    self._list(document)
                written = document_format.pack(state, snapshot.now)
                pipe.multi()
                if content is not None and (snapshot.lost or isinstance(state, Anew)):
                    aside = _key(document, "unreadable")
                    pipe.rename(key, aside)
                    pipe.expire(aside, int(ASIDE_SECONDS))
                pipe.set(key, written)
                self._execute(pipe)
            return result

        def attempts() -> bool:
            for pause in self._pauses():
                with contextlib.suppress(WatchError), self._node(key).pipeline() as pipe:
                    attempt(pipe)
                    return True
                time.sleep(pause)
            return False

        if self._patiently(attempts):
            return result
        raise ChannelNotSentError(
            f"The token store {self.address} could not be changed for {_PATIENCE_SECONDS:.0f} s, because other "
            "processes changed it each time. No token request was sent."
        )

    def documents(self) -> Collection[str]:
        with self._honest_errors():
            try:
                found = self._node(_INDEX).smembers(_INDEX)
            except Exception as error:
                if not _is_of_another_type(error):
                    raise
                return self._scanned()
            return [_text(name) for name in found]

    def read_blob(self, document: str, name: str) -> bytes | None:
        key = _key(document, f"token:{name}")

        def read() -> bytes | None:
            try:
                return cast("bytes | None", self._node(key).get(key))
            except Exception as error:
                if _is_of_another_type(error):
                    return None
                raise

        return self._patiently(read)

    def write_blob(self, document: str, name: str, blob: bytes, keep_seconds: float) -> None:
        key = _key(document, f"token:{name}")

        def write() -> None:
            with self._node(key).pipeline() as pipe:
                pipe.set(key, blob, px=max(1, int(keep_seconds * 1000)))
                pipe.set(_key(document, "tokens"), b"1", ex=max(_MARK_SECONDS, int(keep_seconds)))
                self._execute(pipe)

        self._patiently(write)

    def drop_blob(self, document: str, name: str) -> None:
        key = _key(document, f"token:{name}")
        self._patiently(lambda: self._node(key).delete(key))

    @contextlib.contextmanager
    def host_lock(self, document: str, scope: str) -> Iterator[HostLock]:
        """The server does not see the death of a process, so the lease has to end by itself."""
        yield HostLock.UNKNOWN

    def rest(self) -> None:
        """Nothing to release: an idle connection costs a Redis server almost nothing."""

    # ---------------------------------------------------------------------------------------- document and clock

    def _watched(self, document: str, pipe: Pipeline) -> tuple[bytes | Exception | None, Snapshot]:
        now = _seconds(pipe.time())
        content: bytes | Exception | None
        try:
            content = cast("bytes | None", pipe.get(_key(document, "document")))
        except Exception as error:
            if not _is_of_another_type(error):
                raise
            content = error
        return content, self._found(document, content, now)

    def _found(self, document: str, content: bytes | Exception | None, now: float) -> Snapshot:
        if content is None:
            return self._without(document, now)
        return document_format.read(None if isinstance(content, Exception) else content, clock=now)

    def _list(self, document: str) -> None:
        """Add a new document to the index; unknown content in the place of the index is set aside."""
        node = self._node(_INDEX)
        try:
            node.sadd(_INDEX, document)
        except Exception as error:
            if not _is_of_another_type(error):
                raise
            node.rename(_INDEX, f"{_INDEX}:unreadable")
            node.expire(f"{_INDEX}:unreadable", int(ASIDE_SECONDS))
            node.sadd(_INDEX, document, *self._scanned())

    def _scanned(self) -> list[str]:
        """Scan the whole server for documents; slow, and only done if the index is gone."""
        client, ends = self._client, _key("*", "document").split("*")
        found = client.scan_iter(match=_key("*", "document"), count=1000) if client is not None else ()
        return [_text(key)[len(ends[0]) : -len(ends[1])] for key in found]

    def _without(self, document: str, now: float) -> Snapshot:
        """Return the snapshot for a missing document: of a new app, or of one whose document is lost."""
        from redis.exceptions import ResponseError

        node = self._node(_key(document, "document"))
        lost = bool(node.exists(_key(document, "tokens")))
        if not lost:
            with contextlib.suppress(ResponseError):  # INFO may be forbidden; then a restart can't be seen
                lost = float(node.info("server")["uptime_in_seconds"]) < self._window_seconds
        return Snapshot(None, now, lost=lost)

    def _pauses(self) -> Iterator[float]:
        give_up_at, longest = steady() + _PATIENCE_SECONDS, _PAUSE_SECONDS
        while steady() < give_up_at:
            yield random.uniform(0.0, longest)
            longest = min(longest * 1.5, _PAUSE_MAX_SECONDS)

    # ---------------------------------------------------------------------------------------- client

    def _patiently(self, work: Callable[[], T]) -> T:
        """Run a function; behind sentinels, wait until there is a master again."""
        began_at, pause = steady(), _FAILOVER_PAUSE_SECONDS
        while True:
            try:
                with self._honest_errors():
                    return work()
            except ChannelNotSentError:
                if not self._failover or steady() - began_at >= _FAILOVER_SECONDS:
                    raise
            time.sleep(random.uniform(0.5, 1.0) * pause)
            pause = min(pause * 1.5, _FAILOVER_PAUSE_MAX_SECONDS)

    def _execute(self, pipe: Pipeline) -> None:
        """Execute a transaction; behind sentinels, check that a replica has it."""
        pipe.execute()
        if not self._failover:
            return
        # Replicas get writes in order: a replica that has the later one has this one too.
        with self._node(_ACKNOWLEDGED).pipeline(transaction=False) as after:
            after.set(_ACKNOWLEDGED, b"1", ex=_MARK_SECONDS)
            after.execute_command("WAIT", 1, int(_ACKNOWLEDGED_SECONDS * 1000))  # type: ignore[no-untyped-call]
            _, replicas = after.execute()
        if not replicas:
            log.warning(
                "No replica of the token store %s has acknowledged a write within %.0f s. If its master fails now, the "
                "token requests that were recorded since then are not counted.",
                self.address,
                _ACKNOWLEDGED_SECONDS,
            )

    def _node(self, key: str) -> Redis:
        """Return the client of the server that has a key; in a cluster, that server must be asked for the time."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
                self._failover = hasattr(getattr(self._client, "connection_pool", None), "sentinel_manager")
            client = self._client
        if hasattr(client, "get_node_from_key"):
            cluster = cast("RedisCluster", client)
            node = cluster.get_node_from_key(key)  # type: ignore[no-untyped-call]
            client = cluster.get_redis_connection(node)
        kwargs = client.connection_pool.connection_kwargs
        for name in (
            "socket_timeout",
            "socket_connect_timeout",
        ):  # before redis-py 8 the default is to wait for ever
            if kwargs.get(name) is None:
                kwargs[name] = _ANSWER_SECONDS
        return client

    @contextlib.contextmanager
    def _honest_errors(self) -> Iterator[None]:
        try:
            yield
        except ChannelError:
            raise
        except Exception as error:
            described = _described(error, self.address)
            if described is None:
                raise
            self._client = None
            raise described from error


def _key(document: str, what: str) -> str:
    return f"{_PREFIX}:{{{document}}}:{what}"


def _seconds(time_of_server: tuple[int, int]) -> float:
    seconds, microseconds = time_of_server
    return seconds + microseconds / 1e6


def _text(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name


def _is_of_another_type(error: Exception) -> bool:
    """Return whether the key has a value of another type, such as a list."""
    return str(error).startswith("WRONGTYPE")


def _described(error: Exception, address: str) -> ChannelError | None:
    """Return the error to raise for an error of the client; None if it is not one of the client's."""
    from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError, RedisError

    if not isinstance(error, (RedisError, OSError)):
        return None
    if isinstance(error, (AuthenticationError, AuthorizationError, NoPermissionError)):
        return ChannelConfigurationError(
            f"Option [channel_talk] store: the server behind {address} refuses its connection: {_sentence(error)} "
            "Correct login and password of that connection, and what its user may do; no token request was sent."
        )
    return ChannelNotSentError(
        f"The token store {address} can't be reached: {_sentence(error)} No token request was sent."
    )


def _sentence(error: Exception) -> str:
    return f"{str(error).rstrip('.') or type(error).__name__}."
