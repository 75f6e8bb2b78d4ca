#!/bin/sh
# Install what the tests use and pip has not, where it is missing:
#
#   install_debian.sh servers   redis-server, PostgreSQL and MariaDB. Debian's packages start a server of their own on the
#                               usual port where they can; nothing here uses that one.
#   install_debian.sh browser   Chromium, and letters for it to write with.
set -eu

missing=
case "$1" in
  servers)
    command -v redis-server >/dev/null || missing="$missing redis-server"
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
    [ -x /usr/sbin/mariadbd ] || command -v mariadbd >/dev/null || missing="$missing mariadb-server"
    ;;
  browser)
    command -v chromium >/dev/null || missing="$missing chromium fonts-liberation"
    ;;
esac
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || {
  echo "missing:$missing; there is no apt-get here: install them by hand" >&2
  exit 1
}
as_root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || {
    echo "missing:$missing; install them as root: apt-get install$missing" >&2
    exit 1
  }
  as_root=sudo
fi

echo "installing$missing"
output=$(mktemp)
trap 'rm -f "$output"' EXIT
install() {
  # Another apt may be at work: wait for it.
  $as_root apt-get -qq -o DPkg::Lock::Timeout=300 update &&
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
      apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing
}
install >"$output" 2>&1 || {
  cat "$output" >&2
  exit 1
}
