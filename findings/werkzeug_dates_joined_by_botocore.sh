#!/usr/bin/env bash
# Werkzeug 3.1.9 before botocore 1.43.117: an application that sets the header Date of its answer, as stand-ins for object
# stores do. One would think that the server sends that one, and that a client sees one date.
#
# Seen: the development server sends its own Date and the application's after it. botocore joins the two to one text with a
# comma in it, which no parser of dates takes. Whoever reads a server's clock from it, as for a lease, gets none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check werkzeug==3.1.9 boto3==1.43.117 botocore==1.43.117
cd "$folder"
bin/python - <<'PYTHON'
import logging
import threading
from email.utils import parsedate_to_datetime

import boto3
from botocore.config import Config
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

logging.getLogger("werkzeug").setLevel(logging.ERROR)

@Request.application
def application(request):
    return Response(b"content", headers={"Date": "Sun, 01 Nov 2026 00:00:00 GMT", "ETag": '"1"'})

server = make_server("127.0.0.1", 0, application)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = boto3.client(
    "s3", endpoint_url=f"http://127.0.0.1:{server.server_port}", region_name="us-east-1", aws_access_key_id="a",
    aws_secret_access_key="b", config=Config(proxies={}),
)
answer = client.get_object(Bucket="bucket", Key="key")
date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
print("date:", date)
server.shutdown()
assert date.count("GMT") == 2 and date.endswith("Sun, 01 Nov 2026 00:00:00 GMT"), date
try:
    parsed = str(parsedate_to_datetime(date))
except ValueError as error:
    parsed = type(error).__name__
print("parsed:", parsed)
PYTHON
