#!/bin/sh
# Installs what some tests need and pip has not, where it is missing and this user may install: Debian's Chromium, for
# tests/unit/report, and OpenLDAP's server, for tests/spark/test_serve.py. Tests are skipped without.
set -eu

missing=
found=${CHROMIUM:-}
for name in chromium chromium-browser google-chrome chrome; do
    if command -v "$name" >/dev/null; then found=$name; fi
done
if [ -z "$found" ]; then missing="chromium fonts-dejavu-core"; fi
if ! PATH="$PATH:/usr/sbin" command -v slapd >/dev/null; then missing="$missing slapd"; fi

if [ -z "$missing" ]; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not there, and not to be installed here: $missing. Tests that need them will be skipped." >&2
    exit 0
fi
echo "Installing $missing (once) ..."
apt-get update -qq
# At run level 1 no service is started: tests start a server of their own.
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
