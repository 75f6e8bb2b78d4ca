"""
``make demo`` and ``make ui``.

It exits with 0 when everything was green, 1 when something was not, 2 when the demo could not be brought up, and
128 plus the signal's number when it was interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tools.demo.airflow_home import DemoSetupError
from tools.demo.environment import USER
from tools.demo.home_lock import HomeInUseError
from tools.demo.progress import Progress
from tools.demo.report import report
from tools.demo.rest import RestError
from tools.demo.session import ROUND_SECONDS, Demo, Options

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
UI_PORT, UI_EMULATOR_PORT = 8080, 8765
# One user with all rights, and one who may not see connections.
UI_USERS = (USER, "viewer")
PAGE_PATH = "/plugin/channel-talk"


class Interrupted(BaseException):
    """A signal asked to stop. It is not an Exception, so that nothing catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn the first signal into Interrupted and ignore the next ones, since the demo is stopping already."""

    def interrupt(number: int, _: object) -> None:
        for name in SIGNALS:
            signal.signal(name, signal.SIG_IGN)
        raise Interrupted(number)

    before = [(name, signal.signal(name, interrupt)) for name in SIGNALS]
    try:
        yield
    finally:
        for name, handler in before:
            signal.signal(name, handler)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description=__doc__)
    parser.add_argument("--ui", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument(
        "--home", type=Path, default=ROOT / ".demo", help="directory of the demo (default: %(default)s)"
    )
    parser.add_argument(
        "--dags", type=Path, default=ROOT / "dags_examples", help="folder of DAGs (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout", type=float, default=240.0, help="seconds for all tasks (default: %(default)s)"
    )
    return parser.parse_args(arguments)


def addresses(demo: Demo) -> str:
    """Return the addresses of the pages to look at."""
    log_ins = (f"\n  log in as {user:<8}password {word}" for user, word in demo.home.passwords.items())
    return "".join(
        [
            f"\nAirflow                {demo.home.api_url}",
            *log_ins,
            f"\nTokens and quota       {demo.home.api_url}{PAGE_PATH}   (Browse, Channel Talk)",
            f"\nMessages and requests  {demo.emulator.url}   (the emulator's page)",
            f"\nConversations          {demo.emulator.url}/chat   (type a command, open a chat, click)",
            f"\nThe DAGs run again every {ROUND_SECONDS / 60:g} minutes. Ctrl-C stops everything.",
        ]
    )


def run(options: Options, progress: Progress, *, ui: bool) -> int:
    """Run the demo, print its report, and return the exit status."""
    with Demo(options, progress) as demo:
        result = demo.run()
        progress.say(report(result, demo.home.logs))
        if ui:
            progress.say(addresses(demo))
            demo.hold()
    progress.step("nothing is left running")
    return 1 if result.problems() else 0


def main(arguments: list[str]) -> int:
    """Run the demo with the arguments of the command line."""
    wanted = parse(arguments)
    options = Options(
        home=wanted.home.resolve(),
        dags_folder=wanted.dags.resolve(),
        run_timeout_seconds=wanted.timeout,
        api_port=UI_PORT if wanted.ui else 0,
        emulator_port=UI_EMULATOR_PORT if wanted.ui else 0,
        users=UI_USERS if wanted.ui else (USER,),
    )
    progress = Progress()
    try:
        with stoppable():
            return run(options, progress, ui=wanted.ui)
    except Interrupted as interrupted:
        progress.step(f"stopped by {interrupted}; nothing is left running")
        return 0 if wanted.ui and interrupted.number == signal.SIGINT else 128 + interrupted.number
    except (DemoSetupError, HomeInUseError, RestError) as error:
        progress.say(f"ERROR: {error}")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
