#!/usr/bin/env bash
# Apache Airflow 3.3.2 (task SDK 1.3.2): the callback of a DAG (`on_failure_callback`) in `dag.test()`, which runs the DAG
# of the file in this very process. A notifier renders its templates there with the template environment of
# context["dag"], so one would think that this is the DAG of the file, as it is in the callback of a task.
#
# Seen: a callback of a task gets the DAG of the file, a callback of the DAG gets a SerializedDAG, which has no
# get_template_env(). A callback that fails so does not fail the run or the test: it is only logged. So the alert of a DAG
# that works in production may never be sent in a test, without a sign.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check apache-airflow-core==3.3.2 apache-airflow-task-sdk==1.3.2 \
  apache-airflow-providers-standard==1.21.0
cd "$folder"
mkdir dags
cat > dags/fails.py <<'DAG'
import sys

from airflow.sdk import DAG, task

seen = []


def look(context):
    dag = context["dag"]
    seen.append((type(dag).__name__, hasattr(dag, "get_template_env")))


with DAG("fails", schedule=None, on_failure_callback=look) as dag:

    @task(on_failure_callback=look)
    def fail():
        raise ValueError("no")

    fail()

if __name__ == "__main__":
    dag.test()
    print("of the task:", *seen[0])
    print("of the DAG:", *seen[1])
    sys.exit(seen != [("DAG", True), ("SerializedDAG", False)])
DAG
export AIRFLOW_HOME=$folder/home AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_FOLDER=$folder/dags
bin/airflow db migrate >migrate.log 2>&1 || { cat migrate.log; exit 1; }
bin/python dags/fails.py 2>test.log | grep "^of the" || { tail test.log; exit 1; }
