#!/usr/bin/env bash
# Python 3.11 json, orjson 3.13.0, pyarrow 26.0.1, DuckDB 2.0.1: the number 1e999, which is well-formed JSON. json has
# parse_constant for what is no number (NaN, Infinity), so one would think that it also sees to a number that is too big.
#
# Seen: json.loads makes infinity of it, parse_constant is not asked, and json.dumps writes it back as Infinity, which is
# no JSON. DuckDB casts it to infinity as well. orjson and pyarrow refuse the document. Nobody rounds it to the largest
# double.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 orjson==3.13.0 pyarrow==26.0.1
cd "$folder"
bin/python - <<'PYTHON'
import io
import json

import duckdb
import orjson
import pyarrow as pa
import pyarrow.json

asked = []
read = json.loads("[1e999, -1e999]", parse_constant=asked.append)
print("json:", read, "written back as", json.dumps(read))
assert read == [float("inf"), float("-inf")]
assert asked == []
assert json.dumps(read) == "[Infinity, -Infinity]"

((number,),) = duckdb.sql("SELECT '1e999'::JSON::DOUBLE").fetchall()
print("DuckDB:", number)
assert number == float("inf")

for name, parse, error in (
    ("orjson", orjson.loads, orjson.JSONDecodeError),
    ("pyarrow", lambda text: pa.json.read_json(io.BytesIO(text)), pa.ArrowInvalid),
):
    try:
        parse(b'{"a": 1e999}')
    except error as refusal:
        print(f"{name}: {refusal}")
    else:
        raise AssertionError(f"{name} read it")
PYTHON
