"""An emulator for as long as a test: in a process of its own or in a thread of this one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.control import EmulatorControl
from airflow_channel_provider.emulator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

    from airflow_channel_provider.emulator.jsontypes import JSON
    from airflow_channel_provider.emulator.server import EmulatorServer

_START_SECONDS = 20.0
_PACKAGES = Path(__file__).resolve().parents[2]


class _Running(EmulatorControl):
    """
    Starts with the ``with`` block and ends with it.

    :param settings: see the package; defaults where left out.
    :param host: address to listen on.
    :param port: 0 for any free one.
    """

    def __init__(
        self, settings: Mapping[str, JSON] | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        super().__init__("")
        self._settings = dict(settings or {})
        # Wrong settings are an error here, not by a process that does not start.
        Settings.from_mapping(self._settings)
        self._host, self._port = host, port

    @property
    def url(self) -> str:
        """
        The emulator's address.

        :raises RuntimeError: it does not run.
        """
        if not self._url:
            raise RuntimeError("the emulator does not run: use it in a with block, or call start()")
        return self._url

    def start(self) -> Self:
        """
        Start it and wait until it listens.

        :raises RuntimeError: it did not start.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Stop it; a second time does nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class EmulatorProcess(_Running):
    """
    An emulator in a process of its own, which ends when this one does, however that ends.

    The child holds the far end of a pipe and watches who its parent is: neither survives a kill of the parent.
    """

    _process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the child."""
        if self._process is None:
            raise RuntimeError("the emulator does not run")
        return self._process.pid

    def start(self) -> Self:
        """
        Start the process and wait until it listens.

        :raises RuntimeError: it did not start.
        """
        if self._process is not None:
            raise RuntimeError("the emulator runs already")
        command = [sys.executable, "-m", "airflow_channel_provider.emulator"]
        command += ["--host", self._host, "--port", str(self._port), "--parent", str(os.getpid())]
        path = os.pathsep.join(filter(None, [str(_PACKAGES), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
        )
        try:
            self._url = self._shake_hands(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def _shake_hands(self, process: subprocess.Popen[bytes]) -> str:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("no pipes to the emulator")
        process.stdin.write(json.dumps(self._settings).encode() + b"\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
        line = process.stdout.readline().decode() if ready else ""
        if "http://" not in line:
            raise RuntimeError("the emulator did not start; its error output says why")
        return line[line.index("http://") :].split()[0]

    def stop(self) -> None:
        """End the process; a second time does nothing."""
        process, self._process, self._url = self._process, None, ""
        if process is None:
            return
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


class EmulatorThread(_Running):
    """An emulator in a thread of this process."""

    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _end: asyncio.Event | None = None
    _failure: BaseException | None = None

    def start(self) -> Self:
        """
        Start the thread and wait until it listens.

        :raises RuntimeError: it did not start.
        """
        if self._thread is not None:
            raise RuntimeError("the emulator runs already")
        # Only the server needs aiohttp: whoever runs it in another process must be able to import this module.
        from airflow_channel_provider.emulator.server import EmulatorServer
        from airflow_channel_provider.emulator.service import Emulator

        server = EmulatorServer(Emulator(Settings.from_mapping(self._settings)))
        ready = threading.Event()
        self._failure = None
        self._thread = threading.Thread(
            target=self._run, args=(server, ready), name="channel-talk-emulator", daemon=True
        )
        self._thread.start()
        if not ready.wait(_START_SECONDS) or self._failure is not None:
            failure = self._failure
            self.stop()
            raise RuntimeError(f"the emulator did not start: {failure}") from failure
        return self

    def _run(self, server: EmulatorServer, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(server, ready))
        except BaseException as error:
            self._failure = error
            ready.set()

    async def _serve(self, server: EmulatorServer, ready: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        try:
            self._url = await server.start(self._host, self._port)
            ready.set()
            await self._end.wait()
        finally:
            await server.stop()

    def stop(self) -> None:
        """End the thread; a second time does nothing."""
        thread, self._thread, self._url = self._thread, None, ""
        if thread is None:
            return
        if self._loop is not None and self._end is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._end.set)
        thread.join(5)
        self._loop = self._end = None
