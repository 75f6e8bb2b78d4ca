"""
A server of the S3 kind in a process of its own: moto's, behind a front that can disturb it.

Invariant: it listens on 127.0.0.1 only, takes one write at a time as S3 does for one key, and keeps its objects over a
crash. What is to be disturbed is told to ``/_control``.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import http.client
import io
import json
import os
import re
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .servers import Server

CODES = {403: "AccessDenied", 409: "ConditionalRequestConflict", 412: "PreconditionFailed", 503: "SlowDown"}
KEYS = {"aws_access_key_id": "a-key", "aws_secret_access_key": "a-secret", "region_name": "us-east-1"}
CONTROL = "/_control"

Environ = dict[str, Any]


class Counted:
    """Strikes the requests that an expression matches, so many times, after so many of them have passed."""

    what: str
    count: int
    passed: int

    def strikes(self, request: str) -> bool:
        if self.count <= 0 or not re.search(self.what, request):
            return False
        if self.passed > 0:
            self.passed -= 1
            return False
        self.count -= 1
        return True


@dataclass
class Fault(Counted):
    """
    What happens to one kind of request.

    :param what: expression that the request matches: ``PUT /bucket/name``.
    :param status: of the answer; 0: the answer is lost, and the connection closed; None: it is answered as ever.
    :param code: of the error.
    :param count: so many times.
    :param passed: so many of them pass before.
    :param after: it has its effect all the same.
    :param delay_seconds: before it is answered.
    :param date_seconds: how far the date of the answer is off.
    :param unconditional: conditions of these headers are ignored.
    """

    what: str
    status: int | None = None
    code: str = ""
    count: int = 10**9
    passed: int = 0
    after: bool = False
    delay_seconds: float = 0.0
    date_seconds: float = 0.0
    unconditional: tuple[str, ...] = ()


class S3Server(Server):
    """The server, as a test sees it."""

    def command(self) -> list[str]:
        tests = Path(__file__).parents[1]
        where = f"sys.path[:0] = {[str(tests.parent), str(tests)]!r}"
        run = f"from support.s3_server import main; main({self.port}, {str(self.directory)!r})"
        return [sys.executable, "-c", f"import sys; {where}; {run}"]

    def answers(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.requests()
            return True
        return False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fail(self, *faults: Fault) -> None:
        """Disturb it in these ways from now on, and in no other."""
        self._control("POST", json.dumps([vars(fault) for fault in faults]).encode())

    def requests(self, *, forget: bool = False) -> list[str]:
        """Return what it was asked for, in order."""
        found: list[str] = json.loads(self._control("DELETE" if forget else "GET"))
        return found

    def _control(self, method: str, content: bytes | None = None) -> bytes:
        request = urllib.request.Request(self.url + CONTROL, content, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: bytes = answer.read()
        return found


class Front:
    """What answers."""

    def __init__(self, directory: Path) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._moto: Any = DomainDispatcherApplication(create_backend_app)
        self._kept = directory / "objects"
        self._kept.mkdir(exist_ok=True)
        self._faults: list[Fault] = []
        self._requests: list[str] = []
        self._lock = threading.RLock()
        for path in sorted(self._kept.glob("[!.]*"), key=lambda path: len(path.name)):
            name = base64.urlsafe_b64decode(path.name).decode()
            self._ask({"REQUEST_METHOD": "PUT", "PATH_INFO": name}, path.read_bytes())

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        if environ["PATH_INFO"] == CONTROL:
            return self._told(environ["REQUEST_METHOD"], content, start)
        with self._lock:
            self._requests.append(request)
            fault = next((fault for fault in self._faults if fault.strikes(request)), None) or Fault("")
        for header in fault.unconditional:
            environ.pop(f"HTTP_{header.upper().replace('-', '_')}", None)
        status, body = "", b""
        headers: list[tuple[str, str]] = []
        if fault.status is None or fault.after:
            with self._lock:  # moto looks at a condition and writes, with nothing between others and it
                status, headers, body = self._ask(environ, content)
                if request.startswith("PUT ") and status.startswith("200"):
                    self._keep(environ["PATH_INFO"], content)
        time.sleep(fault.delay_seconds)
        if fault.status is not None:
            status, headers, body = _failed(fault, environ)
        date = email.utils.formatdate(time.time() + fault.date_seconds, usegmt=True)
        start(status, [*((name, value) for name, value in headers if name.lower() != "date"), ("Date", date)])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _ask(self, environ: Environ, content: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
        from werkzeug.test import EnvironBuilder

        started: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *ignored: Any) -> Any:
            started[:] = [status, headers]
            return lambda data: None

        if "wsgi.url_scheme" not in environ:
            path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
            environ = EnvironBuilder(path, method=method, base_url="http://127.0.0.1").get_environ()
        whole = {**environ, "wsgi.input": io.BytesIO(content), "CONTENT_LENGTH": str(len(content))}
        body = b"".join(self._moto(whole, start))
        return (*started, body)

    def _keep(self, name: str, content: bytes) -> None:
        path = self._kept / base64.urlsafe_b64encode(name.encode()).decode()
        temporary = path.with_name(f".{path.name}.{threading.get_ident()}")
        temporary.write_bytes(content)
        temporary.replace(path)

    def _told(self, method: str, content: bytes, start: Callable[..., Any]) -> list[bytes]:
        with self._lock:
            if method == "POST":
                self._faults = [Fault(**fault) for fault in json.loads(content)]
            found = json.dumps(self._requests).encode()
            if method == "DELETE":
                self._requests.clear()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(found)))])
        return [found]


def _failed(fault: Fault, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
    if not fault.status:
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError
    code = fault.code or CODES.get(fault.status, "InternalError")
    body = f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode()
    return (
        f"{fault.status} {code}",
        [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))],
        body,
    )


def main(port: int, directory: str) -> None:
    """Serve until the end."""
    from werkzeug import serving

    class Quiet(serving.WSGIRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log(self, *arguments: object) -> None:
            pass

        def send_response(self, code: int, message: str | None = None) -> None:
            self.send_response_only(code, message)  # with no date of its own

    serving.LISTEN_QUEUE = 1024
    with contextlib.suppress(PermissionError):
        os.nice(-15)  # one process serves hundreds, as no real store does
    serving.make_server(
        "127.0.0.1", port, Front(Path(directory)), threaded=True, request_handler=Quiet
    ).serve_forever()
