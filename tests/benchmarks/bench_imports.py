"""
What a DAG file pays for importing each public module, beyond what it imports of Airflow anyway.

The time is the best of some fresh processes; the last column names what heavy packages come along.
"""

from __future__ import annotations

import subprocess
import sys

from support.fresh_imports import BASES, FreshImport, measure

from tools.modules import public_modules

ROUNDS = 7
HEAVY = ("aiohttp", "cryptography", "redis", "requests", "sqlalchemy", "tenacity")
AIM_MILLISECONDS = 15
AIRFLOW = f"""
import time
began = time.perf_counter()
from airflow.providers.common.compat.sdk import {", ".join(BASES)}
print((time.perf_counter() - began) * 1000)
"""


def airflow_milliseconds() -> float:
    """What Airflow itself costs, best of three."""
    costs = []
    for _ in range(3):
        run = subprocess.run([sys.executable, "-c", AIRFLOW], capture_output=True, text=True, check=True)
        costs.append(float(run.stdout.split()[-1]))
    return min(costs)


def row(name: str, cost: FreshImport, base: float) -> str:
    heavy = ", ".join(name for name in HEAVY if name in cost.brought)
    ours = sum(name.startswith("airflow_channel_provider") for name in cost.brought)
    return f"{name:52} {cost.milliseconds:7.1f} ms {cost.milliseconds / base:6.1%} {ours:4} of ours  {heavy}"


def main() -> None:
    base = airflow_milliseconds()
    print(f"{'Airflow itself':52} {base:7.1f} ms")
    for name, cost in measure(public_modules(), ROUNDS).items():
        print(row(name, cost, base))
    print(f"aim: hooks and operators at most {AIM_MILLISECONDS} ms")


if __name__ == "__main__":
    main()
