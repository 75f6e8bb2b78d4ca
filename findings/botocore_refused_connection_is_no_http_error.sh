#!/usr/bin/env bash
# botocore 1.43.117: what is raised when the service can't be reached. HTTPClientError is the class of what goes wrong with
# HTTP, its siblings for timeouts and lost connections come from it, so one would think that a refused connection does too.
#
# Seen: EndpointConnectionError comes from ConnectionError of botocore, and not from HTTPClientError; ReadTimeoutError the
# other way round. A handler that lists HTTPClientError catches a slow server and misses one that is down; one that lists
# ConnectionError misses the slow one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check boto3==1.43.117 botocore==1.43.117
cd "$folder"
bin/python - <<'PYTHON'
import socket

import boto3
from botocore.config import Config
from botocore.exceptions import ConnectionError, HTTPClientError

def raised(port, **timeouts):
    client = boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", aws_access_key_id="a",
        aws_secret_access_key="b", config=Config(retries={"total_max_attempts": 1}, proxies={}, **timeouts),
    )
    try:
        client.get_object(Bucket="bucket", Key="key")
    except Exception as error:
        return type(error).__name__, isinstance(error, HTTPClientError), isinstance(error, ConnectionError)

with socket.socket() as closed:
    closed.bind(("127.0.0.1", 0))
    port = closed.getsockname()[1]
refused = raised(port)
with socket.socket() as silent:
    silent.bind(("127.0.0.1", 0))
    silent.listen()
    slow = raised(silent.getsockname()[1], read_timeout=1)
for found in (refused, slow):
    print("%s: HTTPClientError %s, ConnectionError %s" % found)
assert refused == ("EndpointConnectionError", False, True), refused
assert slow == ("ReadTimeoutError", True, False), slow
PYTHON
