#!/bin/sh
# Every shell script is as shellcheck wants it.
set -eu
cd "$(dirname "$0")/../.."
grep -rlE '^#!/bin/(ba)?sh' .ci deploy tests | xargs shellcheck
echo "checked"
