"""Airflow's Variables as they are: no compare-and-set, the last write wins, and trouble that looks like absence."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path


class FakeVariables:
    """
    Variables in a dictionary.

    :ivar away: the API server does not answer: a read finds nothing, all else raises.
    :ivar lists: whether this Airflow can list names (3.3 and later).
    :ivar before_set: called before a write takes place, such as by another keeper.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.reads: list[str] = []
        self.writes: list[str] = []
        self.away = False
        self.lists = True
        self.before_set: Callable[[str], None] = lambda name: None
        self.after_set: Callable[[str], None] = lambda name: None

    def get(self, name: str) -> str | None:
        self.reads.append(name)
        return None if self.away else self.values.get(name)

    def set(self, name: str, value: str, about: str) -> None:
        self._must_answer()
        self.before_set(name)
        self.writes.append(name)
        self.values[name] = value
        self.after_set(name)

    def names(self, prefix: str) -> Collection[str] | None:
        self._must_answer()
        return [name for name in self.values if name.startswith(prefix)] if self.lists else None

    def writer(self) -> str:
        return "DAG 'keeper'"

    def _must_answer(self) -> None:
        if self.away:
            raise RuntimeError("API_SERVER_ERROR")


class FolderVariables(FakeVariables):
    """The same for several processes: one file a Variable, replaced as a whole, without any lock."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def get(self, name: str) -> str | None:
        path = self.folder / name
        return path.read_text() if path.exists() else None

    def set(self, name: str, value: str, about: str) -> None:
        self.before_set(name)
        path = self.folder / f".{name}.new"
        path.write_text(value)
        path.replace(self.folder / name)
        self.after_set(name)

    def names(self, prefix: str) -> Collection[str] | None:
        return [path.name for path in self.folder.iterdir() if path.name.startswith(prefix)]
