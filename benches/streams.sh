#!/usr/bin/env bash
# Answers from a page over TCP beside NSD, Knot and PowerDNS, and over TLS and HTTPS beside Unbound.
#
#     benches/streams.sh                  five rounds of each, in alternation; medians and ratios
#     ROUNDS=3 SECONDS_EACH=2 WHAT="tcp" benches/streams.sh
#
# 10,000 names of one zone, asked at random, one in ten absent, by dnsperf with 20 connections and 200
# questions under way. dnsperf has a core of its own and may be the slower side: then the rates come
# close to each other, and the truth is at least as far from 1 as the ratio.
#
# Server on one core, load on another; loopback and high ports; all in a scratch directory that is
# removed. Needs dnsperf, knotd, nsd, openssl, pdns_server and unbound (Debian: dnsperf knot nsd openssl
# pdns-server pdns-backend-bind unbound).
. "$(dirname "$0")/common.sh"

names=${NAMES:-10000}
rounds=${ROUNDS:-5}
each=${SECONDS_EACH:-3}
server_core=${SERVER_CORE:-0}
client_core=${CLIENT_CORE:-1}
port=${PORT:-25340}
what=${WHAT:-tcp dot doh}

need dnsperf knotd nsd openssl pdns_server unbound taskset awk
need_djdns
make_scratch

start() { start_on "$server_core" "$scratch/$1.log" "${@:2}"; }

awk -v names="$names" 'BEGIN {
    srand(1)
    for (i = 1; i <= 10 * names; i++)
        printf "%s%07d.bench A\n", rand() < 0.1 ? "x" : "n", 1 + int(rand() * names)
}' > "$scratch/queries"
page_zone "$names" > "$scratch/page.zone"
found "$scratch" "$scratch/page.zone"
# The peers have what the page has, with its SOA and NS.
own "$scratch" page export bench --format zone > "$scratch/zone"
# The same kind of key for Unbound as djdns makes for itself.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -keyout "$scratch/key.pem" -out "$scratch/cert.pem" 2> /dev/null

write_nsd "$port" bench. "minimal-responses: yes"
write_knot "$scratch/knot" "$((port + 1))" "zone:
  - domain: bench.
    file: \"$scratch/zone\""
printf 'zone "bench" { type master; file "%s/zone"; };\n' "$scratch" > "$scratch/pdns.zones"
mkdir "$scratch/pdns"
cat > "$scratch/pdns/pdns.conf" <<CONF
launch=bind
bind-config=$scratch/pdns.zones
local-address=127.0.0.1
local-port=$((port + 2))
socket-dir=$scratch/pdns
receiver-threads=1
distributor-threads=1
webserver=no
CONF
write_unbound "    interface: 127.0.0.1@$((port + 3))
    interface: 127.0.0.1@$((port + 4))
    tls-port: $((port + 3))
    https-port: $((port + 4))
    tls-service-key: \"$scratch/key.pem\"
    tls-service-pem: \"$scratch/cert.pem\"
    incoming-num-tcp: 100" "$(unbound_zone)"

start nsd nsd -d -c "$scratch/nsd.conf"
start knot knotd -c "$scratch/knot/knot.conf"
start powerdns pdns_server --config-dir="$scratch/pdns" --daemon=no --guardian=no
start unbound unbound -d -c "$scratch/unbound.conf"
serve_on "$server_core" "$scratch" serve "${alone[@]}" --dns "127.0.0.1:$((port + 5))" \
    --dot "127.0.0.1:$((port + 6))" --doh "127.0.0.1:$((port + 7))"

declare -A at=(
    [tcp-nsd]=$port [tcp-knot]=$((port + 1)) [tcp-powerdns]=$((port + 2)) [tcp-djdns]=$((port + 5))
    [dot-unbound]=$((port + 3)) [dot-djdns]=$((port + 6))
    [doh-unbound]=$((port + 4)) [doh-djdns]=$((port + 7))
)
declare -A peers=([tcp]="nsd knot powerdns" [dot]="unbound" [doh]="unbound")

perf() {
    local mode=$1 server=$2
    local path=()
    # djdns and Unbound answer at the same path, and by POST.
    [ "$mode" != doh ] || path=(-O "doh-uri=https://localhost/dns-query" -O doh-method=POST)
    taskset -c "$client_core" dnsperf -m "$mode" -s 127.0.0.1 -p "${at[$mode-$server]}" \
        -d "$scratch/queries" "${path[@]}" "${@:3}" 2>&1
}

# Answers per second; void when some are lost or are of another kind than every server's.
measure() {
    local said
    said=$(perf "$1" "$2" -l "$each" -c 20 -q 200)
    awk '
        /Queries lost/ { lost = $3 } /Queries sent/ { sent = $3 }
        /Response codes/ { for (n = 3; n < NF; n++) if ($n == "NOERROR" || $n == "NXDOMAIN") good += $(n + 1) }
        /Queries per second/ { rate = $4 }
        END { if (good < sent - lost || lost > sent / 1000) exit 1; print rate }
    ' <<< "$said" || fail "$2 over $1: answers are missing or wrong: $said"
}

for mode in $what; do
    for server in ${peers[$mode]} djdns; do
        until perf "$mode" "$server" -n 1 -q 1 -l 1 -t 1 | grep -q 'NOERROR'; do
            [ "$SECONDS" -lt 60 ] || fail "$server does not answer over $mode: $(tail -n 3 "$scratch/$server.log")"
            sleep 0.2
        done
    done
done

echo "$names names, $rounds rounds of $each s, $(dnsperf -h 2>&1 | sed -n 's/^Version/dnsperf/p')"
for ((round = 1; round <= rounds; round++)); do
    for mode in $what; do
        for server in ${peers[$mode]} djdns; do
            rate=$(measure "$mode" "$server")
            echo "$rate" >> "$scratch/$mode-$server"
            printf 'round %d, %s: %s %.0f/s\n' "$round" "$mode" "$server" "$rate"
        done
    done
done
for mode in $what; do
    for peer in ${peers[$mode]}; do
        ratio=$(paste "$scratch/$mode-djdns" "$scratch/$mode-$peer" | awk '{ print $1 / $2 }' | median)
        printf 'djdns / %s over %s (more is better) %.2f\n' "$peer" "$mode" "$ratio"
    done
done
