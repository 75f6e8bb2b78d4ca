#!/usr/bin/env bash
# pyarrow 26.0.1: a time of day with nanoseconds (time64[ns], what Parquet files of other writers hold) can be read without
# pandas only if its nanoseconds are zero; with pandas 3.0.3 it can, and the nanoseconds are lost without a word. The
# message without pandas promises "nanosecond support" with it, and for timestamps and durations that is true.
#
# Seen for 12:34:56.123456789: ValueError without pandas, datetime.time(12, 34, 56, 123456) with it. A column that worked
# for a million rows fails at the first one that has a nanosecond.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
cat >"$folder/times.py" <<'PYTHON'
import datetime
import importlib.util

import pyarrow

SECONDS = (12 * 60 + 34) * 60 + 56
TIME = datetime.time(12, 34, 56, 123_456)


def read(nanoseconds):
    try:
        return pyarrow.array([SECONDS * 10**9 + nanoseconds], pyarrow.time64("ns"))[0].as_py()
    except ValueError as error:
        return type(error).__name__


with_pandas = importlib.util.find_spec("pandas") is not None
whole, odd = read(123_456_000), read(123_456_789)
timestamp = pyarrow.scalar(1_700_000_000_123_456_789, pyarrow.timestamp("ns"))
print(f"{'with' if with_pandas else 'without'} pandas: {whole!r} and {odd!r}")
assert whole == TIME
if with_pandas:
    assert odd == TIME
    assert timestamp.as_py().nanosecond == 789
else:
    assert odd == "ValueError"
PYTHON
"$folder/bin/python" "$folder/times.py"
"$folder/bin/pip" install --quiet --disable-pip-version-check pandas==3.0.3
"$folder/bin/python" "$folder/times.py"
