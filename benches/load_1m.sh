#!/usr/bin/env bash
# How long until a page of a million names answers, how much memory it takes and how many answers a second
# it gives, beside Knot, NSD and Unbound with the same zone.
#
#     benches/load_1m.sh                 five rounds of each, in alternation; medians and ratios
#     NAMES=10000 ROUNDS=3 benches/load_1m.sh
#     benches/load_1m.sh --peer-only     only the peers: to see whether the machine is quiet enough
#
# These spans are measured, each from starting a program to what it promises:
#   knot, nsd, unbound   zone file to first answer: they parse the text at every start
#   djdns found          `page create --zone`: parse, check, sign, state root, durable on disk; once
#   djdns start          `serve`, the founded page to first answer: it reads the log, and writes an image at its end
#   djdns again          `serve` once more, from the image, to first answer: what an operator waits for
#   djdns whole          the same until the log is read as well, and commands are answered
# The honest comparisons are found + start beside a peer's first start, and again beside every later
# one. The first answer is to the last name of the file. Memory is the process's peak (VmHWM). Then answers
# are counted as benches/answers.sh does: at random, one in ten absent, 512 under way.
#
# Server on one core, everything else on another; loopback and high ports; all in a scratch
# directory that is removed. Needs knotd, kdig, nsd and unbound (Debian: knot knot-dnsutils
# nsd unbound).
. "$(dirname "$0")/common.sh"

names=${NAMES:-1000000}
rounds=${ROUNDS:-5}
server_core=${SERVER_CORE:-0}
client_core=${CLIENT_CORE:-1}
djdns_port=${DJDNS_PORT:-25300}
peers=(knot nsd unbound)
declare -A ports=([knot]=$((djdns_port + 10)) [nsd]=$((djdns_port + 11)) [unbound]=$((djdns_port + 12)))
rate_seconds=${RATE_SECONDS:-2}
wait_seconds=${WAIT_SECONDS:-300}
# More on a machine so busy that kdig itself does not start in time.
ask_seconds=${ASK_SECONDS:-0.05}

peer_only=no
case "${1:-}" in
    "") ;;
    --peer-only) peer_only=yes ;;
    *) echo "usage: $0 [--peer-only]" >&2; exit 2 ;;
esac

need knotd kdig nsd unbound taskset awk
[ "$peer_only" = yes ] || need_djdns
need_answers
make_scratch

# The same names for all; only the SOA and NS that a page makes by itself are added for the peers.
write_peers() {
    page_zone "$names" > "$scratch/page.zone"
    whole_zone "$scratch/page.zone" > "$scratch/zone"
    write_knot "$scratch/knot" "${ports[knot]}" "template:
  - id: default
    storage: \"$scratch\"
    zonefile-load: whole
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: bench
    file: \"$scratch/zone\""
    write_nsd "${ports[nsd]}" bench. "minimal-responses: yes"
    write_unbound "    interface: 127.0.0.1
    port: ${ports[unbound]}
    minimal-responses: yes" "$(unbound_zone)"
}

start_of() {
    case $1 in
        knot) measure_start "${ports[knot]}" "$scratch/knot.log" knotd -c "$scratch/knot/knot.conf" ;;
        nsd) measure_start "${ports[nsd]}" "$scratch/nsd.log" nsd -d -c "$scratch/nsd.conf" ;;
        unbound) measure_start "${ports[unbound]}" "$scratch/unbound.log" unbound -d -c "$scratch/unbound.conf" ;;
    esac
}

# Asks for the last name until the expected address comes, or the server is gone, or time is up.
wait_for_answer() {
    local port=$1 log=$2 last expected until=$((SECONDS + wait_seconds))
    last=$(printf 'n%07d.bench.' "$names")
    expected=$(address "$names")
    # A server may bind before it has loaded and never answer what came too early; kdig itself
    # would wait a whole second for it. So times are good to about 50 ms, for both alike.
    until [ "$(taskset -c "$client_core" timeout "$ask_seconds" kdig +short +time=1 +retry=0 \
        @127.0.0.1 -p "$port" "$last" A 2>/dev/null)" = "$expected" ]; do
        kill -0 "$server" 2>/dev/null || fail "the server ended: $(tail -n 3 "$log" 2>/dev/null)"
        [ "$SECONDS" -lt "$until" ] || fail "no answer from port $port in $wait_seconds s"
        sleep 0.005
    done
}

# The peak of a process and of those that it started: NSD answers from a child, which shares what it has
# with its parent, so that the largest counts.
peak_kib() {
    local pid
    for pid in "$1" $(pgrep -P "$1" || true) $(pgrep -P "$(pgrep -d, -P "$1" || echo 0)" || true); do
        awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null || true
    done | sort -n | tail -n 1
}

