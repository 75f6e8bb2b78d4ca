"""
The part of Airflow's REST API that the demo uses.

Invariant: secrets go to Airflow through here only (POST of a connection), never through an environment
or a file, so that what is found of them afterwards was left by the provider.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_fixed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

JSON = Any
PAGE = 100
TIMEOUT_SECONDS = 30.0
TRIES = 6
PAUSE_SECONDS = 1.0


class RestError(Exception):
    """Airflow refused something that the demo asked for."""


class Question(NamedTuple):
    """What a task asks people, and nobody has answered yet."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    subject: str
    options: tuple[str, ...]
    state: str


class AirflowRest:
    """
    One logged-in user.

    :param url: of the api-server.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def healthy(self) -> dict[str, bool]:
        """Return which components have sent a heartbeat; empty while the api-server does not answer."""
        try:
            answer = self._session.get(f"{self._url}/api/v2/monitor/health", timeout=TIMEOUT_SECONDS)
        except requests.RequestException:
            return {}
        if answer.status_code != requests.codes.ok:
            return {}
        return {name: part["status"] == "healthy" for name, part in answer.json().items() if part}

    def missing_components(self) -> str | None:
        """Return the names of the components that are not up yet; None if all are."""
        states = self.healthy()
        missing = [name for name, healthy in states.items() if not healthy] if states else ["api-server"]
        return ", ".join(missing) or None

    def log_in(self, user: str, password: str) -> None:
        """Get a token for everything that follows."""
        answer = self._ask("POST", "/auth/token", {"username": user, "password": password})
        self._session.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def headers(self) -> dict[str, str]:
        """Return what shows who is logged in."""
        return {"Authorization": str(self._session.headers["Authorization"])}

    def add_connection(self, connection: Mapping[str, JSON]) -> None:
        """Create a connection."""
        self._ask("POST", "/api/v2/connections", connection)

    def connection(self, connection_id: str) -> JSON:
        """Return a connection, its secrets masked."""
        return self._ask("GET", f"/api/v2/connections/{connection_id}", None)

    def change_extra(self, connection: Mapping[str, JSON], extra: Mapping[str, JSON]) -> None:
        """
        Give a connection another extra.

        :param connection: as :meth:`connection` returns it.
        """
        path = f"/api/v2/connections/{connection['connection_id']}?update_mask=extra"
        names = ("connection_id", "conn_type")
        body = {name: connection[name] for name in names}
        self._ask("PATCH", path, {**body, "extra": json.dumps(dict(extra))})

    def import_errors(self) -> list[tuple[str, str]]:
        """Return file and stack trace of the DAG files that could not be imported."""
        errors = self._pages("GET", "/api/v2/importErrors", "import_errors")
        return [(error["filename"], error["stack_trace"]) for error in errors]

    def dags(self) -> dict[str, str]:
        """Return the DAG ids, each with the file that it comes from."""
        return {dag["dag_id"]: dag["fileloc"] for dag in self._pages("GET", "/api/v2/dags", "dags")}

    def unpause(self, dag_id: str) -> None:
        """Switch a DAG on."""
        self._ask("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, JSON] | None = None) -> None:
        """
        Unpause a DAG and start a run of it, as of now, which is what the form in the UI proposes.

        :param conf: values for the DAG's params.
        """
        now = datetime.now(timezone.utc).isoformat()
        self.unpause(dag_id)
        run = {"dag_run_id": run_id, "logical_date": now, "conf": dict(conf or {})}
        self._ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", run)

    def run_states(self) -> dict[tuple[str, str], str]:
        """Return the state of every DAG run, by DAG id and run id."""
        runs = self._pages("GET", "/api/v2/dags/~/dagRuns", "dag_runs")
        return {(run["dag_id"], run["dag_run_id"]): run["state"] for run in runs}

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of one DAG run."""
        return str(self._ask("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", None)["state"])

    def task_instances(self, dag_id: str = "~", run_id: str = "~") -> list[JSON]:
        """
        Return task instances.

        :param dag_id: of this DAG only.
        :param run_id: of this run only.
        """
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return list(self._pages("GET", path, "task_instances"))

    def set_task_state(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Mark a task, as a person does in the UI."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        self._ask("PATCH", path, {"new_state": state})

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> JSON:
        """Return what a task returned."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return self._ask("GET", f"{path}?deserialize=true", None)["value"]

    def open_questions(self, run_id: str = "~") -> list[Question]:
        """
        Return what tasks ask.

        :param run_id: of the runs that are called so.
        """
        path = f"/api/v2/dags/~/dagRuns/{run_id}/hitlDetails"
        found = self._pages("GET", path, "hitl_details", query="&response_received=false")
        return [
            Question(
                dag_id=task["dag_id"],
                run_id=task["dag_run_id"],
                task_id=task["task_id"],
                map_index=task["map_index"],
                subject=detail["subject"],
                options=tuple(detail["options"]),
                state=str(task["state"]),
            )
            for detail in found
            for task in [detail["task_instance"]]
        ]

    def answer(self, question: Question, *options: str, filled_in: Mapping[str, JSON] | None = None) -> None:
        """Answer a question, as the form in the UI does."""
        dag_id, run_id, task_id, map_index, *_ = question
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/{map_index}/hitlDetails"
        self._ask("PATCH", path, {"chosen_options": options, "params_input": dict(filled_in or {})})

    def _pages(self, http_method: str, path: str, key: str, *, query: str = "") -> Iterator[JSON]:
        offset = 0
        while True:
            page = self._ask(http_method, f"{path}?limit={PAGE}&offset={offset}{query}", None)
            yield from page[key]
            offset += PAGE
            if offset >= page["total_entries"]:
                return

    def _ask(self, http_method: str, path: str, body: JSON) -> JSON:
        """
        Send a request, and again if Airflow fails.

        On SQLite it fails while its scheduler writes for long. Each of these requests may be repeated: if the first one
        worked after all, the second one gets a conflict.
        """
        retrying = Retrying(
            stop=stop_after_attempt(TRIES),
            wait=wait_fixed(PAUSE_SECONDS),
            retry=retry_if_result(lambda answer: answer.status_code >= requests.codes.server_error),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        answer = retrying(
            self._session.request, http_method, self._url + path, json=body, timeout=TIMEOUT_SECONDS
        )
        if answer.status_code == requests.codes.conflict and retrying.statistics["attempt_number"] > 1:
            return None
        if not answer.ok:
            # The answer may repeat secrets of the request; the path has none.
            raise RestError(f"{http_method} {path}: HTTP {answer.status_code}")
        return answer.json() if answer.content else None
