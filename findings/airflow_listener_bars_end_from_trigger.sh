#!/usr/bin/env bash
# Apache Airflow 3.3.2: a plugin that registers a listener, of whatever it listens to, here of the start of a component;
# beside it a DAG whose sensor ends in the triggerer (`end_from_trigger=True`). A listener only listens, so one would
# think that it changes nothing for DAGs.
#
# Seen: the DAG becomes an import error, since a DagBag refuses `end_from_trigger=True` as soon as there is any listener.
# A provider that registers a listener breaks other people's DAGs by being installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check apache-airflow-core==3.3.2 apache-airflow-task-sdk==1.3.2 \
  apache-airflow-providers-standard==1.21.0
cd "$folder"
mkdir -p home/plugins dags
cat > dags/waits.py <<'DAG'
import datetime

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG

with DAG("waits", schedule=None):
    TimeDeltaSensor(
        task_id="wait", delta=datetime.timedelta(minutes=1), deferrable=True, end_from_trigger=True
    )
DAG
cat > load.py <<'PYTHON'
import logging

logging.disable(logging.CRITICAL)
from airflow.dag_processing.dagbag import DagBag

bag = DagBag("dags")
print(sorted(bag.dags), *(text.strip().splitlines()[-1][:90] for text in bag.import_errors.values()))
PYTHON
export AIRFLOW_HOME=$folder/home AIRFLOW__CORE__LOAD_EXAMPLES=False
bin/airflow db migrate >migrate.log 2>&1 || { cat migrate.log; exit 1; }
without=$(bin/python load.py 2>/dev/null | tail -1)
cat > home/plugins/listens.py <<'PLUGIN'
import sys

from airflow.plugins_manager import AirflowPlugin
from airflow.listeners import hookimpl


@hookimpl
def on_starting(component):
    pass


class Listens(AirflowPlugin):
    name = "listens"
    listeners = [sys.modules[__name__]]
PLUGIN
with=$(bin/python load.py 2>/dev/null | tail -1)
echo "without the plugin: $without"
echo "with the plugin:    $with"
[[ $without == "['waits']" ]]
[[ $with == "[] "*"Listeners are not supported with end_from_trigger=True"* ]]
