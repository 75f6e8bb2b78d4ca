#!/usr/bin/env bash
# Apache Airflow 3.3.2: three events of an asset come one after the other, before the scheduler looks; a DAG is scheduled by
# that asset. One would think that the run which the scheduler then creates has all three, as triggering_asset_events.
#
# Seen: it has the first alone. The scheduler gives it the events up to `created_at` of the DAG's row in
# asset_dag_run_queue. The first event inserts that row, the next ones leave it as it is, and the run deletes it. The other
# two come with the run that a fourth event starts, however late that is. The same happens when max_active_runs
# holds the run back.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check apache-airflow-core==3.3.2 apache-airflow-task-sdk==1.3.2 \
  apache-airflow-providers-standard==1.21.0
cd "$folder"
mkdir dags
cat > dags/takes.py <<'DAG'
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset

with DAG("takes", schedule=[Asset("x://events")]):
    EmptyOperator(task_id="work")
DAG
cat > burst.py <<'PY'
import sys

from airflow.assets.manager import asset_manager
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.asset import AssetModel
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from sqlalchemy import select, update

with create_session() as session:
    session.execute(update(DagModel).values(is_paused=False))
runner = SchedulerJobRunner(job=Job())


def taken_after(events):
    """Add so many events, let the scheduler look once, and return how many events each run has by now."""
    for _ in range(events):
        with create_session() as session:
            asset_manager.register_asset_change(asset=session.scalar(select(AssetModel)), session=session)
    with create_session() as session:
        runner._create_dag_runs_asset_triggered(dag_models=[session.get(DagModel, "takes")], session=session)
    with create_session() as session:
        return [len(run.consumed_asset_events) for run in session.scalars(select(DagRun).order_by(DagRun.id))]


first, second = taken_after(3), taken_after(1)
print("events of the runs after three events:", *first)
print("events of the runs after a fourth:", *second)
sys.exit((first, second) != ([1], [1, 3]))
PY
export AIRFLOW_HOME=$folder/home AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_FOLDER=$folder/dags
{ bin/airflow db migrate && bin/airflow dags reserialize; } >prepare.log 2>&1 || { tail prepare.log; exit 1; }
bin/python burst.py 2>burst.log | grep "^events of" || { tail burst.log; exit 1; }
