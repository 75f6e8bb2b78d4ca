#!/usr/bin/env bash
# Python 3.11 sqlite3, DuckDB 2.0.1: rows of a query with two columns of one name, as a join with two stars has. One would
# think that a row by name holds the last one, as a dict made of names and values does, or that the name is refused.
#
# Seen: sqlite3.Row gives the first one by name and has both by number; dict(row) holds the first, dict(zip(keys, row))
# the last. DuckDB renames the second in a data frame ("id_1") and keeps two columns of one name in an Arrow table. So
# the same query gives three answers for row["id"]; name the columns apart in the query.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 pandas==3.1.1 pyarrow==26.0.1
cd "$folder"
bin/python - <<'PYTHON'
import sqlite3

import duckdb

QUERY = "SELECT 1 AS id, 2 AS id"
connection = sqlite3.connect(":memory:")
connection.row_factory = sqlite3.Row
row = connection.execute(QUERY).fetchone()
print("sqlite3.Row:", row["id"], tuple(row), dict(row), dict(zip(row.keys(), row)))
assert row["id"] == 1
assert tuple(row) == (1, 2)
assert dict(row) == {"id": 1}
assert dict(zip(row.keys(), row)) == {"id": 2}

names = list(duckdb.sql(QUERY).df().columns), duckdb.sql(QUERY).to_arrow_table().column_names
print("DuckDB:", *names)
assert names == (["id", "id_1"], ["id", "id"])
PYTHON
