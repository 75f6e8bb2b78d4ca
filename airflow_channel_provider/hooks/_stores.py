"""
Opens the token store that the option names. All kinds of stores are registered here, at the end, and nowhere else.

The stores themselves know no Airflow: they get their connection from here, and look it up when they are first used. A
store that tasks of this deployment can't share is reported, once per process.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from airflow_channel_provider import configuration
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.process_lock import ProcessLock
from airflow_channel_provider.tokens.stores.base import TokenStore
from airflow_channel_provider.values import Values

if TYPE_CHECKING:
    from redis import Redis

    from airflow_channel_provider.tokens.stores.sql_session import SqlTarget

log = logging.getLogger(__name__)

_opened: dict[str, TokenStore] = {}
_warned: set[str] = set()
_opening = ProcessLock()
os.register_at_fork(after_in_child=_warned.clear)

_REDIS_PORT = 6379

# Executors whose tasks may run on another host than the rest; the class names of Airflow's own providers.
_REMOTE_EXECUTORS = ("Celery", "Kubernetes", "Edge", "Ecs", "Batch", "Lambda")


class StoreKind(Values):
    """
    One kind of store, as everything in this project knows it.

    Its module is ``tokens/stores/SCHEME.py``; names of further modules begin with ``SCHEME_``.

    :param addresses: how the option ``store`` names it, the usual way first; users fill in what is in capitals.
    :param place: where the documents and tokens are, for sentences: "a directory".
    :param shared_by: which processes share it: only the threads of one ``process``, those of one ``host``, or ``all``.
    :param opener: makes the store of an address. It touches nothing: the store looks up its connection when it is used.
    :param extras: by extra of this package, the modules that it brings and the store uses, those of a client first.
    :param first_choice_of: words in the names of executors whose tasks best name it by the last of the addresses.
    """

    addresses: tuple[str, ...]
    place: str
    shared_by: Literal["process", "host", "all"]
    opener: Callable[[str], TokenStore]
    extras: Mapping[str, tuple[str, ...]]
    first_choice_of: tuple[str, ...] = ()

    @property
    def scheme(self) -> str:
        return self.addresses[0].partition(":")[0]


def kind_of(address: str) -> StoreKind | None:
    """Return which kind of store an address names; None if it is unknown."""
    return STORE_KINDS.get(address.partition(":")[0])


def open_store(address: str, *, for_tokens: bool = True) -> TokenStore:
    """
    Open a store by its address; the same address gives the same store within a process. Touches nothing yet.

    :param address: the option ``[channel_talk] store``.
    :param for_tokens: whether it is an error in the making if other tasks can't share it.
    :raises ChannelConfigurationError: no such kind of store.
    """
    kind = kind_of(address)
    if kind is None:
        # The rest may be the address of a server, password included.
        named = f"{address.partition(':')[0]}://" if "://" in address else repr(address)
        *others, last = (kind.addresses[0] for kind in STORE_KINDS.values())
        raise ChannelConfigurationError(
            f"Option [channel_talk] store: {named} is not a known store; use {', '.join(others)} or {last}."
        )
    with _opening():
        if address not in _opened:
            _opened[address] = kind.opener(address)
        store = _opened[address]
    if for_tokens:
        _warn_where_it_is_not_shared(kind)
    return store


def _memory_store(address: str) -> TokenStore:
    from airflow_channel_provider.tokens.stores.memory import MemoryStore

    return MemoryStore()


def _file_store(address: str) -> TokenStore:
    from airflow_channel_provider.tokens.stores.file import FileStore

    try:
        url = urlsplit(address)
    except ValueError:
        raise ChannelConfigurationError(
            f"Option [channel_talk] store: {address!r} is not an address."
        ) from None
    directory = unquote(url.path)
    if url.netloc not in ("", "localhost") or not directory.startswith("/") or directory == "/":
        raise ChannelConfigurationError(
            f"Option [channel_talk] store: {address!r} names no absolute directory; write file:///absolute/directory "
            "(three slashes)."
        )
    return FileStore(directory, address=address)


def _redis_store(address: str) -> TokenStore:
    from airflow_channel_provider.hooks._databases import connection_error
    from airflow_channel_provider.tokens.stores.redis import RedisStore

    conn_id = _conn_id(address)

    def connect() -> Redis:
        try:
            from airflow.providers.redis.hooks.redis import RedisHook
        except ImportError as error:
            raise ChannelConfigurationError(
                f"Option [channel_talk] store: {address} needs the Redis provider of Airflow where the tasks run: pip "
                f"install 'airflow-channel-provider[redis]' ({error})."
            ) from error
        hook: Any = RedisHook(redis_conn_id=conn_id)
        with _naming_what_is_missing(address, conn_id):
            conn = hook.get_connection(conn_id)
        extra = conn.extra_dejson
        if conn.conn_type != "redis":
            raise connection_error(
                address, conn, f"has the type {conn.conn_type!r}", "use one of the type redis"
            )
        if not (conn.host or "sentinels" in extra or "startup_nodes" in extra):
            raise connection_error(address, conn, "has no host", "enter the host of Redis")
        conn.port = conn.port or _REDIS_PORT  # the hook leaves the place of a missing one empty
        hook.get_connection = lambda _: conn
        client: Redis = hook.get_conn()
        return _master(client, extra, address) if "sentinels" in extra else client

    window_seconds = configuration.token_quota_window_seconds()
    return RedisStore(connect, address=address, window_seconds=window_seconds)


def _master(client: Redis, extra: Mapping[str, Any], address: str) -> Redis:
    """
    Return a client of the master that sentinels name, with login, TLS and database of another client.

    :param extra: of the connection: ``sentinels``, ``master_name`` and perhaps ``sentinel_kwargs``.
    """
    from redis import SSLConnection
    from redis.sentinel import Sentinel

    named, master_name = extra["sentinels"], extra.get("master_name") or extra.get("service_name")
    parts = named.split(",") if isinstance(named, str) else named
    try:
        places = [
            (host.strip(), int(port)) for host, _, port in (str(part).rpartition(":") for part in parts)
        ]
    except (TypeError, ValueError):
        places = []
    sentinel_options = extra.get("sentinel_kwargs") or {}
    if not all(host for host, _ in places) or not places or not isinstance(master_name, str):
        raise ChannelConfigurationError(
            f"Option [channel_talk] store: the extra of the connection behind {address} must name sentinels as a list "
            'of "host:port", and the master that they watch as master_name. No token request was sent.'
        )
    pool = client.connection_pool
    options = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if name in ("username", "password", "db") or name.startswith(("ssl_", "socket_"))
    }
    is_ssl = issubclass(pool.connection_class, SSLConnection)
    timeouts = {"socket_timeout": 2.0, "socket_connect_timeout": 2.0}
    sentinel: Any = Sentinel(places, sentinel_kwargs={**timeouts, **sentinel_options})  # type: ignore[no-untyped-call]
    master: Redis = sentinel.master_for(master_name, ssl=is_ssl, **options)
    return master


def _s3_store(address: str) -> TokenStore:
    from airflow_channel_provider.tokens.stores.s3 import S3Store

    conn_id, bucket, prefix = _bucket_of(address)

    def connect() -> Any:
        try:
            from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
            from botocore.config import Config
        except ImportError as error:
            raise ChannelConfigurationError(
                f"Option [channel_talk] store: {address} needs the Amazon provider of Airflow where the tasks run: pip "
                f"install 'airflow-channel-provider[s3]' ({error})."
            ) from error
        from airflow_channel_provider.tokens.stores.s3_bucket import CLIENT_OPTIONS

        if conn_id:
            from airflow.providers.common.compat.sdk import BaseHook

            with _naming_what_is_missing(
                address, conn_id, hint=f"; the bucket {conn_id!r} is s3:///{conn_id}"
            ):
                BaseHook.get_connection(conn_id)  # without it, the hook would go on as the process itself
        hook: Any = AwsBaseHook(aws_conn_id=conn_id or None, client_type="s3")
        return hook.get_client_type(
            region_name=hook.region_name, config=hook.config.merge(Config(**CLIENT_OPTIONS))
        )

    return S3Store(connect, bucket, prefix, address=address)


def _bucket_of(address: str) -> tuple[str, str, str]:
    """Return connection id (may be empty), bucket and prefix of ``s3://CONN_ID/bucket/prefix``."""
    conn_id, *rest = address.partition("://")[2].rstrip("/").split("/")
    if any(character in conn_id for character in ":@?#") or any(c in "/".join(rest) for c in ":@?#"):
        raise ChannelConfigurationError(
            "Option [channel_talk] store: write s3://CONN_ID/bucket/prefix, with the id of an Airflow connection, or "
            "s3:///bucket/prefix for the identity of the process itself; keys and endpoints belong into the connection."
        )
    if not rest or not rest[0] or "" in rest:
        bucket = next((part for part in (conn_id, *rest) if part), "BUCKET")
        raise ChannelConfigurationError(
            f"Option [channel_talk] store: {address} names no connection and bucket. For the identity of the process "
            f"itself write s3:///{bucket} (three slashes), otherwise s3://CONN_ID/{bucket}/prefix."
        )
    return conn_id, rest[0], "/".join(rest[1:])


