#!/usr/bin/env bash
# pytest 9.2.0, pytest-xdist 3.8.0: --dist loadfile keeps the tests of a file together. A hook that puts some files first,
# pytest_collection_modifyitems, decides the order without xdist, so one would think that the workers take the files in it.
#
# Seen: the files with the most tests go first, whatever the order of the collection; the hook's order only decides among
# files of the same size. A file with one test that has to run while the machine is fresh, such as one that forks many
# processes, runs last. --no-loadscope-reorder keeps the order.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pytest==9.2.0 pytest-xdist==3.8.0
mkdir "$folder/tests"
cd "$folder/tests"
cat > conftest.py <<'PYTHON'
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: "test_first" not in item.nodeid)
PYTHON
echo 'def test_it(): pass' > test_first.py
for number in 1 2 3; do echo "def test_$number(): pass"; done > test_many.py
order() { ../bin/python -m pytest -p no:cacheprovider -v "$@" | grep -o 'test_[a-z]*\.py' | uniq | tr '\n' ' '; }
alone=$(order)
spread=$(order -n 1 --dist loadfile)
kept=$(order -n 1 --dist loadfile --no-loadscope-reorder)
printf 'alone: %s\nloadfile: %s\nwithout reordering: %s\n' "$alone" "$spread" "$kept"
test "$alone" = "test_first.py test_many.py "
test "$spread" = "test_many.py test_first.py "
test "$kept" = "test_first.py test_many.py "
