"""The stores as the conformance tests use them: how a process opens a store, and how its content can be damaged."""

from __future__ import annotations

import json
import os
import signal
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import redis
import sqlalchemy as sa

from airflow_channel_provider.exceptions import ChannelNotSentError
from airflow_channel_provider.hooks._stores import STORE_KINDS
from airflow_channel_provider.tokens.budget import Quota
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.stores import file as file_module
from airflow_channel_provider.tokens.stores import sql_tables
from airflow_channel_provider.tokens.stores.base import TokenStore
from airflow_channel_provider.tokens.stores.file import FileStore
from airflow_channel_provider.tokens.stores.memory import MemoryStore
from airflow_channel_provider.tokens.stores.redis import RedisStore
from airflow_channel_provider.tokens.stores.s3 import S3Store
from airflow_channel_provider.tokens.stores.s3_bucket import CLIENT_OPTIONS
from airflow_channel_provider.tokens.stores.s3_bucket import Bucket as StoreBucket
from airflow_channel_provider.tokens.stores.sql import SqlStore
from airflow_channel_provider.tokens.stores.sql_session import SqlTarget

from . import fleet
from .s3_server import KEYS, S3Server
from .servers import MysqlServer, PostgresServer, RedisServer, Server, Servers

if TYPE_CHECKING:
    from typing_extensions import Self


def last_moment() -> None:
    """What a process does before it dies; a test may replace it."""


def die(*args: object, **options: object) -> Any:
    last_moment()
    os.kill(os.getpid(), signal.SIGKILL)


class Backend:
    """
    One kind of store, or one of the servers that it works with.

    :cvar scheme: of the kind of store.
    :cvar served: a server keeps it, and the server's clock counts.
    :cvar killable: that server may be killed, and keeps what it was told.
    :cvar spared: no crowds of processes try it, since they try another one that runs the same code.
    :cvar sees_death: another process takes over from a dead one at once; otherwise its lease has to end first.
    :cvar clock_step_seconds: resolution of its clock.
    """

    scheme: ClassVar[str]
    served: ClassVar[bool] = False
    killable: ClassVar[bool] = False
    spared: ClassVar[bool] = False
    sees_death: ClassVar[bool] = False
    clock_step_seconds: ClassVar[float] = 0.01

    @classmethod
    def make(cls, servers: Servers, tmp_path: Path) -> Self:
        """
        Make it, empty.

        :param servers: starts the one that it needs.
        """
        raise NotImplementedError

    @classmethod
    def is_shared(cls) -> bool:
        """Return whether processes share it, and not only threads."""
        return STORE_KINDS[cls.scheme].shared_by != "process"

    def __init__(self) -> None:
        self._opened: list[TokenStore] = []

    def store(self) -> TokenStore:
        """Open the store as a new process does."""
        self._opened.append(self.open())
        return self._opened[-1]

    def open(self) -> TokenStore:
        raise NotImplementedError

    def rest(self) -> None:
        """Release what this process holds."""
        for store in self._opened:
            store.rest()

    def manager(self, url: str, *, secret: str = fleet.SECRET, quota: Quota | None = None) -> TokenManager:
        return fleet.manager(url, self.store(), secret=secret, quota=quota)

    def empty(self) -> None:
        """Remove all that the store holds."""
        raise NotImplementedError

    def set_aside(self, document: str) -> bytes | None:
        """Read the content that was set aside because it could not be a document."""
        return self.store().read_blob(document, "unreadable")

    def option(self, conn_id: str) -> tuple[str, dict[str, Any]]:
        """
        Return the value of the option ``store``, and the connection that it names.

        :param conn_id: for that connection.
        :return: the connection in the form of Airflow's REST API; empty if none is needed.
        """
        raise NotImplementedError

    def overwrite(self, document: str, content: str) -> None:
        """Replace the stored document by other content."""
        raise NotImplementedError

    def lose(self, document: str) -> None:
        """Remove a document and each trace of it but its tokens."""
        raise NotImplementedError

    def die_half_written(self, task: TokenManager) -> None:
        """Kill a task while it stores its token."""
        raise NotImplementedError

    def lose_next_answer(self) -> None:
        """Let the server do what the next write says, and the connection break before it says so."""
        raise NotImplementedError


class MemoryBackend(Backend):
    scheme = "memory"

    @classmethod
    def make(cls, servers: Servers, tmp_path: Path) -> Self:
        return cls()

    def __init__(self) -> None:
        super().__init__()
        self._store = MemoryStore()

    def open(self) -> TokenStore:
        return self._store

    def overwrite(self, document: str, content: str) -> None:
        self._store._documents[document] = content


