#!/usr/bin/env bash
# s3fs 2026.9.0 (fsspec 2026.9.0): an exception inside `with store.open(path, "wb")` publishes what was written so far.
# An object of a store is there as a whole or not at all, so one would think that a block that fails leaves the old object
# in its place. But leaving the block closes the file, and closing uploads.
#
# Seen: the object that was there before is replaced by half of the new one. Within `with store.transaction:` it is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check s3fs==2026.9.0 fsspec==2026.9.0 "moto[server]==5.2.5"
cd "$folder"
export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1
bin/python - 2>server.log <<'PYTHON'
import contextlib

import s3fs
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
store = s3fs.S3FileSystem(endpoint_url="http://{}:{}".format(*server.get_host_and_port()))
store.mkdir("bucket")
for name, way in (("plain", contextlib.nullcontext()), ("transaction", store.transaction)):
    store.pipe(f"bucket/{name}", b"what was there before")
    with contextlib.suppress(LookupError), way, store.open(f"bucket/{name}", "wb") as file:
        file.write(b"the first half, ")
        raise LookupError("the second half can't be had")
    store.invalidate_cache()
    print(f"{name}: {store.cat(f'bucket/{name}')!r}")
assert store.cat("bucket/plain") == b"the first half, "
assert store.cat("bucket/transaction") == b"what was there before"
server.stop()
PYTHON
