#!/usr/bin/env bash
# requests 2.34.2 (urllib3 2.8.0) in a task of Airflow 3.3.2: the first request of the process. urllib3 copies the
# headers of a request. Those of requests are a CaseInsensitiveDict, whose copy() hands a view of its values to
# MutableMapping.update(), and that asks isinstance(view, Mapping). One would think that this is a look-up.
#
# Seen (Python 3.11): for a type that it has not met since a class was last registered with any ABC, it asks every
# subclass of Mapping in the process, and each of them its own. One copy asks 12 times in a plain Python, 52 times where
# Airflow's task runner is imported, 98 times in a Celery worker with some providers. Each forked task asks anew, and
# each class that is asked costs it a copy of a page of memory. `dict(headers)` asks nobody.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check requests==2.34.2 urllib3==2.8.0 \
  apache-airflow-core==3.3.2 apache-airflow-task-sdk==1.3.2
cd "$folder"
cat >ask.py <<'PYTHON'
import sys
from abc import ABCMeta

from requests.structures import CaseInsensitiveDict

if "airflow" in sys.argv:
    import airflow.sdk.execution_time.task_runner  # noqa: F401

headers = CaseInsensitiveDict({"Accept": "a", "User-Agent": "b", "Content-Length": "1"})
CaseInsensitiveDict.register(type("One", (), {}))  # as an import may do: what is not a mapping is forgotten


def questions(copy):
    asked = 0

    def note(frame, event, argument):
        nonlocal asked
        asked += event == "call" and frame.f_code is ABCMeta.__subclasscheck__.__code__

    sys.setprofile(note)
    copied = copy()
    sys.setprofile(None)
    assert dict(copied) == dict(headers)
    return asked


first, second, as_dict = questions(headers.copy), questions(headers.copy), questions(lambda: dict(headers))
print(f"{first} questions, then {second}; for dict(headers): {as_dict}")
assert second == as_dict == 0
assert first > 30 if "airflow" in sys.argv else 0 < first < 30
PYTHON
export AIRFLOW_HOME=$folder/home
bin/python -W ignore ask.py
bin/python -W ignore ask.py airflow
