#!/bin/sh
# Make sure that Debian packages are there: install them as root, name them otherwise. Their tests skip, or fail in CI.
set -eu
missing=""
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    # A package must not start its service: the tests start servers of their own on free ports.
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod +x "$policy" && trap 'rm -f "$policy"' EXIT; }
    apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing
else
    echo "some tests need these Debian packages:$missing" >&2
    echo "  sudo apt-get install$missing" >&2
fi
