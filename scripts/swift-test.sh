#!/usr/bin/env bash
# Runs the Swift tests and prints what failed, where and with which values, and the closing line; on success the closing
# line only. The whole output stays in .build/swift-test.log.
set -uo pipefail
log=.build/swift-test.log
swift test -c release --skip-build "$@" >"$log" 2>&1 </dev/null
status=$?
if ((status != 0)); then
  # An issue, and the comments and values that follow it; a crash leaves no issue, so the end of the output follows too.
  awk '/^✘/ { shown = 12 } /^[◇✔]/ { shown = 0 } shown-- > 0' "$log" | head -400
  echo "--- the last lines of $log:"
  grep -v '^[◇✔]' "$log" | tail -20
fi
grep -E '^interpreter:' "$log"
grep -E '^[✘✔] Test run with' "$log" | tail -1
exit "$status"
