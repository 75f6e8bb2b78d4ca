#!/usr/bin/env bash
# CPython 3.11, 3.12 and 3.13 (requests 2.34.2, urllib3 2.8.0): what a call costs by how deep it stands. One would think
# that depth does not matter until the recursion limit is met.
#
# Frames live in chunks of 16 KiB. A frame that does not fit takes another chunk from the operating system, and gives it
# back when it ends; no chunk is kept for the next. So a loop that stands at the end of a chunk pays for a mapping and a
# page fault with each function that it calls.
#
# Seen, of 300 depths: at 298, a thousand calls of an empty function meet no page fault; at 2, they meet a thousand, and
# take more than a hundred times as long. Preparing one request meets none, or 26. Each thread begins anew. A function
# whose frame is larger than a chunk (`code.replace(co_stacksize=4200)`) gets a larger one, where more fits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check requests==2.34.2 urllib3==2.8.0
cat >"$folder/depths.py" <<'PYTHON'
import resource
import sys
import time

import requests

assert (3, 11) <= sys.version_info < (3, 14), f"not known of Python {sys.version_info[:2]}"


def leaf():
    pass


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def calls():
    for _ in range(1000):
        leaf()


def prepares():
    requests.Request("PUT", "http://127.0.0.1/path?a=b", json={"c": 1}, headers={"D": "e"}).prepare()


def measured(work):
    before, began = faults(), time.perf_counter()
    work()
    return faults() - before, time.perf_counter() - began


def at(depth, work):
    return measured(work) if depth == 0 else at(depth - 1, work)


def in_large_frame(depth, work):
    return at(depth, work)


in_large_frame.__code__ = in_large_frame.__code__.replace(co_stacksize=4200)
for work in (calls, prepares):
    for start in (at, in_large_frame):
        start(290, work)
        found = [start(depth, work) for depth in range(100 if start is in_large_frame else 300)]
        met = [count for count, _ in found]
        usual = sorted(seconds for _, seconds in found)[len(found) // 2]
        slowest = max(seconds for _, seconds in found)
        name = f"{work.__name__} {start.__name__}"
        print(f"{name}: {min(met)} to {max(met)} faults; at most {slowest / usual:.0f} x usual")
        if start is in_large_frame:
            assert max(met) < 100
        else:
            assert min(met) < 10
            assert max(met) >= (1000 if work is calls else 20)
PYTHON
"$folder/bin/python" "$folder/depths.py"
