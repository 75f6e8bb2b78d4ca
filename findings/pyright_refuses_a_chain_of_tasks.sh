#!/usr/bin/env bash
# apache-airflow-task-sdk 1.3.2 under basedpyright 1.40.2 and mypy 2.4.1 --strict: a >> b >> [c, d], which stands in
# Airflow's own tutorials. One would think that type checkers take it, or both refuse it.
#
# Seen: mypy takes it, pyright refuses the second >>. The operator is typed to return either a task or a sequence, and a
# sequence has no >> with a list. Written in two lines, (a >> b; b >> [c, d]), both take it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check apache-airflow-task-sdk==1.3.2 basedpyright==1.40.2 mypy==2.4.1
cd "$folder"
for name in chain lines; do
  cat > $name.py <<'PYTHON'
from airflow.sdk import DAG, BaseOperator

with DAG("chained", schedule=None):
    a, b, c, d = (BaseOperator(task_id=name) for name in "abcd")
PYTHON
done
echo '    a >> b >> [c, d]' >> chain.py
printf '    a >> b\n    b >> [c, d]\n' >> lines.py
errors() { bin/basedpyright --level error --pythonpath bin/python "$1" | grep -o 'reportOperatorIssue' || true; }
echo '{"typeCheckingMode": "standard", "reportUnusedExpression": false}' > pyrightconfig.json
for name in chain lines; do
  mypy=$(bin/mypy --strict --ignore-missing-imports $name.py | tail -1)
  printf '%s: pyright %s; mypy: %s\n' "$name" "$(errors $name.py)" "$mypy"
done
test "$(errors chain.py)" = reportOperatorIssue
test -z "$(errors lines.py)"
bin/mypy --strict --ignore-missing-imports chain.py | grep -q 'no issues found'
