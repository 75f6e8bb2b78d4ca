"""DAGs that are commands, in the metadata database as the dag-processor writes them."""

from __future__ import annotations

import re
from pathlib import Path

from support.airflow_api import airflow_command

SOURCE = """
from airflow.sdk import DAG, Param, task
from airflow_channel_provider.operators.dag_command import DagCommandOperator

with DAG(
    "daily-report",
    schedule=None,
    params={
        "city": Param("Seoul", enum=["Seoul", "Busan"], description="Whose numbers"),
        "days": Param(type="integer", minimum=1, maximum=7),
        "note": Param(None, type=["null", "string"], examples=["short", "long"]),
    },
):
    DagCommandOperator(
        task_id="command",
        name="report",
        description="Makes a report",
        managers=["m-1"],
        groups=["group-1"],
        channel_talk_conn_id="app",
    )

with DAG("nobody", schedule=None):
    DagCommandOperator(task_id="command", name="nobody", channel_talk_conn_id="app")

with DAG("paused", schedule=None, is_paused_upon_creation=True):
    DagCommandOperator(task_id="command", name="paused", managers=["m-1"], channel_talk_conn_id="app")

with DAG("of_another_app", schedule=None):
    DagCommandOperator(task_id="command", name="another", managers=["m-1"], channel_talk_conn_id="keyless")

with DAG("zz_same_name", schedule=None):
    DagCommandOperator(task_id="command", name="report", managers=["m-1"], channel_talk_conn_id="app")

with DAG("plain", schedule=None):

    @task
    def work():
        return 1

    work()
"""


def write(folder: Path, source: str = SOURCE) -> None:
    """
    Parse a DAG file and store its DAGs; those of other files are stale from then on.

    :param folder: for the file.
    """
    folder.joinpath("commands.py").write_text(source, encoding="utf-8")
    done = airflow_command(
        "dags",
        "reserialize",
        AIRFLOW__CORE__DAGS_FOLDER=str(folder),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION="False",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        written = re.findall(r'DAG\(\s*"([^"]+)"', source)
        session.execute(update(DagModel).where(DagModel.dag_id.not_in(written)).values(is_stale=True))
