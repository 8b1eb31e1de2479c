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
set -euo pipefail
cd "$(dirname "$0")/.."

names=${NAMES:-10000}
rounds=${ROUNDS:-5}
each=${SECONDS_EACH:-3}
server_core=${SERVER_CORE:-0}
client_core=${CLIENT_CORE:-1}
port=${PORT:-25340}
djdns=${DJDNS:-target/release/djdns}
what=${WHAT:-tcp dot doh}

fail() { printf '%s: %s\n' "$0" "$*" >&2; exit 1; }

export PATH="$PATH:/usr/sbin:/sbin"
for tool in dnsperf knotd nsd openssl pdns_server unbound taskset awk; do
    command -v "$tool" >/dev/null || fail "$tool is missing: install its Debian package"
done
[ -x "$djdns" ] || fail "$djdns is missing: cargo build --release"

scratch=$(mktemp -d)
servers=()
cleanup() {
    [ "${#servers[@]}" -eq 0 ] || kill "${servers[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

start() { taskset -c "$server_core" "${@:2}" > "$scratch/$1.log" 2>&1 < /dev/null & servers+=("$!"); }
ours() { HOME="$scratch" XDG_CONFIG_HOME="$scratch" XDG_DATA_HOME="$scratch" "$djdns" --data-dir "$scratch/data" "$@"; }

awk -v names="$names" 'BEGIN {
    print "$ORIGIN bench.\n$TTL 3600"
    for (i = 1; i <= names; i++)
        printf "n%07d A 10.%d.%d.%d\n", i, int(i / 65536), int(i / 256) % 256, i % 256
}' > "$scratch/page.zone"
awk -v names="$names" 'BEGIN {
    srand(1)
    for (i = 1; i <= 10 * names; i++)
        printf "%s%07d.bench A\n", rand() < 0.1 ? "x" : "n", 1 + int(rand() * names)
}' > "$scratch/queries"
ours key new bench > /dev/null
id=$(ours page create bench --participant bench --zone "$scratch/page.zone" 2> "$scratch/log" | head -n 1)
[ -n "$id" ] || fail "the page was not founded: $(cat "$scratch/log")"
ours page join bench "$id" > /dev/null
# The peers have what the page has, with its SOA and NS.
ours page export bench --format zone > "$scratch/zone"
# The same kind of key for Unbound as djdns makes for itself.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -keyout "$scratch/key.pem" -out "$scratch/cert.pem" 2> /dev/null

cat > "$scratch/nsd.conf" <<CONF
server:
    ip-address: 127.0.0.1@$port
    username: ""
    zonesdir: "$scratch"
    xfrdir: "$scratch"
    xfrdfile: "$scratch/xfrd"
    zonelistfile: "$scratch/zones"
    pidfile: "$scratch/nsd.pid"
    server-count: 1
    rrl-ratelimit: 0
    minimal-responses: yes
remote-control:
    control-enable: no
zone:
    name: bench.
    zonefile: "$scratch/zone"
CONF
cat > "$scratch/knot.conf" <<CONF
server:
    rundir: "$scratch"
    listen: 127.0.0.1@$((port + 1))
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "$scratch/knot"
zone:
  - domain: bench.
    file: "$scratch/zone"
CONF
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
cat > "$scratch/unbound.conf" <<CONF
server:
    interface: 127.0.0.1@$((port + 3))
    interface: 127.0.0.1@$((port + 4))
    tls-port: $((port + 3))
    https-port: $((port + 4))
    tls-service-key: "$scratch/key.pem"
    tls-service-pem: "$scratch/cert.pem"
    incoming-num-tcp: 100
    directory: "$scratch"
    chroot: ""
    username: ""
    pidfile: "$scratch/unbound.pid"
    use-syslog: no
    num-threads: 1
    module-config: "iterator"
remote-control:
    control-enable: no
auth-zone:
    name: "bench."
    zonefile: "$scratch/zone"
    for-upstream: no
    for-downstream: yes
    fallback-enabled: no
CONF

start nsd nsd -d -c "$scratch/nsd.conf"
start knot knotd -c "$scratch/knot.conf"
start powerdns pdns_server --config-dir="$scratch/pdns" --daemon=no --guardian=no
start unbound unbound -d -c "$scratch/unbound.conf"
start djdns env HOME="$scratch" XDG_CONFIG_HOME="$scratch" XDG_DATA_HOME="$scratch" "$djdns" \
    --data-dir "$scratch/data" serve --listen off --http off --dns "127.0.0.1:$((port + 5))" \
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

median() { sort -n | awk '{ v[NR] = $1 } END { m = int((NR + 1) / 2); print NR % 2 ? v[m] : (v[m] + v[m + 1]) / 2 }'; }

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
