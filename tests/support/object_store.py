"""
An object store on this machine: moto's server of S3, and the client through which Airflow reaches one.

Invariant: it listens on 127.0.0.1 only, and serves one request after the other. What it refuses, it refuses as S3
does: with the status and the code of its answer, after the effect or before it.
"""

from __future__ import annotations

import io
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any

from typing_extensions import Self

from support.airflow_features import attach
from support.s3_server import Counted

CODES = {403: "AccessDenied", 404: "NoSuchKey", 500: "InternalError", 503: "SlowDown"}
CREDENTIALS = {"key": "a-key", "secret": "a-secret"}

Environ = dict[str, Any]


@dataclass
class Fault(Counted):
    """
    One kind of request that fails.

    :param what: expression that the request matches: ``PUT /bucket/name?uploadId=...``.
    :param status: of the answer; 0: the connection is closed without one.
    :param count: so many times.
    :param passed: so many of them pass before.
    :param after: it has its effect all the same.
    """

    what: str
    status: int = 500
    count: int = 10**9
    passed: int = 0
    after: bool = False


@dataclass
class ObjectStore:
    """
    The server.

    :ivar requests: what it was asked for, in order.
    """

    requests: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def __enter__(self) -> Self:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self._moto = DomainDispatcherApplication(create_backend_app)
        self._one_at_a_time = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_quiet())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.port: int = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @cached_property
    def client(self) -> Any:
        """Airflow's way to the server, which tries once."""
        import s3fs

        client = s3fs.S3FileSystem(
            **CREDENTIALS,
            endpoint_url=self.url,
            # A busy machine may take long to accept.
            config_kwargs={"retries": {"total_max_attempts": 1}, "connect_timeout": 60},
            skip_instance_cache=True,
        )
        client.retries = 1
        return client

    @cached_property
    def keys(self) -> Any:
        """Another way to it, which remembers nothing."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=CREDENTIALS["key"],
            aws_secret_access_key=CREDENTIALS["secret"],
            region_name="us-east-1",
        )

    def fail(self, what: str, status: int = 500, **kwargs: Any) -> Fault:
        """Make requests of one kind fail from now on."""
        self.faults.append(Fault(what, status, **kwargs))
        return self.faults[-1]

    def forbid(self, *kinds: str) -> None:
        """Take permissions away: ``delete``, ``list``, ``get``, ``put``."""
        forbidden = {
            "delete": r"^DELETE |\?delete",
            "list": r"^GET /[^/?]+/?\?.*list-type|^HEAD /[^/?]+/?$",
            "get": r"^(GET|HEAD) /[^/?]+/[^?]",
            "put": r"^PUT /[^/?]+/.|^POST /[^/?]+/.",
        }
        for kind in kinds:
            self.fail(forbidden[kind], 403)

    def heal(self) -> None:
        """Fail no more."""
        self.faults.clear()

    def reset(self) -> None:
        """Remove all buckets and what is in them, and fail no more."""
        self.heal()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")):
            self.requests.clear()

    def _answer(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}{'?' if query else ''}{query}"
        self.requests.append(request)
        fault = next((fault for fault in self.faults if fault.strikes(request)), None)
        if fault is not None:
            return self._fail(fault, environ, start)
        # moto answers 500 for an object that goes while it is served; S3 has it or has it not.
        with self._one_at_a_time:
            return list(self._moto(environ, start))

    def _fail(self, fault: Fault, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if fault.after:
            environ = {**environ, "wsgi.input": io.BytesIO(content)}
            with self._one_at_a_time:
                list(self._moto(environ, lambda *ignored: None))
        if not fault.status:
            raise ConnectionAbortedError  # the server closes the connection
        code = CODES.get(fault.status, "InternalError")
        body = f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode()
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
        start(f"{fault.status} {code}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _quiet() -> type:
    from werkzeug.serving import WSGIRequestHandler

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *arguments: object) -> None:
            pass

    return Quiet


class Bucket:
    """
    A bucket of its own for one test, which Airflow reaches as ``s3://CONN_ID@name/``.

    :param store: the server.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.fs = store.client
        self.fs.mkdir(self.name)
        # Airflow never forgets the client of a connection, and each server has a client of its own.
        self.conn_id = f"lake_{store.port}"
        attach("s3", conn_id=self.conn_id, fs=self.fs)

    def url(self, name: str) -> str:
        return f"s3://{self.conn_id}@{self.name}/{name}"

    def path(self, name: str) -> Any:
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        return ObjectStoragePath(self.url(name))

    def put(self, name: str, content: bytes) -> str:
        self.store.keys.put_object(Bucket=self.name, Key=name, Body=content)
        return self.url(name)

    def get(self, name: str) -> bytes:
        content: bytes = self.store.keys.get_object(Bucket=self.name, Key=name)["Body"].read()
        return content

    def names(self) -> list[str]:
        """What is there, whatever the client believes."""
        found = self.store.keys.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [entry["Key"] for entry in found]

    def uploads(self) -> list[str]:
        """What was begun in parts and neither finished nor given up."""
        found = self.store.keys.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return [entry["Key"] for entry in found]


@contextmanager
def serving() -> Iterator[ObjectStore]:
    """Start one."""
    with ObjectStore() as store:
        yield store
