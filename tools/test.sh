#!/usr/bin/env bash
# Sets up, builds and runs all tests; the last line is ctest's count. Usage: tools/test.sh [release|debug|asan|coverage]
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh

preset=${1:-release}
case $preset in
  release | debug | asan | coverage) ;;
  *) printf 'usage: tools/test.sh [release|debug|asan|coverage], not "%s"\n' "$preset" >&2; exit 2 ;;
esac

install_packages
build "$preset"

say "running the tests"
log=build/$preset/ctest.log
status=0
ctest --preset "$preset" --parallel "$(build_jobs)" 2>&1 | tee "$log" || status=$?
grep -E '^[0-9]+% tests passed' "$log" || die "ctest ran no tests"
exit "$status"
