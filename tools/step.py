"""
Run one step of `make test` under a heading, and print how long it took.

    python tools/step.py HEADING COMMAND...

It exits with the status of the command. A step that passes prints its time in the heading's style; pytest has a summary
line with the time in it, and that stays the last line.
"""

from __future__ import annotations

import subprocess
import sys
import time

WIDTH = 78


def heading(text: str) -> str:
    """Return a line that catches the eye."""
    return f"\n==== {text} ".ljust(WIDTH, "=")


def main(arguments: list[str]) -> int:
    """Run the step."""
    name, command = arguments[0], arguments[1:]
    print(heading(name), flush=True)
    started_at = time.monotonic()
    status = subprocess.run(command, check=False).returncode
    took = f"{time.monotonic() - started_at:.1f} s"
    if status:
        print(f"FAILED: {name} after {took}", flush=True)
    elif "pytest" not in command:
        print(f"{name}: {took}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
