"""
A process that has imported Airflow and nothing of this package, and forks for each script that a test gives it.

A script runs as with ``python -W ignore -c``, but for the two seconds that Airflow takes to be imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from importlib import import_module
from types import TracebackType
from typing import Any

from typing_extensions import Self

from .fresh_imports import BASES


class FreshProcess:
    """
    The process, as a test sees it; it is started with the first script.

    :param modules: modules of Airflow that it imports too.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.communicate()

    def run(self, code: str, *arguments: object, environment: dict[str, str] | None = None) -> str:
        """
        Run a script in a process of its own.

        :param arguments: its ``sys.argv[1:]``.
        :param environment: variables beside those that the process was started with.
        :return: the last line that it has printed, or an empty text.
        :raises AssertionError: it failed; with what it wrote.
        """
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        script = {
            "code": code,
            "arguments": [str(one) for one in arguments],
            "environment": environment or {},
        }
        process.stdin.write(f"{json.dumps(script)}\n")
        process.stdin.flush()
        status, printed = json.loads(process.stdout.readline())
        assert status == 0, printed
        return "\n".join(printed.strip().splitlines()[-1:])

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "support.fresh_process", *self._modules],
            # The first import of a module would write its bytecode.
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def import_airflow() -> None:
    """Import what a DAG file imports of Airflow anyway."""
    import airflow.providers.common.compat.sdk as compat

    for name in (*BASES, "Connection", "Variable"):
        getattr(compat, name)


def _run(script: dict[str, Any]) -> None:
    os.environ.update(script["environment"])
    sys.argv[:] = ["-c", *script["arguments"]]
    exec(compile(script["code"], "<script>", "exec"), {"__name__": "__main__"})


def _in_a_fork(script: dict[str, Any]) -> tuple[int, str]:
    with tempfile.TemporaryFile("w+") as printed:
        if (child := os.fork()) == 0:
            status = 1
            os.dup2(printed.fileno(), 1)
            os.dup2(printed.fileno(), 2)
            try:
                _run(script)
                status = 0
            except SystemExit as end:
                status = 0 if not end.code else 1
                print(end.code)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        status = os.waitpid(child, 0)[1]
        printed.seek(0)
        return status, printed.read()


def main(*modules: str) -> None:
    import_airflow()
    for name in modules:
        import_module(name)
    told = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        told.write(f"{json.dumps(_in_a_fork(json.loads(line)))}\n")
        told.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
