"""
A real Airflow below a path of its host, in which tasks ask people.

Invariant: the run is over when a test sees it.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from system.leaks import Leak, find_leaks
from tools.demo.airflow_home import AirflowHome
from tools.demo.local_airflow import LocalAirflow
from tools.demo.people import People
from tools.demo.ports import free_port

if TYPE_CHECKING:
    from tools.demo.progress import Progress

JSON = Any
DAGS = Path(__file__).with_name("dags_approving")
DAG_ID, RUN_ID = "approving", "run"
BASE_PATH = "/airflow"
ANSWERS = {"rejected": "Reject", "branch": "right", "late": None, "default": None}
"""By task id; all others are approved."""


class Approving(LocalAirflow):
    """
    Runs the DAG, and answers what it asks.

    :param path: home directory.
    :param progress: where to say what is going on.
    """

    def __init__(self, path: Path, progress: Progress) -> None:
        home = AirflowHome(path, dags_folder=DAGS, api_port=free_port(), base_path=BASE_PATH)
        super().__init__(home, progress)
        self.states: dict[str, str] = {}
        self.messages: list[JSON] = []
        self.leaks: list[Leak] = []

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*exc_info)
        self.leaks = find_leaks(self.home.path, self.canaries.named())

    def run(self) -> None:
        """Do all of it."""
        people = People(self, ANSWERS)
        self.add_connections()
        self.wait_for(DAG_ID)
        self.rest.trigger(DAG_ID, RUN_ID)

        def is_over() -> bool:
            people.look(RUN_ID)
            return self.rest.run_state(DAG_ID, RUN_ID) in ("success", "failed")

        self.wait_until("the run is over", is_over)
        for one in self.rest.task_instances(DAG_ID, RUN_ID):
            index = "" if one["map_index"] < 0 else f"[{one['map_index']}]"
            self.states[f"{one['task_id']}{index}"] = one["state"]
        self.messages = self.emulator.messages()

    def threads(self) -> dict[str, list[list[str]]]:
        """Return the lines of each reply, by the first line of the message that it replies to."""
        found: dict[str, list[list[str]]] = defaultdict(list)
        roots = {message["id"]: lines(message)[0] for message in self.messages}
        for message in self.messages:
            if "rootMessageId" in message:
                found[roots[message["rootMessageId"]]].append(lines(message))
            else:
                found.setdefault(lines(message)[0], [])
        return dict(found)

    def buttons(self, subject: str) -> dict[str, str]:
        """Return the addresses of the buttons of a question."""
        (message,) = [one for one in self.messages if lines(one)[0] == f"<b>{subject}</b>"]
        return {
            button["title"]: button["action"]["attributes"]["url"].removeprefix(self.home.api_url)
            for button in message["buttons"]
        }


def lines(message: JSON) -> list[str]:
    """Return the texts of a message."""
    found: list[str] = []
    for block in message["blocks"]:
        found += [inner["value"] for inner in block["blocks"]] if "blocks" in block else [block["value"]]
    return found
