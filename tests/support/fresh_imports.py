"""
What importing a module costs and brings along, beyond what a DAG file imports of Airflow anyway.

Invariant: each import happens in a process that has imported nothing of this package: the one that has Airflow forks
for each of them.

    python -m support.fresh_imports ROUNDS MODULE...
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

BASES = (
    "BaseHook",
    "BaseNotifier",
    "BaseOperator",
    "BaseSensorOperator",
    "Context",
    "DAG",
    "conf",
    "dag",
    "task",
)


@dataclass(frozen=True)
class FreshImport:
    """
    What one import did.

    :param milliseconds: the best of some rounds.
    :param brought: the modules that were not there before.
    """

    milliseconds: float
    brought: frozenset[str]


def measure(modules: list[str], rounds: int = 1) -> dict[str, FreshImport]:
    """Import each module afresh."""
    command = [sys.executable, "-W", "ignore", "-m", "support.fresh_imports", str(rounds), *modules]
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return parse(done.stdout.strip().splitlines()[-1])


def parse(printed: str) -> dict[str, FreshImport]:
    """Read what :func:`main` prints."""
    return {
        name: FreshImport(cost, frozenset(brought)) for name, (cost, brought) in json.loads(printed).items()
    }


def _once(module: str) -> tuple[float, list[str]]:
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        before = set(sys.modules)
        began = time.perf_counter()
        __import__(module)
        took = (time.perf_counter() - began) * 1000
        with os.fdopen(writer, "w") as stream:
            json.dump([took, sorted(set(sys.modules) - before)], stream)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        told = stream.read()
    os.waitpid(child, 0)
    if not told:
        raise ImportError(f"{module} could not be imported")
    took, brought = json.loads(told)
    return took, brought


def _import_airflow() -> None:
    import airflow.providers.common.compat.sdk as compat

    for name in BASES:
        getattr(compat, name)


def main(rounds: int, modules: list[str]) -> None:
    _import_airflow()
    told = {}
    for module in modules:
        runs = [_once(module) for _ in range(rounds)]
        told[module] = (min(took for took, _ in runs), runs[0][1])
    print(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
