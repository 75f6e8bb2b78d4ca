#!/usr/bin/env bash
# pyarrow 26.0.1: reading JSON lines whose column holds texts that look like times. Everything in quotation marks is a
# text in JSON, so one would think that the column is one of texts unless a schema says otherwise.
#
# Seen: "2026-01-01" and "2026-01-01T00:00:00Z" become timestamp[s]. With milliseconds the column stays text, as with one
# value that is no time. So the type of a column hangs on the rows that happen to be in the file: a day on which no time
# has milliseconds has another schema than the day before, and an ID such as "2026-01-01" is no longer a text. A schema
# for the reader settles it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
cd "$folder"
bin/python - <<'PYTHON'
import io
import json

import pyarrow as pa
import pyarrow.json

def kind(values, **options):
    lines = "\n".join(json.dumps({"value": value}) for value in values)
    return str(pa.json.read_json(io.BytesIO(lines.encode()), **options).schema.field("value").type)

seen = {
    values: kind(values)
    for values in (
        ("2026-01-01",),
        ("2026-01-01T00:00:00Z",),
        ("2026-01-01T00:00:00.123Z",),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Z"),
        ("2026-01-01", "A-17"),
    )
}
for values, found in seen.items():
    print(values, "->", found)
assert list(seen.values()) == ["timestamp[s]", "timestamp[s]", "string", "string", "string"]
options = pa.json.ParseOptions(explicit_schema=pa.schema({"value": pa.string()}))
assert kind(("2026-01-01",), parse_options=options) == "string"
PYTHON
