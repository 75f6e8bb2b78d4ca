"""StatsD, as far as a test needs it: it receives, and tells what it was told."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self


class StatsdListener:
    """Receives what StatsD is told, on a free port of this machine."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._thread.join()

    @property
    def port(self) -> int:
        """Where it listens."""
        number: int = self._socket.getsockname()[1]
        return number

    def _listen(self) -> None:
        while self._socket.fileno() >= 0:
            try:
                self.lines += self._socket.recv(65536).decode().splitlines()
            except TimeoutError:
                continue
            except OSError:
                return


def counted(lines: Iterable[str], name: str) -> Counter[str]:
    """
    Return how often a metric was told, by its tags.

    :param lines: in InfluxDB's notation.
    :param name: of the metric, without prefix.
    """
    found: Counter[str] = Counter()
    for line in lines:
        stat, _, value = line.rpartition(":")
        metric, _, tags = stat.partition(",")
        if metric == f"airflow.channel_talk.{name}":
            found[tags] += int(value.partition("|")[0]) if value.endswith("|c") else 1
    return found
