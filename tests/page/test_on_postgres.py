"""All that Channel Talk calls, with Airflow's database in PostgreSQL, where rows are locked and not the whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.fuzzing import THOROUGH
from support.servers import PostgresServer

FILES = [f"test_{name}.py" for name in ("webhooks", "functions", "commands", "command_burst", "answers")]


@pytest.mark.fuzz
@pytest.mark.timeout(0)
@pytest.mark.skipif(not THOROUGH, reason="make fuzz runs them there")
def test_they_pass_there() -> None:
    with PostgresServer() as server:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "0", *FILES]
        environment = {**os.environ, "TEST_DATABASE_URL": server.url}
        done = subprocess.run(
            command,
            cwd=Path(__file__).parent,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-5000:]