def _sql_store(address: str) -> TokenStore:
    from airflow_channel_provider.tokens.stores.sql import SqlStore

    conn_id = _conn_id(address)

    def target() -> SqlTarget:
        from airflow.providers.common.compat.sdk import BaseHook

        from airflow_channel_provider.hooks._databases import target_of

        with _naming_what_is_missing(address, conn_id):
            conn = BaseHook.get_connection(conn_id)
        return target_of(conn, address)

    return SqlStore(target, address=address)


def _conn_id(address: str) -> str:
    scheme, _, conn_id = address.partition("://")
    if not conn_id or any(character in conn_id for character in ":@/?#"):
        # What was written instead may be the address of a server, password included: it is not repeated.
        raise ChannelConfigurationError(
            f"Option [channel_talk] store: what follows {scheme}:// must be the id of an Airflow connection, as in "
            f"{scheme}://my_connection; the address of the server and the password belong into that connection."
        )
    return conn_id


@contextlib.contextmanager
def _naming_what_is_missing(address: str, conn_id: str, *, hint: str = "") -> Iterator[None]:
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    try:
        yield
    except AirflowNotFoundException as error:
        raise ChannelConfigurationError(
            f"Option [channel_talk] store: {address} names the connection {conn_id!r}, which does not exist. Create "
            f"it, or correct the option{hint}."
        ) from error


