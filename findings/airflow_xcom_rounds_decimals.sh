#!/usr/bin/env bash
# Apache Airflow 3.3.2 (task SDK 1.3.2): a Decimal that goes through XCom comes back as a Decimal, with the value that a
# float has. The type is written down beside the value, so one would think that the value is kept exactly, as a text.
# It is written as a JSON number, an integer where it has no fraction and a float where it has one.
#
# Seen: 1.10 comes back as 1.1, 12345678901234567.89 as 12345678901234568, and 100 of 1E+2. An amount of money should
# leave a task as a text.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check apache-airflow-core==3.3.2 apache-airflow-task-sdk==1.3.2
cd "$folder"
AIRFLOW_HOME=$folder/home bin/python - <<'PYTHON'
import json
from decimal import Decimal

from airflow.sdk.serde import deserialize, serialize

seen = {}
for text in ("1.10", "12345678901234567.89", "1E+2"):
    arrived = deserialize(json.loads(json.dumps(serialize(Decimal(text)))))
    assert type(arrived) is Decimal
    seen[text] = str(arrived)
    print(f"{text} comes back as {arrived}")
assert seen == {"1.10": "1.1", "12345678901234567.89": "12345678901234568", "1E+2": "100"}
PYTHON
