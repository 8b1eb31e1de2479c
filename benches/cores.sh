#!/usr/bin/env bash
# Whether a second core answers as much from a page over UDP as the first.
#
#     benches/cores.sh                    five rounds of each, in alternation; medians and ratios
#     SERVER_CORES=0,1 CLIENT_CORES=2,3 benches/cores.sh
#
# djdns runs on one core, then on two, with the questions of benches/answers.sh. Where there are cores
# left for the load (four in all), the rates are compared. Everywhere the answers per second of processor
# time are: where two workers wait for nothing that the other has, one answer takes as long as before, and
# two cores answer twice as much. The barest loop there can be does the same beside it: what it loses with a
# second core is the machine's.
#
# Loopback and high ports; all in a scratch directory that is removed.
. "$(dirname "$0")/common.sh"

names=${NAMES:-10000}
rounds=${ROUNDS:-5}
each=${SECONDS_EACH:-3}
cores=$(nproc)
server_cores=${SERVER_CORES:-0,1}
client_cores=${CLIENT_CORES:-$([ "$cores" -ge 4 ] && echo 2,3 || echo 1)}
port=${PORT:-25360}

[ "$cores" -ge 2 ] || fail "this machine has one core"
need taskset awk
need_djdns
need_answers
make_scratch

page_zone "$names" > "$scratch/page.zone"
found "$scratch" "$scratch/page.zone"

load() { taskset -c "$client_cores" "$answers" peak "127.0.0.1:$port" "$names" "$1"; }
# Clock ticks that the server worked, in user space and in the kernel.
ticks() { awk '{ print $14 + $15 }' "/proc/$server/stat"; }

start() {
    case $1 in
        djdns) serve_on "$2" "$scratch" serve --dns "127.0.0.1:$port" "${alone[@]}" ;;
        bare) start_on "$2" "$scratch/bare.log" "$answers" bare "127.0.0.1:$port" ;;
    esac
}

# One line of what $1 does on the cores $2: answers a second, and answers per second of processor time.
measure() {
    local before said
    start "$@"
    for ((try = 0; ; try++)); do
        if said=$(load 0.1 2> /dev/null) && awk '{ exit !($1 > 0) }' <<< "$said"; then break; fi
        [ "$try" -lt 100 ] || fail "$1 does not answer: $said $(cat "$scratch/$1.log")"
        sleep 0.1
    done
    before=$(ticks)
    said=$(load "$each")
    awk -v ticks=$(($(ticks) - before)) -v each="$each" -v hertz="$(getconf CLK_TCK)" \
        '{ if ($3 > 0) exit 1; print $1, $1 * each * hertz / ticks }' <<< "$said" ||
        fail "$1 answered wrongly: $said"
    kill "$server"
    wait "$server" 2>/dev/null || true
}

echo "$names names, $rounds rounds of $each s, $cores cores (answers a second, and per second of processor time)"
for ((round = 1; round <= rounds; round++)); do
    for who in djdns bare; do
        # Not in a shell of their own, which would not end the server when it fails.
        measure "$who" "${server_cores%%,*}" > "$scratch/one"
        measure "$who" "$server_cores" > "$scratch/two"
        read -r one < "$scratch/one"
        read -r two < "$scratch/two"
        echo "round $round: $who, one core $one, two cores $two"
        awk '{ print $3 / $1, $4 / $2 }' <<< "$one $two" >> "$scratch/$who"
    done
done
for who in djdns bare; do
    [ "$cores" -lt 4 ] ||
        printf '%-5s two cores / one, answers a second             %.2f\n' "$who" "$(awk '{ print $1 }' "$scratch/$who" | median)"
    printf '%-5s two cores / one, per second of processor time %.2f\n' "$who" "$(awk '{ print $2 }' "$scratch/$who" | median)"
done