# Starts "$@" on the server's core; leaves its time to the first answer in `took` (us), that until the
# command `settle` has ended in `whole` (us), its peak memory after that in `peak` (KiB), and answers a
# second in `rate` if they are to be counted.
settle=true
counted=no
measure_start() {
    local port=$1 log=$2 started
    shift 2
    started=$(now_us)
    start_on "$server_core" "$log" "$@"
    wait_for_answer "$port" "$log"
    took=$(($(now_us) - started))
    $settle > /dev/null 2>&1
    whole=$(($(now_us) - started))
    peak=$(peak_kib "$server")
    rate=0
    [ "$counted" = no ] || rate=$(taskset -c "$client_core" "$answers" peak "127.0.0.1:$port" "$names" "$rate_seconds" | awk '{ print $1 }')
    kill "$server"
    wait "$server" 2>/dev/null || true
}

# A directory and a home of its own for every round: nothing is found that was left behind.
measure_found() {
    local home=$1 started
    mkdir -p "$home/data"
    own "$home" key new bench > "$home/log" 2>&1 \
        || fail "key new: $(tail -n 3 "$home/log")"
    started=$(now_us)
    at_home "$home" taskset -c "$server_core" "$djdns" --data-dir "$home/data" \
        page create bench --participant bench --zone "$scratch/page.zone" \
        > "$home/id" 2> "$home/log" \
        || fail "page create: $(tail -n 3 "$home/log")"
    took=$(($(now_us) - started))
    # The name is trusted directly: no page above links it. Not timed, as it is done once.
    own "$home" page join bench "$(head -n 1 "$home/id")" > "$home/log" 2>&1 \
        || fail "page join: $(tail -n 3 "$home/log")"
}

# `serve` in the directory of a round.
measure_serve() {
    local home=$1
    measure_start "$djdns_port" "$home/log" env HOME="$home" XDG_CONFIG_HOME="$home/config" \
        XDG_DATA_HOME="$home/share" "$djdns" --data-dir "$home/data" serve --dns "127.0.0.1:$djdns_port" "${alone[@]}"
}

# A command waits until all is read.
list_pages() {
    at_home "$home" taskset -c "$client_core" "$djdns" --data-dir "$home/data" page list
}

column_median() { awk -v what="$1" -v column="$2" '$1 == what { print $column }' "$scratch/results" | median; }

report() {
    local what=$1 time peak rate
    rate=$(column_median "$what" 4)
    time=$(column_median "$what" 2)
    peak=$(column_median "$what" 3)
    awk -v what="$what" -v us="$time" -v kib="$peak" -v rate="$rate" 'BEGIN {
        gsub("_", " ", what)
        printf "%-12s %9.3f s", what, us / 1e6
        if (kib > 0) printf " %8.1f MiB", kib / 1024
        if (rate > 0) printf " %9d/s", rate
        print ""
    }'
}

ratio() {
    awk -v text="$1" -v a="$2" -v b="$3" 'BEGIN { printf "%-52s %.2f\n", text, a / b }'
}

record() { printf '%s %s %s %s\n' "$1" "$took" "$2" "$rate" >> "$scratch/results"; }

write_peers
echo "$names names, $rounds rounds, $(knotd --version)"

for ((round = 1; round <= rounds; round++)); do
    counted=yes
    for peer in "${peers[@]}"; do
        start_of "$peer"
        record "$peer" "$peak"
    done
    counted=no rate=0
    if [ "$peer_only" = no ]; then
        home=$scratch/home$round
        measure_found "$home"
        record djdns_found 0
        measure_serve "$home"
        record djdns_start "$peak"
        settle=list_pages counted=yes
        measure_serve "$home"
        settle=true counted=no
        record djdns_again 0
        took=$whole
        record djdns_whole "$peak"
        rm -rf "$home"
    fi
    awk -v round="$round" -v last="$([ "$peer_only" = yes ] && echo 3 || echo 7)" '
        { line[NR] = $1 " " $2 / 1e6 " s" }
        END { printf "round %d:", round; for (i = NR - last + 1; i <= NR; i++) printf "  %s", line[i]; print "" }
    ' "$scratch/results"
done

echo "medians of $rounds:"
for peer in "${peers[@]}"; do report "$peer"; done
if [ "$peer_only" = no ]; then
    report djdns_found
    report djdns_start
    report djdns_again
    report djdns_whole
    for peer in "${peers[@]}"; do
        ratio "djdns again / $peer start (less is better)" "$(column_median djdns_again 2)" "$(column_median "$peer" 2)"
        ratio "djdns start / $peer start" "$(column_median djdns_start 2)" "$(column_median "$peer" 2)"
        ratio "djdns whole / $peer, memory" "$(column_median djdns_whole 3)" "$(column_median "$peer" 3)"
        ratio "djdns whole / $peer, answers a second (more is better)" "$(column_median djdns_whole 4)" "$(column_median "$peer" 4)"
    done
    ratio "djdns found / knot start" "$(column_median djdns_found 2)" "$(column_median knot 2)"
fi
