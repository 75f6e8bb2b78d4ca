#!/usr/bin/env bash
# pandas 3.1.1, numpy 2.4.6: a missing time, and a time of nanoseconds, on their way to JSON. One would think that a test
# such as isinstance(value, datetime) is true of times alone, and that .item() of a numpy time is a datetime.
#
# Seen: pandas.NaT is a datetime and a date, and its isoformat() is the text "NaT", which then stands in the JSON as if it
# were a value. numpy's .item() gives a datetime for microseconds, and a bare int for nanoseconds; a duration does
# the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pandas==3.1.1
cd "$folder"
bin/python - <<'PYTHON'
from datetime import date, datetime, timedelta

import numpy
import pandas

print("NaT:", isinstance(pandas.NaT, datetime), isinstance(pandas.NaT, date), pandas.NaT.isoformat())
assert isinstance(pandas.NaT, datetime)
assert isinstance(pandas.NaT, date)
assert pandas.NaT.isoformat() == "NaT"

for unit, kind in (("s", datetime), ("us", datetime), ("ns", int)):
    item = numpy.datetime64("2026-01-01T00:00:00", unit).item()
    print(f"datetime64[{unit}].item():", repr(item))
    assert type(item) is kind
assert type(numpy.timedelta64(90, "s").item()) is timedelta
assert numpy.timedelta64(90, "ns").item() == 90
PYTHON
