#!/usr/bin/env bash
# Polars 2.1.0, pyarrow 26.0.1: a column of Int128 on its way to Arrow. Polars offers its frames by Arrow's interchange,
# which is there so that neither side needs to know the other; one would think that a type which Arrow lacks becomes a
# decimal, or that Polars refuses to export it.
#
# Seen: Polars exports a format of its own, "_pli128", and it is the reader that refuses, with a message that names
# neither the column nor its type. Cast such a column before it leaves Polars.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0 pyarrow==26.0.1
cd "$folder"
bin/python - <<'PYTHON'
import polars
import pyarrow as pa

frame = polars.DataFrame({"id": ["a"], "total": polars.Series([1], dtype=polars.Int128)})
for what, read in (
    ("the interchange", lambda: pa.RecordBatchReader.from_stream(frame)),
    ("to_arrow()", frame.to_arrow),
):
    try:
        read()
    except pa.ArrowInvalid as error:
        print(f"{what}: {error}")
        assert "_pli128" in str(error)
        assert "total" not in str(error)
    else:
        raise AssertionError(what)
assert pa.table(frame.cast({"total": polars.Int64})).num_rows == 1
PYTHON
