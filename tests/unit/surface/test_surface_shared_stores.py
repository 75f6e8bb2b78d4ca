from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelNotSentError
from airflow_channel_provider.hooks import _stores
from airflow_channel_provider.hooks._databases import target_of
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.tokens import stores
from airflow_channel_provider.tokens.stores.redis import RedisStore

if TYPE_CHECKING:
    from support.fresh_process import FreshProcess

LOGGER = _stores.log.name
KINDS = tuple(_stores.STORE_KINDS.values())
ADDRESSES = [address for kind in KINDS for address in kind.addresses]


@pytest.fixture(autouse=True)
def _new_process() -> Iterator[None]:
    """Nothing opened, nothing warned of."""
    opened, _stores._opened = _stores._opened, {}
    _stores._warned.clear()
    yield
    _stores._opened = opened


@pytest.mark.parametrize("address", ADDRESSES)
def test_store_is_opened_once_and_nothing_is_looked_up_before_it_is_used(address: str) -> None:
    store = _stores.open_store(address)
    assert type(store).__module__ == f"{stores.__name__}.{address.partition(':')[0]}"
    assert store is _stores.open_store(address)
    assert store.address == address


@pytest.mark.parametrize("scheme", ["redis", "sql"])
@pytest.mark.parametrize("rest", ["", "user:hunter2@host:6379/0", "host:6379", "conn/0", "conn?x=1"])
def test_address_of_a_server_in_place_of_a_connection_is_refused_and_not_repeated(
    scheme: str, rest: str
) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"Option \[channel_talk\] store") as caught:
        _stores.open_store(f"{scheme}://{rest}")
    assert f"{scheme}://my_connection" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_unknown_store_is_refused_without_repeating_a_password() -> None:
    with pytest.raises(
        ChannelConfigurationError, match=r"Option \[channel_talk\] store: postgresql:// is no"
    ) as caught:
        _stores.open_store("postgresql://user:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("address", ["s3://", "s3:///", "s3://bucket", "s3://bucket/", "s3://conn//prefix"])
def test_address_of_a_bucket_without_its_parts_is_refused_with_what_to_write(address: str) -> None:
    with pytest.raises(
        ChannelConfigurationError, match=r"Option \[channel_talk\] store: .*s3:///\w+ \(three"
    ) as caught:
        _stores.open_store(address)
    if "bucket" in address:
        assert "s3:///bucket (three slashes)" in str(caught.value)


@pytest.mark.parametrize("address", ["s3://key:hunter2@bucket/prefix", "s3:///bucket?secret=hunter2"])
def test_keys_in_the_address_of_a_bucket_are_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"write s3://CONN_ID/bucket/prefix") as caught:
        _stores.open_store(address)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("s3://lake/bucket", ("lake", "bucket", "")),
        ("s3://lake/bucket/a/b/", ("lake", "bucket", "a/b")),
        ("s3:///bucket/a", ("", "bucket", "a")),
    ],
)
def test_parts_of_the_address_of_a_bucket(address: str, parts: tuple[str, str, str]) -> None:
    assert _stores._bucket_of(address) == parts


def test_line_for_executors_of_aws_is_a_bucket(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "AwsEcsExecutor")
    _stores.open_store(f"file://{tmp_path}")
    assert "store = s3:///BUCKET/PREFIX (or redis://CONN_ID or sql://CONN_ID)" in caplog.text


@pytest.mark.parametrize(
    "address", [address.replace("CONN_ID", "not_there") for address in ADDRESSES if "CONN_ID" in address]
)
def test_connection_that_is_missing_is_named_with_the_option(address: str) -> None:
    with pytest.raises(
        ChannelConfigurationError, match=r"Option \[channel_talk\] store: .*'not_there'.*not exist"
    ):
        _stores.open_store(address).load("doc")


def test_provider_that_is_missing_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, set_connection: Callable[..., None]
) -> None:
    set_connection("my_redis", conn_type="redis", host="127.0.0.1", port=9)
    monkeypatch.setitem(sys.modules, "airflow.providers.redis.hooks.redis", None)
    with pytest.raises(ChannelConfigurationError, match=r"pip install 'airflow-channel-provider\[redis\]'"):
        _stores.open_store("redis://my_redis").load("doc")


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        (
            {"conn_type": "http", "host": "127.0.0.1", "port": 9},
            "has the type 'http'; use one of the type redis",
        ),
        ({"conn_type": "redis"}, "has no host; enter the host of Redis"),
    ],
)
def test_a_connection_that_leads_to_no_redis_is_told(
    set_connection: Callable[..., None], fields: dict[str, Any], fault: str
) -> None:
    set_connection("my_redis", **fields, password="hunter2")
    with pytest.raises(ChannelConfigurationError) as caught:
        _stores.open_store("redis://my_redis").load("doc")
    assert str(caught.value) == (
        f"Option [channel_talk] store: the connection 'my_redis' behind redis://my_redis {fault}."
    )


