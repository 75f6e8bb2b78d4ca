#!/usr/bin/env bash
# CPython 3.11, 3.12 and 3.13: what a call costs by how deep it stands. One would think that depth does not matter until
# the recursion limit is met.
#
# Frames live in chunks of 16 KiB. A frame that does not fit takes another chunk from the operating system, and gives it
# back when it ends; no chunk is kept for the next. So a loop that stands at the end of a chunk pays for a mapping and a
# page fault with each function that it calls.
#
# Seen, of 300 depths: at 298, a thousand calls of an empty function meet no page fault; at 2, they meet a thousand, and
# take more than a hundred times as long. One re.compile() meets none or more than a hundred. Each thread begins anew. A
# function whose frame is larger than a chunk (`code.replace(co_stacksize=4200)`) gets a larger one, where more fits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/depths.py" <<'PYTHON'
import re
import resource
import sys
import time

assert (3, 11) <= sys.version_info < (3, 14), f"not known of Python {sys.version_info[:2]}"


def leaf():
    pass


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def calls():
    for _ in range(1000):
        leaf()


def compiles():
    re.purge()
    re.compile("one|two|three|[a-z]+four{2,5}|(five|six)")


def measured(work):
    before, began = faults(), time.perf_counter()
    work()
    return faults() - before, time.perf_counter() - began


def at(depth, work):
    return measured(work) if depth == 0 else at(depth - 1, work)


def in_large_frame(depth, work):
    return at(depth, work)


in_large_frame.__code__ = in_large_frame.__code__.replace(co_stacksize=4200)
for work in (calls, compiles):
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
            assert max(met) >= (1000 if work is calls else 100)
PYTHON
python3 "$folder/depths.py"
