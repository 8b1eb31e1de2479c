#!/usr/bin/env bash
# Answers for names in no page, per second, beside Unbound: cached ones, and such as nobody asked for before.
#
#     benches/forwarded.sh                  five rounds of each, in alternation; medians and ratios
#     ROUNDS=7 SECONDS_EACH=10 benches/forwarded.sh
#
# djdns and Unbound forward to one NSD with 10,000 names; each is asked for all of them once, so that
# the NSD has nothing to do afterwards, and then by dnsperf at random, with 200 questions under way.
# Every other round has EDNS. Then each round has 7,000 names of its own, asked for once, 20 at a time.
# `bench.lan.` is in no page and is not special.
#
# Server on one core, everything else on another; loopback and high ports; all in a scratch
# directory that is removed. Needs nsd, unbound and dnsperf (Debian packages of the same names).
. "$(dirname "$0")/common.sh"

names=${NAMES:-10000}
rounds=${ROUNDS:-5}
each=${SECONDS_EACH:-5}
server_core=${SERVER_CORE:-0}
client_core=${CLIENT_CORE:-1}
port=${PORT:-25310}
new=7000

need nsd unbound dnsperf taskset awk
need_djdns
make_scratch

# TTLs of a day: nothing is asked anew while it is measured.
{
    printf 'bench.lan. 86400 SOA ns.bench.lan. host.bench.lan. 1 3600 600 86400 60\n'
    printf 'bench.lan. 86400 NS ns.bench.lan.\nns.bench.lan. 86400 A 127.0.0.1\n'
    awk -v names="$names" 'BEGIN {
        for (i = 1; i <= names; i++)
            printf "n%07d.bench.lan. 86400 A 10.%d.%d.%d\n", i, int(i / 65536), int(i / 256) % 256, i % 256
    }'
    awk -v names="$((new * rounds))" 'BEGIN {
        for (i = 0; i < names; i++) printf "new%07d.bench.lan. 86400 A 192.0.2.%d\n", i, i % 256
    }'
} > "$scratch/zone"
awk -v names="$names" 'BEGIN {
    srand(1)
    for (i = 1; i <= 10 * names; i++) printf "n%07d.bench.lan A\n", 1 + int(rand() * names)
}' > "$scratch/queries"
awk -v names="$names" 'BEGIN { for (i = 1; i <= names; i++) printf "n%07d.bench.lan A\n", i }' \
    > "$scratch/every"

write_nsd "$port" bench.lan. 'database: ""'

# Unbound as it comes, but for one thread, no validation (djdns validates nothing here) and a cache
# that is large enough.
write_unbound "    interface: 127.0.0.1
    port: $((port + 1))
    do-not-query-localhost: no
    do-ip6: no
    msg-cache-size: 64m
    rrset-cache-size: 64m
    outgoing-range: 4096
    num-queries-per-thread: 2048
    so-rcvbuf: 1m" "forward-zone:
    name: \".\"
    forward-addr: 127.0.0.1@$port"

perf() { taskset -c "$client_core" dnsperf -s 127.0.0.1 -p "$1" -d "$2" "${@:3}" 2>&1; }

# Asks for every name until none is lost: then all of them are known.
warm() {
    local lost until=$((SECONDS + 60))
    while :; do
        lost=$(perf "$1" "$scratch/every" -n 1 -q 50 -t 1 | awk '/Queries lost/ { print $3 }' || true)
        [ "$lost" != 0 ] || return 0
        [ "$SECONDS" -lt "$until" ] || fail "port $1 does not answer: $(tail -qn 3 "$scratch"/*.log)"
        sleep 0.2
    done
}

# Names that nobody asked for before this round, $1.
new_names() {
    awk -v from="$((($1 - 1) * new))" -v count="$new" \
        'BEGIN { for (i = from; i < from + count; i++) printf "new%07d.bench.lan A\n", i }'
}

# Answers per second; void when some are lost or are no addresses.
measure() {
    local said
    said=$(perf "$@")
    awk '
        /Queries lost/ { lost = $3 } /Queries sent/ { sent = $3 }
        /Response codes/ { good = ($4 == sent - lost) }
        /Queries per second/ { rate = $4 }
        END { if (!good || lost > sent / 1000) exit 1; print rate }
    ' <<< "$said" || fail "answers are missing or wrong: $said"
}

start_on "$client_core" "$scratch/nsd.log" nsd -d -c "$scratch/nsd.conf"
start_on "$server_core" "$scratch/unbound.log" unbound -d -c "$scratch/unbound.conf"
serve_on "$server_core" "$scratch" serve "${alone[@]}" --dns "127.0.0.1:$((port + 2))" --upstream "127.0.0.1:$port"
warm "$((port + 1))"
warm "$((port + 2))"

# Both at one kind of question; $1 is its name.
compare() {
    local kind=$1 unbound ours
    shift
    unbound=$(measure "$((port + 1))" "$@")
    ours=$(measure "$((port + 2))" "$@")
    echo "$unbound" >> "$scratch/$kind.unbound"
    echo "$ours" >> "$scratch/$kind.djdns"
    awk -v ours="$ours" -v unbound="$unbound" 'BEGIN { print ours / unbound }' >> "$scratch/$kind.ratios"
    printf 'round %d, %s: unbound %.0f/s, djdns %.0f/s\n' "$round" "$kind" "$unbound" "$ours"
}

echo "$names names, $rounds rounds of $each s, $(unbound -V | head -n 1)"
for ((round = 1; round <= rounds; round++)); do
    edns=()
    [ $((round % 2)) -eq 0 ] || edns=(-e)
    compare cached "$scratch/queries" -l "$each" -q 200 "${edns[@]}"
    new_names "$round" > "$scratch/new"
    compare new "$scratch/new" -n 1 -q 20 -t 2
done
for kind in cached new; do
    printf '%s, medians: unbound %.0f/s, djdns %.0f/s; djdns / unbound (more is better) %.2f\n' "$kind" \
        "$(median < "$scratch/$kind.unbound")" "$(median < "$scratch/$kind.djdns")" "$(median < "$scratch/$kind.ratios")"
done
