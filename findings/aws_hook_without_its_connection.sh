#!/usr/bin/env bash
# Airflow 3.3.2 with its Amazon provider 9.39.0 and its Redis provider 4.7.1: a hook whose connection does not exist, as after
# a typing error or in an environment where nobody has made it. One would think that each hook raises AirflowNotFoundException.
#
# Seen: the Redis hook does. The AWS hooks write a warning and go on as whatever identity the process has of its own, from
# variables, a profile or the instance: so a task may read and write as somebody else, in another account, and be green.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check \
  apache-airflow==3.3.2 apache-airflow-providers-amazon==9.39.0 apache-airflow-providers-redis==4.7.1
export AIRFLOW_HOME="$folder/home"
"$folder/bin/airflow" db migrate >/dev/null 2>&1
AWS_ACCESS_KEY_ID=of-the-process AWS_SECRET_ACCESS_KEY=made-up AWS_DEFAULT_REGION=us-east-1 "$folder/bin/python" - <<'PYTHON'
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.providers.redis.hooks.redis import RedisHook

identity = S3Hook(aws_conn_id="no_such_connection").get_session().get_credentials().access_key
print("S3Hook goes on as:", identity)
assert identity == "of-the-process"
try:
    RedisHook(redis_conn_id="no_such_connection").get_conn()
except AirflowNotFoundException as error:
    print("RedisHook:", type(error).__name__)
else:
    raise AssertionError("RedisHook goes on as well")
PYTHON
