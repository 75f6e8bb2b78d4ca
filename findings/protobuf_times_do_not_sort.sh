#!/usr/bin/env bash
# protobuf 7.36.2: the JSON form of a Timestamp. It is RFC 3339 in UTC with "Z", so one would think that its texts sort as
# the times do, and that a cursor or a "latest by id" can compare them as texts.
#
# Seen: a fraction is written with 0, 3, 6 or 9 digits, as few as will do. "." comes before "Z", so a whole second sorts
# after all the other times of that second. Compare times, or pad the texts first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check protobuf==7.36.2
cd "$folder"
bin/python - <<'PYTHON'
from google.protobuf.timestamp_pb2 import Timestamp

texts = []
for nanoseconds in (0, 1_000, 1_000_000, 999_999_999):
    texts.append(Timestamp(seconds=1_767_225_600, nanos=nanoseconds).ToJsonString())
print("in order of time:", *texts)
print("in order of text:", *sorted(texts))
assert [len(text) for text in texts] == [20, 27, 24, 30]
assert sorted(texts)[-1] == texts[0] == "2026-01-01T00:00:00Z"
PYTHON
