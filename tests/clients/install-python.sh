#!/bin/sh
# Installs what requirements.txt names into a virtual environment of its own: install-python.sh DIRECTORY. Quick
# when it is there already. Exit status 75: the package registry cannot be reached; anything else but 0: it cannot be installed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
directory=$1
stamp=$directory/installed

if cmp -s "$here/requirements.txt" "$stamp" && "$directory/bin/python" -c "import rdb, redis" 2>/dev/null; then
    exit 0
fi
if ! python3 -c "import venv, ensurepip" 2>/dev/null; then
    echo "python3 with venv is missing; install it, on Debian:  apt-get install python3 python3-venv" >&2
    exit 1
fi
rm -rf "$directory"
python3 -m venv "$directory"
output=$directory/install.log
if "$directory/bin/pip" install --quiet --prefer-binary --retries 1 --timeout 20 --disable-pip-version-check -r "$here/requirements.txt" >"$output" 2>&1; then
    cp "$here/requirements.txt" "$stamp"
    exit 0
fi
cat "$output" >&2
if grep -qiE "NewConnectionError|NameResolutionError|Failed to establish|name resolution|ConnectTimeout|ReadTimeout|ProxyError|unreachable" "$output"; then
    exit 75
fi
exit 1
