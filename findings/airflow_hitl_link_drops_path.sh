#!/usr/bin/env bash
# apache-airflow-providers-standard 1.21.0 with Airflow 3.3.2: the link to the form of a human-in-the-loop task, where
# Airflow is served below a path (`[api] base_url = https://example.org/airflow`). All other links of Airflow keep that
# path, so one would think that this one does.
#
# Seen: the link is https://example.org/dags/...: host and scheme are taken, the path is not. A run id goes into it as it
# is, although that of a run that was started by hand has a plus sign and colons. And the option is the text that Python
# writes for a list, ['Approve'], where one would expect one query parameter for each option.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check apache-airflow-core==3.3.2 apache-airflow-task-sdk==1.3.2 \
  apache-airflow-providers-standard==1.21.0
cd "$folder"
AIRFLOW_HOME=$folder/home bin/python - <<'PYTHON'
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

from airflow.providers.standard.operators.hitl import ApprovalOperator

task = ApprovalOperator(task_id="ask", subject="Go on?")
instance = SimpleNamespace(
    dag_id="campaign", run_id="manual__2026-01-01T00:00:00+00:00", task_id="ask", map_index=-1
)
link = task.generate_link_to_ui(
    task_instance=instance, base_url="https://example.org/airflow", options="Approve"
)
print(link)
parts = urlsplit(link)
assert parts.path == (
    "/dags/campaign/runs/manual__2026-01-01T00:00:00+00:00/tasks/ask/required_actions"
)
assert parse_qs(parts.query) == {"_options": ["['Approve']"], "map_index": ["-1"]}
PYTHON
