#!/bin/sh
# Installs what building, running and testing need, on Debian and its relatives. Arguments: the programs that must be there.
# Without root it says what to install and fails.
set -eu

package_of() {
    case "$1" in
        cc) echo gcc libc6-dev ;;
        redis-server) echo redis-server ;;
        redis-cli | redis-benchmark) echo redis-tools ;;
        perf) echo linux-perf ;;
        addr2line) echo binutils ;;
        *) echo "$1" ;;
    esac
}

is_there() {
    case "$1" in
        # No program: two modules that Debian keeps apart from the interpreter.
        python3-venv) python3 -c "import venv, ensurepip" >/dev/null 2>&1 ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing=""
for program in "$@"; do
    if ! is_there "$program"; then
        if [ "$program" = cargo ]; then
            echo "cargo is missing: install Rust 1.88 or later (rustup, or your system's package)" >&2
            exit 1
        fi
        missing="$missing $(package_of "$program")"
    fi
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "missing; install as root:  apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

# A freshly installed redis-server would be started and take port 6379; the policy keeps the package from doing so.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
echo "installing:$missing"
apt-get update -qq
# Package names, meant to be split.
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
