#!/usr/bin/env bash
# pyarrow 26.0.1: how much of a Parquet file is read for its first thousand rows, where one row group holds all rows.
# ParquetFile has buffer_size for that, which is said to turn on buffered reading of column chunks; one would think that
# giving it bounds what is read at once.
#
# Seen: by default (pre_buffer=True) the whole row group is fetched in one read before the first row, with buffer_size or
# without. Only pre_buffer=False together with a buffer_size reads a part. Whoever iterates over batches to hold little
# of a file, or sends its first rows early, has to set both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
cd "$folder"
bin/python - <<'PYTHON'
import io

import pyarrow as pa
import pyarrow.parquet as pq


class Counted(io.BytesIO):
    read_bytes = 0

    def read(self, size=-1):
        found = super().read(size)
        self.read_bytes += len(found)
        return found


rows = 300_000
table = pa.table({"number": range(rows), "text": [f"text {number}" for number in range(rows)]})
stored = io.BytesIO()
pq.write_table(table, stored, compression="none", use_dictionary=False)
content = stored.getvalue()

shares = []
for options in ({}, {"buffer_size": 65_536}, {"pre_buffer": False}, {"buffer_size": 65_536, "pre_buffer": False}):
    file = Counted(content)
    parquet = pq.ParquetFile(file, **options)
    file.read_bytes = 0
    assert next(parquet.iter_batches(1_000)).num_rows == 1_000
    shares.append(file.read_bytes / len(content))
    print(f"{options or 'as it is'}: {shares[-1]:.0%} of the file")
assert min(shares[:3]) > 0.99
assert shares[3] < 0.1
PYTHON