def test_a_redis_without_a_port_has_the_usual_one(
    set_connection: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection("my_redis", conn_type="redis", host="127.0.0.1", extra={"db": 3})
    monkeypatch.setattr(_stores, "_REDIS_PORT", 9)  # where nobody listens
    with pytest.raises(ChannelNotSentError, match=r"redis://my_redis .*127\.0\.0\.1:9"):
        _stores.open_store("redis://my_redis").load("doc")


def test_server_that_is_down_is_worth_another_try(set_connection: Callable[..., None]) -> None:
    set_connection("my_db", conn_type="postgres", host="127.0.0.1", port=9, login="me", password="hunter2")
    with pytest.raises(ChannelNotSentError, match="sql://my_db") as caught:
        _stores.open_store("sql://my_db").load("doc")
    assert "hunter2" not in str(caught.value)


def test_hook_takes_the_store_that_the_option_names(
    channel_talk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", "redis://my_redis")
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__TOKEN_QUOTA_WINDOW_SECONDS", "60")
    store = ChannelTalkHook().manager.repository.store
    assert isinstance(store, RedisStore)
    assert store._window_seconds == 60.0


IMPORTED = """
import json, sys
from airflow_channel_provider.hooks import _stores
before = set(sys.modules)
for kind in _stores.STORE_KINDS.values():
    for address in kind.addresses:
        _stores.open_store(address)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_client_libraries_are_imported_when_a_store_is_used_and_not_before(
    fresh_process: FreshProcess,
) -> None:
    imported = set(json.loads(fresh_process.run(IMPORTED)))
    clients = {module for kind in KINDS for modules in kind.extras.values() for module in modules}
    assert clients >= {"redis", "psycopg"}
    assert imported & {*clients, "sqlalchemy.dialects.postgresql", "botocore"} == set()


# ------------------------------------------------------------------------------------------------ databases


class Conn:
    """The fields of a connection."""

    def __init__(self, conn_type: str, extra: dict[str, Any] | None = None, **fields: Any) -> None:
        self.conn_id, self.conn_type = "my_db", conn_type
        self.extra_dejson = extra or {}
        for name in ("host", "schema", "login", "password", "port"):
            setattr(self, name, fields.get(name))


def url_of(conn: Conn) -> str:
    url = target_of(conn, "sql://my_db").url  # type: ignore[arg-type]
    assert not isinstance(url, str)
    return url.render_as_string(hide_password=False)


@pytest.mark.parametrize(
    ("conn", "url"),
    [
        (
            Conn("postgres", host="db", port=5433, login="me", password="p@ss/w:rd", schema="tokens"),
            "postgresql+psycopg://me:p%40ss%2Fw%3Ard@db:5433/tokens",
        ),
        (
            Conn("postgres", {"sslmode": "verify-full", "sslrootcert": "/ca.pem", "cursor": "x"}, host="db"),
            "postgresql+psycopg://db?sslmode=verify-full&sslrootcert=%2Fca.pem",
        ),
        (
            Conn("postgres", {"sqlalchemy_query": {"sslmode": "require"}}, host="db"),
            "postgresql+psycopg://db?sslmode=require",
        ),
        (
            Conn("postgres", {"sqlalchemy_scheme": "postgresql+psycopg2"}, host="db"),
            "postgresql+psycopg2://db",
        ),
        (
            Conn("mysql", {"ssl_ca": "/ca.pem"}, host="db", schema="x"),
            "mysql+pymysql://db/x?ssl_ca=%2Fca.pem",
        ),
        (Conn("sqlite", host="/data/tokens.db"), "sqlite:////data/tokens.db"),
        (Conn("sqlite", host="", schema="/data/tokens.db"), "sqlite:////data/tokens.db"),
    ],
)
def test_address_of_a_database(monkeypatch: pytest.MonkeyPatch, conn: Conn, url: str) -> None:
    monkeypatch.setattr(
        "airflow_channel_provider.hooks._databases.find_spec",
        lambda module: module if module in ("psycopg", "psycopg2", "pymysql") else None,
    )
    monkeypatch.setattr("airflow_channel_provider.hooks._databases._sqlalchemy_is_old", lambda: False)
    assert url_of(conn) == url


@pytest.mark.parametrize(
    ("conn", "reason"),
    [
        (Conn("http", host="db"), "type 'http'"),
        (Conn("sqlite", host="relative.db"), "no absolute path"),
        (Conn("sqlite"), "no absolute path"),
        (Conn("postgres", {"sqlalchemy_query": "sslmode=require"}), "sqlalchemy_query"),
    ],
)
def test_connection_that_is_no_database_is_refused(conn: Conn, reason: str) -> None:
    with pytest.raises(
        ChannelConfigurationError, match=rf"Option \[channel_talk\] store: .*'my_db'.*sql://my_db.*{reason}"
    ):
        target_of(conn, "sql://my_db")  # type: ignore[arg-type]


def test_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_channel_provider.hooks._databases.find_spec", lambda module: None)
    monkeypatch.setattr("airflow_channel_provider.hooks._databases._sqlalchemy_is_old", lambda: False)
    with pytest.raises(ChannelConfigurationError, match=r"pip install 'psycopg\[binary\]'"):
        target_of(Conn("postgres", host="db"), "sql://my_db")  # type: ignore[arg-type]


def test_sqlalchemy_of_an_older_airflow_needs_the_older_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"psycopg"}
    monkeypatch.setattr(
        "airflow_channel_provider.hooks._databases.find_spec",
        lambda name: name if name in installed else None,
    )
    monkeypatch.setattr("airflow_channel_provider.hooks._databases._sqlalchemy_is_old", lambda: True)
    with pytest.raises(ChannelConfigurationError, match="pip install 'psycopg2-binary'"):
        target_of(Conn("postgres", host="db"), "sql://my_db")  # type: ignore[arg-type]
    installed.add("psycopg2")
    assert url_of(Conn("postgres", host="db")) == "postgresql+psycopg2://db"


def test_target_does_not_show_its_password() -> None:
    target = target_of(Conn("postgres", host="db", password="hunter2"), "sql://my_db")  # type: ignore[arg-type]
    assert "hunter2" not in repr(target)


# ------------------------------------------------------------------------------------------------ warnings


@pytest.mark.parametrize(
    "executor",
    [
        "CeleryExecutor",
        "KubernetesExecutor",
        "airflow.providers.edge3.executors.EdgeExecutor",
        "LocalExecutor,CeleryExecutor",
        "LocalExecutor,pods:airflow.providers.cncf.kubernetes.executors.kubernetes_executor.KubernetesExecutor",
        "LocalExecutor;team1=CeleryExecutor",
    ],
)
def test_directory_is_reported_once_where_tasks_run_on_other_hosts(
    executor: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    with caplog.at_level(logging.WARNING, LOGGER):
        for _ in range(3):
            _stores.open_store(f"file://{tmp_path}")
    (record,) = caplog.records
    assert "Option [channel_talk] store" in record.getMessage()
    assert "redis://CONN_ID" in record.getMessage()
    assert "Which store" in record.getMessage()


def test_directory_is_fine_where_all_tasks_run_on_one_host(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    _stores.open_store(f"file://{tmp_path}")
    assert caplog.records == []


def test_shared_store_is_never_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    for kind in KINDS:
        if kind.shared_by == "all":
            _stores.open_store(kind.addresses[0])
    assert caplog.records == []


@pytest.mark.parametrize(("in_task", "warnings"), [(True, 1), (False, 0)])
def test_memory_is_reported_in_a_task(
    in_task: bool, warnings: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    monkeypatch.delenv(
        "AIRFLOW_CTX_TASK_ID", raising=False
    )  # Airflow leaves it behind where a test ran a task
    if in_task:
        monkeypatch.setenv("AIRFLOW_CTX_TASK_ID", "send")
    with caplog.at_level(logging.WARNING, LOGGER):
        for _ in range(2):
            _stores.open_store("memory://")
    assert [record.levelname for record in caplog.records] == ["WARNING"] * warnings


def test_connection_fields_as_airflow_gives_them_are_understood(set_connection: Callable[..., None]) -> None:
    from airflow.providers.common.compat.sdk import BaseHook

    set_connection(
        "my_db", conn_type="postgres", host="db", schema="x", extra=json.dumps({"sslmode": "require"})
    )
    url = target_of(BaseHook.get_connection("my_db"), "sql://my_db").url
    assert str(url).endswith("://db/x?sslmode=require")
