#!/bin/sh
# Every C file is as .clang-format wants it.
set -eu
cd "$(dirname "$0")/../.."
find proxy include tests -name '*.[ch]' -exec clang-format --dry-run --Werror {} +
echo "formatted"
