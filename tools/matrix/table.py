"""Return what became of the matrix: a table, and below it what failed and what was left out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tools.matrix.checks import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tools.matrix.checks import Result

COLUMNS = (*OPTIONS, "examples", "providers", "form", "wheel alone")


def table(results: Iterable[Result]) -> str:
    """Return one line for each version."""
    rows: list[tuple[str, ...]] = [("Airflow", "Python", *COLUMNS, "seconds", "")]
    rows += [_row(result) for result in results]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _row(result: Result) -> tuple[str, ...]:
    wanted = result.version.python
    python = result.python if result.python == wanted else f"{result.python} (no {wanted} here)"
    cells = [str(result.outcomes[name]) if name in result.outcomes else "-" for name in COLUMNS]
    return (result.version.title, python, *cells, f"{result.took_seconds:.0f}", _verdict(result))


def _verdict(result: Result) -> str:
    if result.green:
        return "ok"
    return "red, and may be" if result.version.may_fail else "RED"


def details(result: Result, folder: Path) -> str:
    """Return what failed on a version, and what it cannot do."""
    failures = [name for column in OPTIONS for name in _failures(result, column)]
    failures += _failures(result, "wheel alone")
    reasons: Counter[str] = Counter()
    for column in OPTIONS:
        if column in result.outcomes:
            reasons += result.outcomes[column].reasons
    lines = [f"  FAILED {name}" for name in failures]
    lines += [f"  {number:4} left out: {reason}" for reason, number in sorted(reasons.items())]
    if failures:
        lines.append(f"  see {folder}/{result.version.name}-*.log")
    return "\n".join([f"Airflow {result.version.title}", *lines])


def _failures(result: Result, column: str) -> list[str]:
    return list(result.outcomes[column].failures) if column in result.outcomes else []
