#!/usr/bin/env bash
# pyarrow 26.0.1, DuckDB 2.0.1, Polars 2.1.0: a decimal of more than 38 digits in a Parquet file. pyarrow writes it as
# decimal256. One would think that a reader whose own decimals end at 38 digits refuses the column.
#
# Seen: Polars refuses. DuckDB reads it as DOUBLE, so that of 44 digits 17 are left, and says nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1
cd "$folder"
bin/python - <<'PYTHON'
from decimal import Decimal

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq

amount = Decimal("12345678901234567890123456789012345678901234.56")
pq.write_table(pa.table({"amount": pa.array([amount], pa.decimal256(50, 2))}), "amounts.parquet")
assert pq.read_table("amounts.parquet")["amount"][0].as_py() == amount

((kind, read),) = duckdb.sql("SELECT typeof(amount), amount FROM 'amounts.parquet'").fetchall()
print("DuckDB:", kind, read)
assert (kind, read) == ("DOUBLE", 1.2345678901234568e43)

try:
    polars.read_parquet("amounts.parquet")
except polars.exceptions.InvalidOperationError as error:
    print("Polars:", error)
else:
    raise AssertionError("Polars read it")
PYTHON
