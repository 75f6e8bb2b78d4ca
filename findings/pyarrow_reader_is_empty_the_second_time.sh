#!/usr/bin/env bash
# pyarrow 26.0.1: a RecordBatchReader that was read to its end. A stream can't be read twice, so one would think that the
# second reading raises, as reading from a file that was closed does.
#
# Seen: it gives a table with the right schema and no rows, and so does a reader that was read and closed. A step that is
# repeated with the same reader loads nothing and succeeds. Keep what makes the reader, not the reader.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
cd "$folder"
bin/python - <<'PYTHON'
import pyarrow as pa

reader = pa.table({"number": [1, 2]}).to_reader()
counts = [reader.read_all().num_rows, reader.read_all().num_rows, sum(batch.num_rows for batch in reader)]
print("rows of three readings:", *counts)
assert counts == [2, 0, 0]

reader.close()
assert reader.read_all().num_rows == 0
PYTHON
