#!/bin/sh
# Make sure that the npm packages of a folder are there, as its package-lock.json says; Node.js comes from Debian where
# there is none. What cannot be installed is told: its tests skip, or fail in CI.
set -eu
folder=$1
command -v node >/dev/null && command -v npm >/dev/null || sh "$(dirname "$0")/debian.sh" nodejs npm
if ! command -v npm >/dev/null; then
    echo "some tests need Node.js 18 or newer, and npm" >&2
    exit 0
fi
cd "$folder"
# A copy of the lock says what is installed: checking out another commit changes times, not always contents.
cmp -s package-lock.json node_modules/.installed && exit 0
if npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; then
    cp package-lock.json node_modules/.installed
else
    echo "some tests need the npm packages of $folder: npm could not install them" >&2
fi
