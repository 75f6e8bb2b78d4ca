#!/usr/bin/env bash
# pyarrow 26.0.1: 24:00 as a time of day. PostgreSQL knows it as the end of a day, and a column of times takes it without
# a word. Python has no such time, so one would think that reading it is an error, as it is for a timestamp of the year
# 10000.
#
# Seen: as_py() makes it 00:00, the beginning of the same day, and so does to_pylist(). A cast to text says that it is out
# of range, as a text instead of an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/bin/python" - <<'PYTHON'
import datetime

import pyarrow as pa

DAY_SECONDS = 86_400
for unit, kind, factor in (("s", pa.time32, 1), ("us", pa.time64, 10**6), ("ns", pa.time64, 10**9)):
    times = pa.array([DAY_SECONDS * factor], kind(unit))
    text = str(times.cast("string")[0])
    print(f"24:00 in {unit}: {times[0].as_py()}, as text: {text}")
    assert times.to_pylist() == [datetime.time(0)]
    assert "out of range" in text

year_10000 = pa.array([253_402_300_800], pa.timestamp("s"))
try:
    print("the year 10000:", year_10000[0].as_py())
except (ValueError, OverflowError) as error:
    print("the year 10000:", type(error).__name__)
else:
    raise AssertionError("no error")
PYTHON
