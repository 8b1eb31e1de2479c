#!/usr/bin/env bash
# How long UDP answers take while a page of a million names is imported, beside an idle daemon.
#
#     benches/answers_during_import.sh
#     NAMES=100000 ROUNDS=3 benches/answers_during_import.sh
#
# Prints p50, p99, p99.9 and the longest of both, round by round, and the median of the ratios of
# p99.9: it should be at most 2. All of the daemon shares one core, which is the hard case: its
# import works on the core that answers. The load generator has another.
set -euo pipefail
cd "$(dirname "$0")/.."

export SERVER_CORE=${SERVER_CORE:-0}
client_core=${CLIENT_CORE:-1}
command -v taskset >/dev/null || { echo "$0: taskset is missing" >&2; exit 1; }

cargo build --release --quiet --bin djdns
exec taskset -c "$client_core" cargo bench --quiet --bench answers_during_import
