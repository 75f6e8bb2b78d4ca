#!/usr/bin/env bash
# Python 3.11 http.client, urllib3 2.8.0: a body that ends before its Content-Length, as a connection that breaks leaves it. read() raises
# IncompleteRead, so one would think that read(amount) does, too, once it meets the end.
#
# Seen: read(amount) and readinto() give what came and raise nothing, then or at the next call, which gives nothing more.
# Whoever reads a body in pieces, to bound its size, has to count and compare by himself; urllib3 does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check urllib3==2.8.0
cd "$folder"
bin/python - <<'PYTHON'
import http.client
import socket
import threading

import urllib3

BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
server = socket.create_server(("127.0.0.1", 0))


def serve():
    for _ in range(4):
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(BODY)


threading.Thread(target=serve, daemon=True).start()


def read(how):
    connection = http.client.HTTPConnection(*server.getsockname())
    connection.request("GET", "/")
    try:
        return how(connection.getresponse())
    finally:
        connection.close()


try:
    read(lambda answer: answer.read())
except http.client.IncompleteRead as error:
    print("read():", repr(error))
else:
    raise AssertionError("read() took half of a body")
for name, how in (
    ("read(10)", lambda answer: (answer.read(10), answer.read(10))),
    ("readinto()", lambda answer: (answer.readinto(bytearray(10)), answer.readinto(bytearray(10)))),
):
    found = read(how)
    print(f"{name}: {found}")
    assert found in ((b"half", b""), (4, 0))

pool = urllib3.HTTPConnectionPool(*server.getsockname(), retries=False)
try:
    pool.request("GET", "/", preload_content=False).read(10)
except urllib3.exceptions.ProtocolError as error:
    print("urllib3, read(10):", error)
else:
    raise AssertionError("urllib3 took half of a body")
PYTHON
