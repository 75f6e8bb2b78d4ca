#!/usr/bin/env bash
# pyarrow 26.0.1, DuckDB 2.0.1, Polars 2.1.0: what becomes of a duration of 90 seconds. Parquet has no type for it; Arrow
# writes down beside the number what it was, so one would think that each reader of Parquet gives it back, or refuses.
#
# Seen: pyarrow and Polars read a duration. DuckDB reads a whole number, 90000000, without a word about its unit. pyarrow
# itself loses the unit where the column becomes text: the same 90 seconds are "90" or "90000000", as the column's unit
# is, and never "1:30". Write a duration as text or as seconds, in a column whose name says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1
cd "$folder"
bin/python - <<'PYTHON'
import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq

columns = {unit: pa.array([90 * scale], pa.duration(unit)) for unit, scale in (("s", 1), ("us", 10**6))}
pq.write_table(pa.table({"waited": columns["us"]}), "waits.parquet")

((number,),) = duckdb.sql("SELECT waited FROM 'waits.parquet'").fetchall()
print("DuckDB reads", repr(number))
assert number == 90_000_000

read = polars.read_parquet("waits.parquet")["waited"][0]
print("Polars reads", repr(read))
assert read.total_seconds() == 90
assert pq.read_table("waits.parquet")["waited"][0].as_py() == read

texts = {unit: column.cast(pa.string())[0].as_py() for unit, column in columns.items()}
print("as text:", texts)
assert texts == {"s": "90", "us": "90000000"}
PYTHON