class FileBackend(Backend):
    scheme = "file"
    sees_death = True

    @classmethod
    def make(cls, servers: Servers, tmp_path: Path) -> Self:
        return cls(tmp_path / "tokens")

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory

    def open(self) -> TokenStore:
        return FileStore(self.directory)

    def empty(self) -> None:
        for path in self.directory.glob("*"):
            path.unlink()

    def set_aside(self, document: str) -> bytes | None:
        found = self.directory.glob(f"{document}.json.*.unreadable")
        return next((path.read_bytes() for path in found), None)

    def option(self, conn_id: str) -> tuple[str, dict[str, Any]]:
        return self.directory.as_uri(), {}

    def overwrite(self, document: str, content: str) -> None:
        (self.directory / f"{document}.json").write_text(content)

    def lose(self, document: str) -> None:
        (self.directory / f"{document}.json").unlink()

    def die_half_written(self, task: TokenManager) -> None:
        def half(path: Path, content: bytes) -> None:
            path.with_name(f"{path.name}.half.tmp").write_bytes(content[: len(content) // 2])
            die()

        def write(token: Any) -> None:
            file_module.FileStore._replace = staticmethod(half)  # type: ignore[method-assign, assignment]
            real_write(token)

        real_write = task.repository.write_token
        task.repository.write_token = write  # type: ignore[method-assign]


class RedisBackend(Backend):
    """
    :param window_seconds: 0: a server that has just started has forgotten nothing.
    """

    scheme = "redis"
    served = killable = True

    @classmethod
    def make(cls, servers: Servers, tmp_path: Path) -> Self:
        made = cls(servers.of(RedisServer))
        made.empty()
        return made

    def __init__(self, server: RedisServer, *, window_seconds: float = 0.0) -> None:
        super().__init__()
        self.server = server
        self._window_seconds = window_seconds

    def client(self) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=self.server.port)

    def open(self) -> TokenStore:
        return RedisStore(self.client, address="redis://tests", window_seconds=self._window_seconds)

    def empty(self) -> None:
        self.client().flushall()

    def set_aside(self, document: str) -> bytes | None:
        content: Any = self.client().get(f"channel_talk:{{{document}}}:unreadable")
        return None if content is None else bytes(content)

    def option(self, conn_id: str) -> tuple[str, dict[str, Any]]:
        fields = {"conn_type": "redis", "host": "127.0.0.1", "port": self.server.port}
        return f"redis://{conn_id}", fields

    def overwrite(self, document: str, content: str) -> None:
        self.client().set(f"channel_talk:{{{document}}}:document", content)

    def lose(self, document: str) -> None:
        self.client().delete(f"channel_talk:{{{document}}}:document")

    def die_half_written(self, task: TokenManager) -> None:
        def write(token: Any) -> None:
            redis.client.Pipeline.execute = die  # type: ignore[method-assign]
            real_write(token)

        real_write = task.repository.write_token
        task.repository.write_token = write  # type: ignore[method-assign]

    def lose_next_answer(self) -> None:
        pipeline = redis.client.Pipeline
        execute = pipeline.execute

        def execute_and_break(pipe: Any, *args: Any, **options: Any) -> Any:
            pipeline.execute = execute  # type: ignore[method-assign]
            execute(pipe, *args, **options)
            raise redis.WatchError("A ConnectionError occurred while watching one or more keys")

        pipeline.execute = execute_and_break  # type: ignore[method-assign, assignment]


class SqlBackend(Backend):
    """A database, for one of the classes below."""

    scheme = "sql"
    server_kind: ClassVar[type[PostgresServer | MysqlServer]]

    @classmethod
    def make(cls, servers: Servers, tmp_path: Path) -> Self:
        server = servers.of(cls.server_kind)
        made = cls(server.url, server)
        made.clear()
        return made

    def __init__(self, url: str, server: Server | None = None) -> None:
        super().__init__()
        self.url = url
        self.server = server

    def open(self) -> TokenStore:
        return SqlStore(lambda: SqlTarget(self.url), address="sql://tests")

    def empty(self) -> None:
        self.store().documents()  # makes the tables
        for table in ("channel_talk_document", "channel_talk_token"):
            self.execute(f"delete from {table}")

    def option(self, conn_id: str) -> tuple[str, dict[str, Any]]:
        parts = sa.engine.make_url(self.url)
        kind = parts.get_backend_name()
        if kind == "sqlite":
            return f"sql://{conn_id}", {"conn_type": "sqlite", "host": parts.database}
        fields = {
            "conn_type": {"postgresql": "postgres"}.get(kind, kind),
            "host": parts.host,
            "port": parts.port,
            "login": parts.username,
            "password": parts.password,
            "schema": parts.database,
        }
        return f"sql://{conn_id}", {name: value for name, value in fields.items() if value is not None}

    def execute(self, statement: str, **values: object) -> Any:
        engine = sa.create_engine(self.url, poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            result = connection.execute(sa.text(statement), values)
            return result.fetchall() if result.returns_rows else None

    def clear(self) -> None:
        for table in sql_tables.METADATA.tables:
            self.execute(f"drop table if exists {table}")

    def overwrite(self, document: str, content: str) -> None:
        self.execute(
            "update channel_talk_document set body = :content where name = :name",
            content=content,
            name=document,
        )

    def lose(self, document: str) -> None:
        self.execute("delete from channel_talk_document where name = :name", name=document)

    def die_half_written(self, task: TokenManager) -> None:
        def write(token: Any) -> None:
            sql_tables.Statements._inserted = die  # type: ignore[method-assign]
            real_write(token)

        real_write = task.repository.write_token
        task.repository.write_token = write  # type: ignore[method-assign]

    def lose_next_answer(self) -> None:
        statements = sql_tables.Statements
        write = statements.write_document

        def write_and_break(self: Any, *args: Any) -> bool:
            statements.write_document = write  # type: ignore[method-assign]
            write(self, *args)
            raise sa.exc.OperationalError(
                "update", {}, Exception("server closed the connection"), connection_invalidated=True
            )

        statements.write_document = write_and_break  # type: ignore[method-assign, assignment]


class PostgresBackend(SqlBackend):
    server_kind = PostgresServer
    served = killable = True


class MysqlBackend(SqlBackend):
    server_kind = MysqlServer
    served = spared = True


class SqliteBackend(SqlBackend):
    @classmethod
    def make(cls, servers: Servers, tmp_path: Path) -> Self:
        return cls(f"sqlite:///{tmp_path}/tokens.db")


class S3Backend(Backend):
    """A bucket of its own on a server of the S3 kind."""

    scheme = "s3"
    served = killable = True
    clock_step_seconds = 1.01

    @classmethod
    def make(cls, servers: Servers, tmp_path: Path) -> Self:
        made = cls(servers.of(S3Server))
        made.server.fail()
        return made

    def __init__(self, server: S3Server) -> None:
        super().__init__()
        self.server = server
        self.bucket = f"tokens-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=self.bucket)

    def client(self) -> Any:
        import boto3
        from botocore.config import Config

        # The session of the process that forks is used, which has read the descriptions of the service.
        return boto3.client("s3", endpoint_url=self.server.url, config=Config(**CLIENT_OPTIONS), **KEYS)

    def open(self) -> S3Store:
        return S3Store(self.client, self.bucket, "some/prefix", address="s3://tests/bucket/some/prefix")

    def empty(self) -> None:
        for entry in self.client().list_objects_v2(Bucket=self.bucket).get("Contents", ()):
            self.client().delete_object(Bucket=self.bucket, Key=entry["Key"])

    def set_aside(self, document: str) -> bytes | None:
        for entry in self.client().list_objects_v2(Bucket=self.bucket).get("Contents", ()):
            if entry["Key"].endswith(f"{document}.unreadable"):
                content: bytes = self.client().get_object(Bucket=self.bucket, Key=entry["Key"])["Body"].read()
                return content
        return None

    def option(self, conn_id: str) -> tuple[str, dict[str, Any]]:
        fields = {
            "conn_type": "aws",
            "login": KEYS["aws_access_key_id"],
            "password": KEYS["aws_secret_access_key"],
            "extra": json.dumps({"endpoint_url": self.server.url, "region_name": KEYS["region_name"]}),
        }
        return f"s3://{conn_id}/{self.bucket}/some/prefix", fields

    def lines(self, document: str) -> list[bytes]:
        """Read the lines of an object."""
        answer = self.client().get_object(Bucket=self.bucket, Key=f"some/prefix/{document}.json")
        content: bytes = answer["Body"].read()
        return content.split(b"\n")

    def put(self, document: str, *lines: bytes) -> None:
        key = f"some/prefix/{document}.json"
        self.client().put_object(Bucket=self.bucket, Key=key, Body=b"\n".join(lines))

    def overwrite(self, document: str, content: str) -> None:
        self.put(document, content.encode(), self.lines(document)[-1])

    def lose(self, document: str) -> None:
        tokens = self.lines(document)[-1]
        if json.loads(tokens)["tokens"]:
            self.put(document, b"", tokens)
        else:
            self.client().delete_object(Bucket=self.bucket, Key=f"some/prefix/{document}.json")

    def die_half_written(self, task: TokenManager) -> None:
        def write(token: Any) -> None:
            StoreBucket.put = die  # type: ignore[method-assign]
            real_write(token)

        real_write = task.repository.write_token
        task.repository.write_token = write  # type: ignore[method-assign]

    def lose_next_answer(self) -> None:
        put = StoreBucket.put

        def put_and_break(bucket: Any, *args: Any, **condition: Any) -> bool:
            StoreBucket.put = put  # type: ignore[method-assign]
            put(bucket, *args, **condition)
            raise ChannelNotSentError("the answer was lost")

        StoreBucket.put = put_and_break  # type: ignore[method-assign, assignment]


BACKENDS: dict[str, type[Backend]] = {
    "memory": MemoryBackend,
    "file": FileBackend,
    "redis": RedisBackend,
    "postgres": PostgresBackend,
    "mysql": MysqlBackend,
    "sqlite": SqliteBackend,
    "s3": S3Backend,
}
"""Each store with each of its servers; tests of what all of them promise run over a new one that is added here."""
