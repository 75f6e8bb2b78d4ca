"""What pytest told of one run: how many tests ended how, and why some were left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """
    The tests of one run, or some of them.

    :param counts: number of tests by ``passed``, ``skipped`` and ``failed``.
    :param reasons: why tests were skipped, with their number.
    :param failures: names of those that failed.
    """

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    failures: tuple[str, ...] = ()

    @property
    def green(self) -> bool:
        """Whether something passed and nothing failed."""
        return self.counts["passed"] > 0 and not self.counts["failed"]

    @property
    def is_left_out(self) -> bool:
        """Whether nothing ran, for a reason that was told."""
        return set(self.counts) == {"skipped"}

    def __str__(self) -> str:
        if self.is_left_out:
            return "left out"
        parts = [str(self.counts["passed"])]
        if self.counts["skipped"]:
            parts.append(f"{self.counts['skipped']} skipped")
        if self.counts["failed"]:
            parts.append(f"{self.counts['failed']} FAILED")
        return ", ".join(parts) if self.counts else "did not run"


def read(report: Path, module: str = "") -> Outcome:
    """
    Read a report in the format of JUnit.

    :param module: only tests of the file with this stem; all by default.
    """
    if not report.exists():
        return Outcome()
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    failures = []
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - our own report
        where = case.get("classname", "") or case.get("name", "")
        if module and module not in where.split("."):
            continue
        kind = _kind(case)
        counts[kind] += 1
        if kind == "skipped":
            reasons[_reason(case)] += 1
        elif kind == "failed":
            failures.append(f"{where}::{case.get('name')}")
    return Outcome(counts, reasons, tuple(failures))


def _kind(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "passed" if case.find("skipped") is None else "skipped"


def _reason(case: ElementTree.Element) -> str:
    skipped = case.find("skipped")
    if skipped is None:
        return ""
    message = skipped.get("message", "")
    if message == "collection skipped":  # a module as a whole: the reason stands behind the place
        message = (skipped.text or "").rpartition("Skipped: ")[2].rstrip("')\n\"")
    return message.removeprefix("Skipped: ")
