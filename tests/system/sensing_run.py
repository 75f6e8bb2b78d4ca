"""
A real Airflow in which hundreds of sensors wait in one triggerer, which is killed on the way.

Invariant: the run is over when a test sees it. Nobody closes a chat before both triggerers have been watched, so that
what is seen of them is waiting and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from system.leaks import find_leaks
from system.sensing_result import Sample, SensingRun, Watched
from tools.demo.airflow_home import AirflowHome
from tools.demo.local_airflow import LocalAirflow
from tools.demo.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.demo.progress import Progress

JSON = Any
COUNT = int(os.environ.get("SENSOR_WAITS") or 24)
WATCHED_SECONDS = float(os.environ.get("SENSOR_SECONDS") or 15)
DAGS = Path(__file__).with_name("dags_sensing")
DAG_ID, RUN_ID = "sensing", "run"
CHATS = [f"chat-{number}" for number in range(COUNT)]
POLL_SECONDS = 1.0
SAMPLES = 12
"""At least so many of each triggerer, however slow this machine is."""
TRIGGERER = "triggerer"


class SensingHome(AirflowHome):
    """A home whose tasks know how many they are, and where a dead triggerer is soon given up."""

    def environment(self) -> dict[str, str]:
        """Return what every process of this Airflow is started with."""
        return {
            **super().environment(),
            "SENSOR_WAITS": str(COUNT),
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
        }


class Sensing(LocalAirflow):
    """
    Lets all sensors wait, watches their triggerer, kills it, watches the next one, and lets them go.

    :param path: home directory.
    :param progress: where to say what is going on.
    """

    wait_seconds = 1_800.0
    poll_seconds = POLL_SECONDS

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(SensingHome(path, dags_folder=DAGS, api_port=free_port()), progress)
        self.result = SensingRun(COUNT)
        self._seen = 0

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*exc_info)
        self.result.leaks = find_leaks(self.home.path, self.canaries.named())

    def emulator_settings(self) -> dict[str, object]:
        """Return what the emulator is started with: a chat for each sensor."""
        channel = {"id": "ch-1", "user_chats": [{"id": chat_id} for chat_id in CHATS]}
        return {**super().emulator_settings(), "channels": [channel]}

    def _start(self) -> None:
        super()._start()
        self.add_connections()
        self.wait_for(DAG_ID)

    def run(self) -> None:
        """Do all of it."""
        with self._timed("all deferred"):
            self.rest.trigger(DAG_ID, RUN_ID)
            self.wait_until("all tasks deferred", lambda: self._states() == {"deferred": COUNT})
        self._watch("the first triggerer")
        self.components.kill(TRIGGERER)
        self.progress.step("the triggerer was killed")
        self.result.states = dict(self._states())
        self.components.start_all(TRIGGERER)
        self._watch("the second triggerer")
        with self._timed("all done"):
            for chat_id in CHATS:
                self.emulator.change_user_chat(chat_id, state="closed")
            self.wait_until("the run is over", self._is_over)
        self.result.instances = self.rest.task_instances(DAG_ID, RUN_ID)
        self.result.token_requests = self.emulator.token_requests()

    def _watch(self, name: str) -> None:
        """Watch a triggerer from when it has looked at every chat."""
        watched = Watched(name)
        self.result.watched.append(watched)
        with self._timed(f"{name} at work"):
            self._new_looks()
            self.wait_until(f"{name} looks at all chats", lambda: self._note_looks(watched) == COUNT)
        with self._timed(f"{name} watched"):
            began = time.monotonic()
            while (seconds := time.monotonic() - began) < WATCHED_SECONDS or len(watched.samples) < SAMPLES:
                watched.samples.append(self._sample(seconds))
                time.sleep(POLL_SECONDS)
            self._note_looks(watched)

    def _note_looks(self, watched: Watched) -> int:
        ports = self.components.ports(TRIGGERER)
        for entry in self._new_looks():
            # A port is the triggerer's as long as its connection is kept.
            if int(str(entry["client"]).rpartition(":")[2]) in ports:
                watched.looks += 1
                watched.chats.add(entry["params"]["userChatId"])
        return len(watched.chats)

    def _new_looks(self) -> list[JSON]:
        entries = self.emulator.journal(since=self._seen)
        self._seen = entries[-1]["n"] if entries else self._seen
        return [entry for entry in entries if entry["method"] == "getUserChat"]

    def _sample(self, seconds: float) -> Sample:
        port = urlsplit(self.emulator.url).port
        memory = connected = 0
        # The supervisor itself is none of Airflow's.
        for process in psutil.Process(self.components.pid(TRIGGERER)).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                memory += process.memory_full_info().uss
                connected += sum(
                    bool(connection.raddr) and connection.raddr.port == port
                    for connection in process.net_connections("tcp")
                )
        return Sample(seconds, memory, connected)

    def _states(self) -> Counter[str]:
        states = Counter(str(one["state"]) for one in self.rest.task_instances(DAG_ID, RUN_ID))
        self.progress.update(f"{DAG_ID}: {dict(states)}")
        return states

    def _is_over(self) -> bool:
        self._states()
        return self.rest.run_state(DAG_ID, RUN_ID) in ("success", "failed")

    @contextlib.contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.result.took_seconds[part] = time.monotonic() - began
        self.progress.step(f"{part}: {self.result.took_seconds[part]:.0f} s")
