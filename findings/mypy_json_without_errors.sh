#!/usr/bin/env bash
# mypy 2.4.1: `--output json` writes one JSON object on each line, one for each error. So one would think that a file
# without errors gives no line.
#
# Seen: it gives one empty line, and whoever reads line by line gets an error of the JSON parser for a file that is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check mypy==2.4.1
cd "$folder"
echo 'number: int = 1' > right.py
echo 'number: int = "1"' > wrong.py
bin/mypy --output json right.py > right.txt
! bin/mypy --output json wrong.py > wrong.txt
od -c right.txt
[[ $(wc -c < right.txt) == 1 && $(wc -l < wrong.txt) == 1 ]]
