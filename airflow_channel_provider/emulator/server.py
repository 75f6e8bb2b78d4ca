"""The wire: aiohttp between sockets and the :class:`Emulator`. It decides nothing.

A request is carried out in one go, without giving the loop away: whatever arrives at the same moment comes before or
after it. Only then does it wait, where an answer is to be late.
"""

from __future__ import annotations

import asyncio
import ipaddress
from importlib.resources import files
from typing import TYPE_CHECKING

from aiohttp import web

from airflow_channel_provider.emulator.answers import PendingAnswer
from airflow_channel_provider.emulator.control_plane import ControlPlane
from airflow_channel_provider.emulator.outbox import OutboxSender
from airflow_channel_provider.emulator.service import Emulator

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.answers import Answer, Delivery

# An answer echoes what callers wrote; no browser is to take it for anything but what it says it is.
_NOSNIFF = {"X-Content-Type-Options": "nosniff"}
# Nothing is loaded from elsewhere, and nothing that a caller wrote can run.
_POLICY = "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_INLINE = f"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; {_POLICY}"
_OWN = f"default-src 'none'; script-src 'self'; style-src 'self'; {_POLICY}"
# What a browser is shown: file, type and policy by path.
_PAGES = {
    "/": ("page.html", "text/html", _INLINE),
    "/chat": ("chat.html", "text/html", _OWN),
    "/chat.js": ("chat.js", "text/javascript", _OWN),
    "/chat.css": ("chat.css", "text/css", _OWN),
}
_MOST_BODY_BYTES = 64 * 2**20


class EmulatorServer:
    """
    Listens, and hands each request to an emulator.

    :param emulator: what answers.
    """

    def __init__(self, emulator: Emulator | None = None) -> None:
        self.emulator = emulator or Emulator()
        self._control = ControlPlane(self.emulator)
        folder = files(__package__)
        self._pages = {
            path: folder.joinpath(name).read_text(encoding="utf-8") for path, (name, _, _) in _PAGES.items()
        }
        self._runner: web.ServerRunner | None = None
        self._sender: OutboxSender | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """
        Listen.

        :param host: address.
        :param port: 0 for any free one.
        :return: the address as a URL.
        :raises OSError: the port is taken.
        """
        server = web.Server(self._handle, access_log=None, max_field_size=65_536, max_line_size=65_536)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=1024)
        await site.start()
        address = self._runner.addresses[0]
        name = f"[{address[0]}]" if ":" in address[0] else address[0]
        self.emulator.url = f"http://{name}:{address[1]}"
        self._sender = OutboxSender(self.emulator.outbox, self.emulator.clock.now)
        self._sender.start()
        return self.emulator.url

    async def stop(self) -> None:
        """Stop listening and sending, and drop what is open."""
        if self._sender is not None:
            self._sender.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path in _PAGES or path.startswith("/_emulator"):
            return await self._local(request, path)
        body = await _read(request)
        if body is None:
            return web.Response(status=413, text="body too large", headers=_NOSNIFF)
        delivery = self.emulator.handle(
            request.method, path, request.headers, body, _client(request), request.rel_url.raw_query_string
        )
        if delivery.pending is not None:
            found = await asyncio.to_thread(delivery.pending.find_out)
            delivery = delivery.pending.conclude(found)
        if delivery.delay_seconds:
            await asyncio.sleep(delivery.delay_seconds)
        if delivery.answer is None or delivery.cut:
            return await _break_off(request, delivery)
        return _response(delivery.answer)

    async def _local(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        """The pages and the control plane: only for this machine, and not by way of a name that points at it."""
        if not _is_loopback(request):
            return web.json_response({"error": "only from this machine"}, status=403, headers=_NOSNIFF)
        if path in _PAGES:
            return self._page(path)
        body = await _read(request)
        if body is None:
            return web.json_response({"error": "the body is too large"}, status=413, headers=_NOSNIFF)
        answer = self._control.handle(request.method, path, dict(request.query), body)
        while isinstance(answer, PendingAnswer):
            answer = answer.conclude(await asyncio.to_thread(answer.find_out))
        return _response(answer)

    def _page(self, path: str) -> web.Response:
        _, content_type, policy = _PAGES[path]
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy, **_NOSNIFF}
        return web.Response(text=self._pages[path], content_type=content_type, headers=headers)


def _client(request: web.BaseRequest) -> str | None:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return f"{peer[0]}:{peer[1]}" if peer else None


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body,
        headers={**_NOSNIFF, **answer.headers},
        content_type=answer.content_type,
    )


async def _read(request: web.BaseRequest) -> bytes | None:
    if not request.body_exists:
        return b""
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > _MOST_BODY_BYTES:
            return None
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _break_off(request: web.BaseRequest, delivery: Delivery) -> web.StreamResponse:
    """Drop the connection: at once, or in the middle of an answer that announced its whole length."""
    response = web.StreamResponse(headers=_NOSNIFF)
    transport = request.transport
    if delivery.answer is not None:
        answer = delivery.answer
        response.content_type, response.content_length = answer.content_type, len(answer.body)
        await response.prepare(request)
        await response.write(answer.body[: len(answer.body) // 2])
    if transport is not None:
        transport.close()
    # Never to be written: the connection is gone. aiohttp wants a response all the same.
    return response


def _is_loopback(request: web.BaseRequest) -> bool:
    """Whether peer, Host and, where a browser sends one, Origin are all this machine and this server."""
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.host}":
        return False
    host = request.host
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return _is_local(request.remote or "") and (name == "localhost" or _is_local(name.strip("[]")))


def _is_local(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback
