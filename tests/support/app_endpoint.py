"""An app's function endpoint on 127.0.0.1, which checks signatures as the vendor's kits do."""

from __future__ import annotations

import hmac
import json
import threading
from base64 import b64encode
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from typing_extensions import Self


@dataclass(frozen=True)
class Received:
    path: str
    body: bytes
    signature: str


class AppEndpoint:
    """
    Serves an app's functions while the ``with`` block lasts.

    :param signing_key: in hexadecimal.
    """

    def __init__(self, signing_key: str) -> None:
        self.signing_key = bytes.fromhex(signing_key)
        self.received: list[Received] = []
        # What each function returns; of a function that is not there, result.
        self.results: dict[str, Any] = {}
        self.result: Any = None
        # Status and body instead of all that; or an address to which a call is to be taken.
        self.raw_answer: tuple[int, bytes] | None = None
        self.redirect: str | None = None
        self.called = threading.Event()
        # No call is answered before this is set.
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, call: Received) -> tuple[int, bytes]:
        """Status and body of the answer to a call."""
        self.received.append(call)
        self.called.set()
        expected = b64encode(hmac.digest(self.signing_key, call.body, "sha256")).decode()
        if not hmac.compare_digest(expected, call.signature):
            return 401, b'{"error":"invalid signature"}'
        if self.raw_answer is not None:
            return self.raw_answer
        method = json.loads(call.body)["method"]
        return 200, json.dumps({"result": self.results.get(method, self.result)}).encode()

    def _handler(app) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = app.answer(Received(self.path, body, self.headers["x-signature"]))
                app.may_answer.wait(30)
                if app.redirect is not None:
                    status, answer = 307, b""
                    self.send_response(status)
                    self.send_header("Location", app.redirect)
                else:
                    self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
