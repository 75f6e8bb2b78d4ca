#!/usr/bin/env bash
# Apache Airflow 3.3.2 (task SDK 1.3.2): an operator that names a field of its own in get_serialized_fields(), as
# ExternalTaskMarker does. One would think that a field with a mapping comes back as one with a text does, since a
# serialized DAG may hold both.
#
# Seen: the DAG is serialized without an error; for a mapping it can't be read again (DeserializationError, for a missing
# "__var"): what is written is the plain mapping, and what is read has to be one that is marked as such. A text comes back.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check apache-airflow-core==3.3.2 apache-airflow-task-sdk==1.3.2 \
  apache-airflow-providers-standard==1.21.0
cd "$folder"
cat > fields.py <<'PYTHON'
import sys

from airflow.sdk import DAG, BaseOperator
from airflow.serialization.serialized_objects import DagSerialization


class Declares(BaseOperator):
    def __init__(self, *, declared, **kwargs):
        super().__init__(**kwargs)
        self.declared = declared

    @classmethod
    def get_serialized_fields(cls):
        return frozenset(super().get_serialized_fields()) | {"declared"}


def came_back(value):
    with DAG("d", schedule=None) as dag:
        Declares(task_id="t", declared=value)
    written = DagSerialization.to_dict(dag)
    try:
        return repr(DagSerialization.from_dict(written).get_task("t").declared)
    except Exception as error:
        return type(error).__name__


found = came_back('{"name": "x"}'), came_back({"name": "x"})
print("a text:", found[0])
print("a mapping:", found[1])
sys.exit(found != (repr('{"name": "x"}'), "DeserializationError"))
PYTHON
export AIRFLOW_HOME=$folder/home
bin/python fields.py 2>log || { cat log; exit 1; }
