"""Many processes at once, as Airflow makes them: forked, released together, each with only the shared store."""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_channel_provider.api.client import ChannelTalkClient
from airflow_channel_provider.api.transport import Transport
from airflow_channel_provider.hooks._tokens import ClientExchange
from airflow_channel_provider.tokens.budget import Quota
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.stores.base import TokenStore
from airflow_channel_provider.tokens.stores.file import FileStore

PR_SET_PDEATHSIG = 1
CROWD = int(os.environ.get("CROWD", "25"))
"""Number of processes of a crowd, a multiple of 25; ``make fuzz`` has larger ones."""
APP_ID, SECRET = "demo-app", "ZW11bGF0b3ItZGVtby1zZQ=="


def manager(url: str, store: TokenStore, *, secret: str = SECRET, quota: Quota | None = None) -> TokenManager:
    """The token manager of a task process: with a client of its own, over the shared store."""
    client = ChannelTalkClient(Transport(url))
    return TokenManager(
        base_url=url,
        app_id=APP_ID,
        secret=secret,
        store=store,
        exchange=ClientExchange(client, secret),
        quota=quota,
    )


def file_manager(
    url: str, directory: Path, *, secret: str = SECRET, quota: Quota | None = None
) -> TokenManager:
    return manager(url, FileStore(directory), secret=secret, quota=quota)


@dataclass
class Child:
    """A forked process and its result."""

    pid: int
    reader: int
    status: int | None = None
    result: Any = None

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def join(self) -> Any:
        """
        Wait for its end.

        :return: what its work returned; the exception that it raised; None if it was killed.
        """
        with os.fdopen(self.reader, "rb") as pipe:
            content = pipe.read()
        self.status = os.waitpid(self.pid, 0)[1]
        self.result = pickle.loads(content) if content else None
        return self.result


def fork(work: Callable[[], Any], *, gate: int | None = None) -> Child:
    """
    Run work in a forked process.

    :param gate: read end of a pipe; the work begins when its other end is closed.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(writer)
        return Child(pid, reader)
    status = 0
    try:
        _end_with_parent()
        if gate is not None:
            os.read(gate, 1)
        try:
            result = work()
        except Exception as error:
            result = error
        os.write(writer, pickle.dumps(result))
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        os._exit(status)


def _end_with_parent() -> None:
    """Let the kernel kill this process when its parent ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@dataclass
class Outcome:
    """The results of one run of many processes."""

    results: list[Any]
    seconds: float

    def errors(self) -> list[BaseException]:
        return [result for result in self.results if isinstance(result, BaseException)]


def together(count: int, work: Callable[[int], Any]) -> Outcome:
    """Run work(0), work(1), … in as many processes, released at the same moment."""
    gate, opener = os.pipe()
    with _nothing_to_collect():
        children = [fork(_closing(opener, work, index), gate=gate) for index in range(count)]
    os.close(gate)
    began = time.monotonic()
    # Every child holds a copy of the opener until it runs, so closing the pipe would not release them: one byte each
    # does.
    os.write(opener, b"." * count)
    results = [child.join() for child in children]
    os.close(opener)
    return Outcome(results, time.monotonic() - began)


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """Keep the collector of the children from all that they share with this process: it would copy each page of it."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _closing(opener: int, work: Callable[[int], Any], index: int) -> Callable[[], Any]:
    def run() -> Any:
        os.close(opener)
        return work(index)

    return run
