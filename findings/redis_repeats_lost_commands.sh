#!/usr/bin/env bash
# redis-py: how often a command is sent whose answer is lost depends on the release. INCR is not safe to repeat: a server
# that did it and lost its connection before the answer has counted again each time. One would think that a client sends
# such a command once, or that this changes with a setting and not with an upgrade.
#
# Seen with the defaults of redis.Redis(): redis 5.3.1: once; 6.4.0: 4 times; 7.4.0: 4 times; 8.1.0: 11 times.
# redis.Redis(retry=Retry(NoBackoff(), 0)) sends it once in all of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/lost.py" <<'PYTHON'
import socket
import sys
import threading

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

counted = 0


def talk(connection):
    """Answer a client, but do what INCR wants and hang up instead of answering."""
    global counted
    with connection, connection.makefile("rb") as lines:
        while head := lines.readline():
            command = [lines.read(int(lines.readline()[1:]) + 2)[:-2] for _ in range(int(head[1:]))]
            if command[0] == b"INCRBY":
                counted += 1
                return
            connection.sendall(b"+OK\r\n")


def serve(listener):
    while True:
        threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
seen = []
for options in ({}, {"retry": Retry(NoBackoff(), 0)}):
    counted = 0
    client = redis.Redis(port=listener.getsockname()[1], protocol=2, **options)
    try:
        client.incr("counter")
    except redis.ConnectionError:
        seen.append(counted)
print(f"redis {redis.__version__}: counted {seen[0]} times; {seen[1]} without retries")
assert seen == [int(sys.argv[1]), 1], seen
PYTHON
for expected in redis==5.3.1:1 redis==6.4.0:4 redis==7.4.0:4 redis==8.1.0:11; do
  package=${expected%:*}
  python3 -m venv "$folder/$package"
  "$folder/$package/bin/pip" install --quiet --disable-pip-version-check "$package"
  "$folder/$package/bin/python" "$folder/lost.py" "${expected#*:}"
done
