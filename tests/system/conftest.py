"""
One real run of the demo for all tests of this folder.

Invariant: the run is over when a test sees it. What is told about it was collected while it stood and after it was
gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from system.leaks import Leak, find_leaks
from system.processes import Snapshot
from tools.demo.progress import Progress
from tools.demo.report import report
from tools.demo.session import Demo, Options

if TYPE_CHECKING:
    from tools.demo.canaries import Canaries
    from tools.demo.result import DemoResult

ROOT = Path(__file__).resolve().parents[2]
DAGS = ROOT / "dags_examples"


@dataclass(frozen=True)
class SystemRun:
    """
    A run that is over.

    :param home: its Airflow home, as it was left.
    :param ports: of the api-servers and the emulator.
    :param leaks_while_up: secrets that were found when all tasks had ended and all components still ran.
    :param leaks_after: the same when everything had been stopped.
    :param files: what was looked into, as relative paths.
    """

    home: Path
    dags_folder: Path
    ports: set[int]
    result: DemoResult
    canaries: Canaries
    files: list[str]
    leaks_while_up: list[Leak]
    leaks_after: list[Leak]
    processes: Snapshot


@pytest.fixture(scope="session")
def system_run(tmp_path_factory: pytest.TempPathFactory) -> SystemRun:
    demo_home = tmp_path_factory.mktemp("demo") / "home"
    progress = Progress()
    options = Options(home=demo_home, dags_folder=DAGS, start_timeout_seconds=400, run_timeout_seconds=800)
    with Demo(options, progress) as demo:
        result = demo.run()
        progress.say(report(result, demo.home.logs))
        processes = Snapshot.below_this_process()
        secrets = demo.canaries.named()
        urls = (demo.home.api_url, demo.home.execution_url, demo.emulator.url)
        ports = {port for url in urls if (port := urlsplit(url).port)}
        leaks_while_up = find_leaks(demo_home, secrets)
        files = [str(path.relative_to(demo_home)) for path in demo_home.rglob("*") if path.is_file()]
    return SystemRun(
        home=demo_home,
        dags_folder=DAGS,
        ports=ports,
        result=result,
        canaries=demo.canaries,
        files=files,
        leaks_while_up=leaks_while_up,
        leaks_after=find_leaks(demo_home, secrets),
        processes=processes,
    )
