#!/usr/bin/env bash
# pandas 3.1.1 with pyarrow 26.0.1: a DataFrame offered by Arrow's stream (__arrow_c_stream__), through which DuckDB,
# Polars and pyarrow read it. Its index goes along as a column. One would think that all of it does where it has a name, or
# none of it.
#
# Seen: an index with a name is a column, unless it counts on in equal steps (a RangeIndex), which is what reset_index and
# range() make: that one is left out, name and all. An index with no name is a column called __index_level_0__, unless it is
# a RangeIndex. An index that has the name of a column loses its own and is __index_level_0__ as well, so whoever drops
# columns of such names drops it, even where its values are others.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 pyarrow==26.0.1
"$folder/bin/python" - <<'PYTHON'
import pandas as pd
import pyarrow as pa


def columns(index):
    frame = pd.DataFrame({"a": [1, 2]}, index=index)
    return pa.RecordBatchReader.from_stream(frame).schema.names


seen = {
    "ids with a name": columns(pd.Index([7, 9], name="id")),
    "a range with a name": columns(pd.RangeIndex(7, 9, name="id")),
    "ids without a name": columns(pd.Index([7, 9])),
    "a range without a name": columns(pd.RangeIndex(7, 9)),
    "other values under the name of a column": columns(pd.Index([7, 9], name="a")),
}
for index, names in seen.items():
    print(f"{index}: {names}")
assert list(seen.values()) == [["a", "id"], ["a"], ["a", "__index_level_0__"], ["a"], ["a", "__index_level_0__"]]
PYTHON
