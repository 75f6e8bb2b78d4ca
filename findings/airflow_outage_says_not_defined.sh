#!/usr/bin/env bash
# Airflow 3.3.2 (task SDK 1.3.2): a connection is looked up in the metadata database, and the database can't be reached. One
# would expect the error of the database, or one that says that the look-up failed.
#
# Seen: `AirflowNotFoundException: The conn_id ... isn't defined`, the same as for a connection that nobody has added. The
# error of the database is in the log, at level DEBUG. So what answers this error by "unknown" or by a default gives the
# wrong answer during an outage.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check apache-airflow-core==3.3.2 apache-airflow-task-sdk==1.3.2
cd "$folder"
export AIRFLOW_HOME=$folder/home AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=sqlite:///$folder/data/airflow.db
mkdir data
bin/airflow db migrate >/dev/null 2>&1
bin/airflow connections add there --conn-uri http://127.0.0.1:1 >/dev/null 2>&1
cat >look.py <<'PYTHON'
import shutil

from airflow.models.connection import Connection


def seen(conn_id):
    try:
        return str(Connection.get_connection_from_secrets(conn_id).host)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


print("database up:  ", seen("there"), "|", seen("nowhere"))
from airflow import settings

settings.dispose_orm()
shutil.move("data", "away")
settings.configure_orm()
down = seen("there")
print("database down:", down)
assert down == "AirflowNotFoundException: The conn_id `there` isn't defined", down
PYTHON
bin/python -W ignore look.py 2>/dev/null
