#!/usr/bin/env bash
# pyarrow 26.0.1, fastparquet 2026.9.0 with pandas 3.1.1: times as INT96, which Spark, Hive and Impala write. The type holds
# a day and the nanoseconds of it, and so each year that there is. One would think that a reader either has it or says no.
#
# Seen: pyarrow counts nanoseconds from 1970 unless it is told coerce_int96_timestamp_unit, and lets them overflow: the
# last day of 9999, by which many a table says "for ever", is read as one of 1816. fastparquet writes what pandas 3 counts in
# microseconds as if it were nanoseconds: 2026 becomes 1970.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1 fastparquet==2026.9.0 pandas==3.1.1
cd "$folder"
bin/python - <<'PYTHON'
import fastparquet
import pandas
import pyarrow as pa
import pyarrow.parquet as pq

for_ever = pa.array([253_402_214_400_000_000], pa.timestamp("us"))
pq.write_table(pa.table({"until": for_ever}), "until.parquet", use_deprecated_int96_timestamps=True)
as_it_is = pq.ParquetFile("until.parquet").read()["until"][0]
told = pq.ParquetFile("until.parquet", coerce_int96_timestamp_unit="us").read()["until"][0]
print("pyarrow:", as_it_is, "or", told)
assert str(as_it_is).startswith("1816-")
assert str(told).startswith("9999-12-31")

frame = pandas.DataFrame({"at": pandas.to_datetime(["2026-01-31"])})
assert str(frame["at"].dtype) == "datetime64[us]"
fastparquet.write("at.parquet", frame, times="int96")
read = fastparquet.ParquetFile("at.parquet").to_pandas()["at"][0]
print("fastparquet:", frame["at"][0], "is read as", read)
assert read.year == 1970
PYTHON
