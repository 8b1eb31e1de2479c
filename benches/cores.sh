#!/usr/bin/env bash
# Whether a second core answers as much from a page over UDP as the first.
#
#     benches/cores.sh                    five rounds of each, in alternation; medians and ratios
#     SERVER_CORES=0,1 CLIENT_CORES=2,3 benches/cores.sh
#
# djdns runs on one core, then on two, with the questions of benches/answers.sh. Where there are cores
# left for the load (four in all), the rates are compared. Everywhere the answers per second of processor
# time are: where two workers wait for nothing that the other has, one answer takes as long as before, and
# two cores answer twice as much.
#
# Loopback and high ports; all in a scratch directory that is removed.
set -euo pipefail
cd "$(dirname "$0")/.."

names=${NAMES:-10000}
rounds=${ROUNDS:-5}
each=${SECONDS_EACH:-3}
cores=$(nproc)
server_cores=${SERVER_CORES:-0,1}
client_cores=${CLIENT_CORES:-$([ "$cores" -ge 4 ] && echo 2,3 || echo 1)}
port=${PORT:-25360}
djdns=${DJDNS:-target/release/djdns}

fail() { printf '%s: %s\n' "$0" "$*" >&2; exit 1; }

[ "$cores" -ge 2 ] || fail "this machine has one core"
[ -x "$djdns" ] || fail "$djdns is missing: cargo build --release"
answers=${ANSWERS:-$(cargo build --release --bench answers --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*answers-[^"]*\)".*/\1/p' | tail -n 1)}
[ -x "$answers" ] || fail "the load generator does not build: cargo build --release --bench answers"

scratch=$(mktemp -d)
server=
cleanup() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

ours() { HOME="$scratch" XDG_CONFIG_HOME="$scratch" XDG_DATA_HOME="$scratch" "$djdns" --data-dir "$scratch/data" "$@"; }
awk -v names="$names" 'BEGIN {
    print "$ORIGIN bench.\n$TTL 3600"
    for (i = 1; i <= names; i++)
        printf "n%07d A 10.%d.%d.%d\n", i, int(i / 65536), int(i / 256) % 256, i % 256
}' > "$scratch/page.zone"
ours key new bench > /dev/null
id=$(ours page create bench --participant bench --zone "$scratch/page.zone" 2> "$scratch/log" | head -n 1)
[ -n "$id" ] || fail "the page was not founded: $(cat "$scratch/log")"
ours page join bench "$id" > /dev/null

load() { taskset -c "$client_cores" "$answers" peak "127.0.0.1:$port" "$names" "$1"; }
# Clock ticks that the server worked, in user space and in the kernel.
ticks() { awk '{ print $14 + $15 }' "/proc/$server/stat"; }

# One line: answers a second, and answers per second of processor time.
measure() {
    local before said
    HOME="$scratch" XDG_CONFIG_HOME="$scratch" XDG_DATA_HOME="$scratch" taskset -c "$1" "$djdns" \
        --data-dir "$scratch/data" serve --dns "127.0.0.1:$port" --listen off --http off \
        > "$scratch/djdns.log" 2>&1 < /dev/null &
    server=$!
    for ((try = 0; ; try++)); do
        if said=$(load 0.1 2> /dev/null) && awk '{ exit !($1 > 0 && $3 == 0) }' <<< "$said"; then break; fi
        [ "$try" -lt 100 ] || fail "djdns does not answer: $said $(cat "$scratch/djdns.log")"
        sleep 0.1
    done
    before=$(ticks)
    said=$(load "$each")
    awk -v ticks=$(($(ticks) - before)) -v each="$each" -v hertz="$(getconf CLK_TCK)" \
        '{ print $1, $1 * each * hertz / ticks }' <<< "$said"
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=
}

median() { sort -n | awk '{ v[NR] = $1 } END { m = int((NR + 1) / 2); print NR % 2 ? v[m] : (v[m] + v[m + 1]) / 2 }'; }

echo "$names names, $rounds rounds of $each s, $cores cores"
for ((round = 1; round <= rounds; round++)); do
    # Not in a shell of their own, which would not end the server when it fails.
    measure "${server_cores%%,*}" > "$scratch/one"
    measure "$server_cores" > "$scratch/two"
    read -r one < "$scratch/one"
    read -r two < "$scratch/two"
    echo "round $round: one core $one, two cores $two (answers a second, and per second of processor time)"
    awk '{ print $3 / $1, $4 / $2 }' <<< "$one $two" >> "$scratch/ratios"
done
[ "$cores" -lt 4 ] ||
    printf 'two cores / one, answers a second            %.2f\n' "$(awk '{ print $1 }' "$scratch/ratios" | median)"
printf 'two cores / one, per second of processor time %.2f\n' "$(awk '{ print $2 }' "$scratch/ratios" | median)"
