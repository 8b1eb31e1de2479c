#!/usr/bin/env bash
# Answers from a page over UDP beside NSD, Knot and the barest loop there can be.
#
#     benches/answers.sh                 five rounds of each, in alternation; medians and ratios
#     NAMES=10000 ROUNDS=3 SECONDS_EACH=2 benches/answers.sh
#
# 10,000 names of one zone, asked at random, one in ten absent, half with EDNS, letters of random case.
# Rates are the most answers per second with 512 questions under way; latencies at 20,000 questions per
# second; floods offer more than anybody can answer. A thousand answers are compared with NSD's first.
# When the bare loop is less than 1.15 times as fast as NSD, the machine hides the difference: void.
#
# Server on one core, load on another; loopback and high ports; all in a scratch directory that is
# removed. Needs nsd and knotd (Debian: nsd knot).
. "$(dirname "$0")/common.sh"

names=${NAMES:-10000}
rounds=${ROUNDS:-5}
each=${SECONDS_EACH:-3}
server_core=${SERVER_CORE:-0}
client_core=${CLIENT_CORE:-1}
port=${PORT:-25320}
what=${WHAT:-peak latency flood}

need nsd knotd taskset awk
need_djdns
need_answers
make_scratch

start() { start_on "$server_core" "$scratch/$1.log" "${@:2}"; }

page_zone "$names" > "$scratch/page.zone"
found "$scratch" "$scratch/page.zone"
# The peers have what the page has, with its SOA and NS.
own "$scratch" page export bench --format zone > "$scratch/zone"
write_nsd "$port" bench. "minimal-responses: yes"
write_knot "$scratch/knot" "$((port + 1))" "zone:
  - domain: bench.
    file: \"$scratch/zone\""

start nsd nsd -d -c "$scratch/nsd.conf"
start knot knotd -c "$scratch/knot/knot.conf"
start bare "$answers" bare "127.0.0.1:$((port + 2))"
serve_on "$server_core" "$scratch" serve --dns "127.0.0.1:$((port + 3))" "${alone[@]}"
declare -A at=([nsd]=$port [knot]=$((port + 1)) [bare]=$((port + 2)) [djdns]=$((port + 3)))
order=(nsd djdns knot bare)

load() { taskset -c "$client_core" "$answers" "$1" "127.0.0.1:${at[$2]}" "$names" "${@:3}"; }
# Whoever starts last answers within seconds.
same() { taskset -c "$client_core" "$answers" same "127.0.0.1:${at[djdns]}" "127.0.0.1:${at[nsd]}" "$names"; }
for ((try = 0; ; try++)); do
    ! same 2> "$scratch/same" || break
    [ "$try" -lt 50 ] || fail "djdns and NSD do not say the same: $(cat "$scratch/same" "$scratch/nsd.log")"
    sleep 0.2
done

# Ratios of the first column of two files, line by line.
ratio() { paste "$scratch/$1" "$scratch/$2" | awk -v c="${3:-1}" '{ split($0, v, "\t"); split(v[1], a, " "); split(v[2], b, " "); print a[c] / b[c] }' | median; }

echo "$names names, $rounds rounds of $each s, $(nsd -v 2>&1 | head -n 1), $(knotd --version)"
for ((round = 1; round <= rounds; round++)); do
    for mode in $what; do
        rates=(0)
        case $mode in latency) rates=(20000) ;; flood) rates=(350000 600000) ;; esac
        for rate in "${rates[@]}"; do
            for server in "${order[@]}"; do
                arguments=("$each")
                [ "$rate" = 0 ] || arguments+=("$rate")
                load "$mode" "$server" "${arguments[@]}" >> "$scratch/$mode-$rate-$server"
                printf '%s %s %s: %s\n' "$mode" "$rate" "$server" "$(tail -n 1 "$scratch/$mode-$rate-$server")"
            done
        done
    done
done
show() { printf '%-44s %.2f\n' "$1" "$2"; }
for mode in $what; do
    case $mode in
        peak)
            for server in "${order[@]}"; do
                awk '{ if ($2 > $4 / 1000 || $3 > 0) bad = 1 } END { exit bad }' "$scratch/peak-0-$server" ||
                    echo "void: $server lost questions or answered wrongly"
            done
            show "bare / NSD (void under 1.15)" "$(ratio peak-0-bare peak-0-nsd)"
            show "djdns / NSD, answers per second" "$(ratio peak-0-djdns peak-0-nsd)"
            show "djdns / Knot" "$(ratio peak-0-djdns peak-0-knot)"
            show "djdns / bare" "$(ratio peak-0-djdns peak-0-bare)" ;;
        latency)
            for column in 1 2 3; do
                words=(x p50 p99 p99.9)
                show "djdns / NSD, ${words[column]} at 20,000/s" "$(ratio latency-20000-djdns latency-20000-nsd "$column")"
            done ;;
        flood)
            for rate in 350000 600000; do
                show "djdns / NSD, answers with $rate/s offered" "$(ratio "flood-$rate-djdns" "flood-$rate-nsd")"
                [ ! -e "$scratch/peak-0-djdns" ] ||
                    show "  of its own peak" "$(ratio "flood-$rate-djdns" peak-0-djdns)"
            done ;;
    esac
done
