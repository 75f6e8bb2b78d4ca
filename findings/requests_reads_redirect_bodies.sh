#!/usr/bin/env bash
# requests 2.34.2 (urllib3 2.8.0): with stream=True and allow_redirects=False, the body of a redirect is read to its end,
# and kept in memory, before the caller has the answer. One would think that stream=True leaves every body unread, and
# that a redirect that is not followed is an answer like any other. To fill in Response.next, requests takes the first
# step of following it, and that step begins with reading the body.
#
# Seen, for bodies of 8,000,000 bytes: 0 bytes read of the one with status 200, all of the one with 302.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check requests==2.34.2 urllib3==2.8.0
cd "$folder"
bin/python - <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

SIZE = 8_000_000


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(self.path[1:]))
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        try:
            self.wfile.write(bytes(SIZE))
        except OSError:
            pass  # the client has read enough

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
read = {}
for status in (200, 302):
    address = f"http://127.0.0.1:{server.server_port}/{status}"
    with requests.get(address, stream=True, allow_redirects=False) as answer:
        read[status] = answer.raw.tell()
        print(f"{status}: {read[status]:,} bytes were read before anybody asked for the body")
assert read == {200: 0, 302: SIZE}
PYTHON
