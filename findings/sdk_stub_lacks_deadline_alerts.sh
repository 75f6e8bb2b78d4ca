#!/usr/bin/env bash
# apache-airflow-task-sdk 1.3.2 under mypy 2.4.1: from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference,
# which stands in Airflow's own documentation of deadline alerts. One would think that a type checker knows the three.
#
# Seen: they are there at run time, and mypy and pyright say that airflow.sdk has no such attribute: the stub
# airflow/sdk/__init__.pyi, which they read in place of the module, does not name them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check apache-airflow-task-sdk==1.3.2 mypy==2.4.1
cd "$folder"
echo 'from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference' > alert.py
bin/python alert.py
bin/mypy --strict --ignore-missing-imports alert.py | tee seen || true
test "$(grep -c 'has no attribute' seen)" = 3