def _warn_where_it_is_not_shared(kind: StoreKind) -> None:
    if kind.scheme in _warned or kind.shared_by == "all":
        return
    _warned.add(kind.scheme)
    if kind.shared_by == "process":
        if os.environ.get("AIRFLOW_CTX_TASK_ID"):
            log.warning(
                "Option [channel_talk] store is %s, so each task sends a token request of its own. The limit is 10 in "
                "30 minutes for all tasks together, and no task sees the requests of the others. %s",
                kind.addresses[0],
                _remedy(""),
            )
    elif executors := remote_executors():
        log.warning(
            "Option [channel_talk] store is %s, and %s runs tasks on other hosts: those that do not share it "
            "spend token requests of their own, of 10 in 30 minutes for all tasks together. %s",
            kind.place,
            executors,
            _remedy(executors),
        )


def _remedy(executors: str) -> str:
    """Return the one line that helps where these executors run the tasks, and where to read on."""
    shared = [kind for kind in STORE_KINDS.values() if kind.shared_by == "all"]
    chosen = (kind for kind in shared if any(word in executors for word in kind.first_choice_of))
    first = next(chosen, None)
    best = first.addresses[-1] if first else shared[0].addresses[0]
    others = " or ".join(kind.addresses[0] for kind in shared if kind is not (first or shared[0]))
    return (
        f"Write into [channel_talk]: store = {best} (or {others}). The page 'Which store' of the documentation has the "
        "line for each kind of deployment."
    )


def remote_executors() -> str:
    """Return the names of the configured executors that run tasks on other hosts; empty if there are none."""
    from airflow.providers.common.compat.sdk import conf

    # Several may be named, each perhaps with a team before it, a path, or a name of its own.
    named = (conf.get("core", "executor", fallback="") or "").replace(";", ",").split(",")
    classes = (name.strip().rpartition(".")[2].rpartition(":")[2].rpartition("=")[2] for name in named)
    return ", ".join(name for name in classes if any(word in name for word in _REMOTE_EXECUTORS))


STORE_KINDS = {
    kind.scheme: kind
    for kind in (
        StoreKind(("file:///DIRECTORY",), "a directory", "host", _file_store, {}),
        StoreKind(
            ("redis://CONN_ID",),
            "Redis or Valkey",
            "all",
            _redis_store,
            {"redis": ("redis", "airflow.providers.redis.hooks.redis")},
        ),
        StoreKind(
            ("sql://CONN_ID",),
            "PostgreSQL, MySQL, MariaDB or SQLite",
            "all",
            _sql_store,
            {"postgres": ("psycopg",), "mysql": ("pymysql",)},
        ),
        StoreKind(
            ("s3://CONN_ID/BUCKET/PREFIX", "s3:///BUCKET/PREFIX"),
            "a bucket of S3",
            "all",
            _s3_store,
            {"s3": ("airflow.providers.amazon.aws.hooks.base_aws",)},
            first_choice_of=("Ecs", "Batch", "Lambda"),
        ),
        StoreKind(("memory://",), "the memory of one process", "process", _memory_store, {}),
    )
}
"""All kinds of stores, by scheme."""
