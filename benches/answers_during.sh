#!/usr/bin/env bash
# How long UDP answers take while a page of a million names is imported, or while a page is changed a
# hundred times a second, beside an idle daemon.
#
#     benches/answers_during.sh import
#     benches/answers_during.sh changes
#     NAMES=100000 ROUNDS=3 benches/answers_during.sh import
#
# Prints p50, p99, p99.9 and the longest of both, round by round, and the medians of the ratios of p99
# and p99.9: they should be at most 2. All of the daemon shares one core, which is the hard case: its
# work is done on the core that answers. The load generator has another.
. "$(dirname "$0")/common.sh"

case "${1:-}" in
    import | changes) ;;
    *) echo "usage: $0 import|changes" >&2; exit 2 ;;
esac
export SERVER_CORE=${SERVER_CORE:-0}
client_core=${CLIENT_CORE:-1}
need cargo taskset

cargo build --release --quiet --bin djdns
exec taskset -c "$client_core" cargo bench --quiet --bench answers_during -- "$1"
