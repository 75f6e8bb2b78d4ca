"""
Time the same calls as one bulk task and as mapped tasks of one call each, through a real scheduler.

    python -m tools.bulk [CALLS]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tools.bulk.running import BulkAirflow
from tools.demo.progress import Progress

CALLS = 2_000
TIMEOUT_SECONDS = 7_200.0


def main(arguments: list[str]) -> int:
    """Run both, and print how long each took."""
    calls = int(arguments[0]) if arguments else CALLS
    took = {}
    with (
        tempfile.TemporaryDirectory(prefix="bulk-") as folder,
        BulkAirflow(
            Path(folder) / "home", Progress(), mapped=calls, timeout_seconds=TIMEOUT_SECONDS
        ) as airflow,
    ):
        for dag_id in ("bulk", "mapped"):
            took[dag_id] = airflow.run(dag_id, "run", kill_at=[], count=lambda: 0)
        written = airflow.emulator.stats()["messages"]
    print(f"{calls:,} calls as one bulk task    {took['bulk']:8.1f} s, from trigger to success")
    print(f"{calls:,} calls as mapped tasks     {took['mapped']:8.1f} s")
    return 0 if written == 2 * calls else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
