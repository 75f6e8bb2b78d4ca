#!/usr/bin/env bash
# Airflow 3.3.2 (task SDK 1.3.2): a list of secrets that is given to `mask_secret` in one call. It takes lists, and masks
# with one regular expression of all secrets, so one would think that it compiles that expression once.
#
# Seen: it compiles it once for each secret, each time with all secrets so far. 400 secrets of 40 characters take seconds
# of CPU, and the last of these expressions alone a tenth of a second.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check apache-airflow-core==3.3.2 apache-airflow-task-sdk==1.3.2
cd "$folder"
AIRFLOW_HOME=$folder/home bin/python - <<'PYTHON'
import re
import secrets
import time

from airflow.sdk.log import mask_secret, redact

compile_really, compiled = re.compile, []


def compile_noted(pattern, *args):
    compiled.append(pattern)
    return compile_really(pattern, *args)


texts = [secrets.token_hex(20) for _ in range(400)]
mask_secret("warm-up")
re.compile = compile_noted
began = time.process_time()
mask_secret(texts)
took = time.process_time() - began
re.compile = compile_really
re.purge()
began = time.process_time()
re.compile(compiled[-1])
print(f"{len(compiled)} expressions, {took:.2f} s; the last of them alone {time.process_time() - began:.3f} s")
assert len(compiled) == len(texts)
assert all(text in compiled[-1] for text in texts)
assert redact(texts[0]) == "***"
PYTHON
