#!/usr/bin/env bash
# Polars 2.1.0, pyarrow 26.0.1: a column of UUIDs, or of any other objects of Python, on its way to another library. Polars
# calls its type Object. One would think that Arrow's interchange, which has no such type, refuses the column.
#
# Seen: it gives 8 bytes for each value, without a word of what they are: where the object is in the memory of the process.
# pyarrow takes them for a column of fixed_size_binary[8], and writes them to Parquet.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0 pyarrow==26.0.1
cd "$folder"
bin/python - <<'PYTHON'
import uuid

import polars
import pyarrow as pa

value = uuid.uuid4()
frame = polars.DataFrame({"id": polars.Series([value], dtype=polars.Object)})
table = pa.table(frame)
told = table["id"][0].as_py()
print(table.schema.field("id").type, table.schema.field("id").metadata, told, "for", value)
assert table.schema.field("id").type == pa.binary(8)
assert table.schema.field("id").metadata is None
assert told not in value.bytes
PYTHON
