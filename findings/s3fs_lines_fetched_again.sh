#!/usr/bin/env bash
# s3fs 2026.9.0 (fsspec 2026.9.0): a file opened with "rb" fetches its blocks several times over when it is read line by
# line. For each line it reads a whole block from where it stands, keeps the line, and goes back; what lies beyond the
# block that it holds is fetched for that and thrown away. One would think that a file object that reads ahead in blocks
# fetches each block once.
#
# Seen, with 2,000,000 bytes in lines of 100 and blocks of 65,536 bytes: 59 requests, 2.9 times the size of the file.
# Within io.BufferedReader(file): once. With the usual block of 50 MiB nothing is fetched twice, but copying a block for
# each line is a hundred times slower than the buffered way.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check s3fs==2026.9.0 fsspec==2026.9.0 "moto[server]==5.2.5"
cd "$folder"
export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1
bin/python - 2>server.log <<'PYTHON'
import io

import s3fs
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
store = s3fs.S3FileSystem(endpoint_url="http://{}:{}".format(*server.get_host_and_port()))
store.mkdir("bucket")
line, lines = b"x" * 99 + b"\n", 20_000
store.pipe("bucket/lines", line * lines)

fetched = []
fetch_range = s3fs.core._fetch_range


def noted(fs, bucket, key, version_id, start, end, **options):
    fetched.append(end - start)
    return fetch_range(fs, bucket, key, version_id, start, end, **options)


s3fs.core._fetch_range = noted
for name, wrap in (("as it is", lambda file: file), ("buffered", io.BufferedReader)):
    fetched.clear()
    with wrap(store.open("bucket/lines", "rb", block_size=65_536)) as file:
        assert sum(1 for _ in file) == lines
    times = sum(fetched) / (len(line) * lines)
    print(f"{name}: {len(fetched)} requests, {times:.1f} times the size of the file")
    assert times > 2 if name == "as it is" else times == 1
server.stop()
PYTHON
