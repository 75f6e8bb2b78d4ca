#!/usr/bin/env bash
# Starlette 1.10.0 under uvicorn 0.54.0: an application that is mounted below another one changes the query of its scope,
# to hand its own routes less than it got. The log of requests is written by the server, two layers above, so one would
# think that it shows what the client sent.
#
# Seen: the log shows the query as the mounted application left it, since all layers share one scope, and the server reads
# it when the answer starts. A sub-application can keep a token out of the log of its server in this way; and whoever
# rewrites a scope for another reason falsifies the log unless he copies it first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check starlette==1.10.0 uvicorn==0.54.0
cd "$folder"
bin/python - <<'PYTHON'
import logging
import socket
import threading
import time
import urllib.request

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

copies = False


async def answer(request):
    return PlainTextResponse("ok")


inner = Starlette(routes=[Route("/path", answer)])


async def mounted(scope, receive, send):
    if copies:
        scope = dict(scope)
    scope["query_string"] = b"changed=1"
    await inner(scope, receive, send)


lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
logger = logging.getLogger("uvicorn.access")
logger.addHandler(handler)
listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(Starlette(routes=[Mount("/sub", mounted)]), log_config=None))
logger.setLevel(logging.INFO)
threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
while not server.started:
    time.sleep(0.05)
address = f"http://127.0.0.1:{listener.getsockname()[1]}/sub/path?sent=1"
urllib.request.urlopen(address).read()
copies = True
urllib.request.urlopen(address).read()
server.should_exit = True
seen = [line.split('"')[1] for line in lines]
print(*seen, sep="\n")
assert seen == ["GET /sub/path?changed=1 HTTP/1.1", "GET /sub/path?sent=1 HTTP/1.1"]
PYTHON
