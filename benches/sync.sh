#!/usr/bin/env bash
# What it takes to bring a page of a million names to another node, and to keep it in step there,
# beside Knot (AXFR, IXFR) and `git fetch` of the same zone as a file.
#
#     benches/sync.sh                    five rounds of each, in alternation; medians and ratios
#     NAMES=10000 ROUNDS=3 benches/sync.sh
#
# First sync: from starting the second server, with nothing on its disk, to its answer to the last
# name. A copy of djdns checks every entry and the state root, and has it durably on its disk; Knot's
# AXFR checks nothing, and its secondary is told to write no zone file.
# Deltas: bytes that cross the loopback, in both directions, headers included, from the change to when the
# other side has it: 1, 10 and 1000 entries, proposed, approved and sealed on one node of djdns and live
# on the other; the same set in Knot with knotc, NOTIFY and IXFR; the same lines changed in a file,
# committed, and fetched from a `git daemon`. Each set is one step: a batch, a transaction, a commit.
# Turns: how often the direction changes in which something crosses meanwhile; two are a round trip. TCP
# segments without data are none, nor are QUIC packets too small for more than an acknowledgement.
# Live: from starting the command that changes one entry (`djdns propose`, which signs, `knotc`) to the
# answer of the other side to dig.
#
# All of it runs in a network namespace of its own, so that nobody else's bytes are counted: as root, or
# where users may make namespaces. The servers that give are on one core, those that take on the other.
# Needs knotd, knotc (Debian: knot), dig (bind9-dnsutils), git, ip (iproute2), perl, and
# target/release/djdns.
. "$(dirname "$0")/common.sh"

names=${NAMES:-1000000}
rounds=${ROUNDS:-5}
giving_core=${GIVING_CORE:-0}
taking_core=${TAKING_CORE:-1}
wait_seconds=${WAIT_SECONDS:-300}

if [ -z "${DJDNS_BENCH_NAMESPACE:-}" ]; then
    need knotd knotc dig git ip perl taskset awk unshare
    need_djdns
    user=()
    [ "$(id -u)" -eq 0 ] || user=(--map-root-user)
    exec env DJDNS_BENCH_NAMESPACE=1 unshare "${user[@]}" --net "$0" "$@"
fi
ip link set lo up

make_scratch

# Each byte is sent and received on the loopback; what was received is every byte once.
crossed() { awk '$1 == "lo:" { print $2 }' /proc/net/dev; }

# Waits until a server at port $1 says that name number $2 has address $3.
wait_for() {
    local until=$((SECONDS + wait_seconds))
    until [ "$(dig +short +time=1 +tries=1 @127.0.0.1 -p "$1" "$(printf 'n%07d.bench.' "$2")" A \
        2>/dev/null)" = "$3" ]; do
        [ "$SECONDS" -lt "$until" ] || fail "port $1 does not say $3 for name $2 in $wait_seconds s"
        kill -0 "$server" 2>/dev/null || fail "a server ended: $(cat "$scratch"/*/*log | tail -n 3)"
        sleep 0.02
    done
}

stop() { kill "$1" && wait "$1" 2>/dev/null || true; }

# What both have of Knot's configuration; $1 is the directory, $2 what the zone has besides.
knot_zone() {
    cat <<CONF
remote:
  - id: giver
    address: 127.0.0.1@25311
  - id: taker
    address: 127.0.0.1@25312
acl:
  - id: all
    address: 127.0.0.1
    action: [transfer, notify]
zone:
  - domain: bench
    storage: "$1"
    acl: all
    zonefile-sync: -1
$2
CONF
}

knot_giver() {
    write_knot "$scratch/giver" 25311 "$(knot_zone "$scratch/giver" "    file: \"$scratch/knot.zone\"
    notify: taker
    journal-content: changes")"
    start_on "$giving_core" "$scratch/giver/said" knotd -c "$scratch/giver/knot.conf"
    wait_for 25311 "$names" "$(address "$names")"
}

knot_taker() {
    rm -rf "$scratch/taker"
    write_knot "$scratch/taker" 25312 "$(knot_zone "$scratch/taker" "    master: giver
    journal-content: changes")"
    start_on "$taking_core" "$scratch/taker/said" knotd -c "$scratch/taker/knot.conf"
    knot_taker=$server
    wait_for 25312 "$names" "$(address "$names")"
}

# Serves the home $1 on core $2 with DNS at port $3, for peers at the port after it; the rest is added.
djdns_serve() {
    local home=$1 core=$2 port=$3
    shift 3
    serve_on "$core" "$home" --config "$scratch/djdns.toml" serve --dns "127.0.0.1:$port" \
        --listen "127.0.0.1:$((port + 1))" --http off --upstream 127.0.0.1:9 "$@"
}

djdns_giver() {
    local home=$scratch/founder
    found "$home" "$scratch/page.zone" --param seal_interval=1 --param open_operations_max=2000
    djdns_serve "$home" "$giving_core" 25321
    wait_for 25321 "$names" "$(address "$names")"
    own "$home" host bench > /dev/null
}

djdns_taker() {
    local home=$scratch/follower
    rm -rf "$home"
    mkdir -p "$home/data"
    djdns_serve "$home" "$taking_core" 25331 --peer 127.0.0.1:25322
    djdns_taker=$server
    until grep -qs "answers DNS" "$home/djdns.log"; do
        kill -0 "$djdns_taker" 2>/dev/null || fail "$(tail -n 3 "$home/djdns.log")"
        sleep 0.02
    done
    own "$home" page join bench "$page" > "$home/join" 2>&1 || fail "$(cat "$home/join")"
    wait_for 25331 "$names" "$(address "$names")"
}

# Counts turns until it is told to stop, then says how many. A packet on the loopback is seen twice.
cat > "$scratch/turns.pl" <<'PERL'
use strict;
use warnings;
my %gives = map { $_ => 1 } 25311, 25321, 25322, 25341;
my %takes = map { $_ => 1 } 25312, 25331, 25332;
socket(my $all, 17, 3, unpack('n', pack('S', 3))) or die "socket: $!";
setsockopt($all, 1, 20, pack('q q', 0, 100_000)) or die "setsockopt: $!";
my ($turns, $last, $stop) = (0, '', 0);
$SIG{TERM} = sub { $stop = 1 };
$| = 1;
open(my $ready, '>', $ARGV[0]) or die;
close $ready;
while (!$stop) {
    my $from = recv($all, my $frame, 65536, 0);
    next unless defined $from && unpack('x10 C', $from) != 4 && unpack('x12 n', $frame) == 0x800;
    my ($head, $length, $protocol) = (4 * (unpack('x14 C', $frame) & 15), unpack('x16 n x5 C', $frame));
    my ($source, $target) = unpack('x' . (14 + $head) . ' n n', $frame);
    my $data = $length - $head - 8;
    $data = $length - $head - 4 * (unpack('x' . (26 + $head) . ' C', $frame) >> 4) if $protocol == 6;
    my $is_quic = $protocol == 17 && ($source == 25322 || $target == 25322);
    next if $data <= ($is_quic ? 48 : 0);
    my $way = $gives{$target} || $takes{$source} ? 'up' : $gives{$source} || $takes{$target} ? 'down' : next;
    $turns++ if $way ne $last;
    $last = $way;
}
print "$turns\n";
PERL

record() { printf '%s %s %s %s\n' "$1" "$2" "$3" "$4" >> "$scratch/results"; }

# Runs "$@" and leaves its time, what crossed meanwhile and in how many turns under the name $1.
measured() {
    local what=$1 started bytes took came counter
    shift
    rm -f "$scratch/counts"
    perl "$scratch/turns.pl" "$scratch/counts" > "$scratch/turns" & counter=$!
    until [ -e "$scratch/counts" ]; do sleep 0.01; done
    started=$(now_us)
    bytes=$(crossed)
    "$@"
    took=$(($(now_us) - started))
    came=$(($(crossed) - bytes))
    kill "$counter"
    wait "$counter" || true
    record "$what" "$took" "$came" "$(cat "$scratch/turns")"
}

# The same, asked by what does not cross the loopback: Knot's and djdns' own sockets.
knot_has() {
    local until=$((SECONDS + wait_seconds))
    until knotc -c "$scratch/taker/knot.conf" zone-read bench "$(printf 'n%07d' "$1")" A 2>/dev/null \
        | grep -q " $2\$"; do
        [ "$SECONDS" -lt "$until" ] || fail "Knot does not have $2 for name $1 in $wait_seconds s"
        sleep 0.02
    done
}

djdns_has() {
    local until=$((SECONDS + wait_seconds))
    until own "$scratch/follower" resolve "$(printf 'n%07d.bench.' "$1")" A 2>/dev/null \
        | grep -q " $2\$"; do
        [ "$SECONDS" -lt "$until" ] || fail "djdns does not have $2 for name $1 in $wait_seconds s"
        sleep 0.02
    done
}

# Changes of $2 names from number $1 on, to addresses below 192.0.
changed() { printf '192.%d.%d.%d' $((round % 250)) $(($1 / 256 % 256)) $(($1 % 256)); }

knot_change() {
    local n
    {
        printf 'zone-begin bench\n'
        for ((n = $1; n < $1 + $2; n++)); do
            printf 'zone-unset bench n%07d A\nzone-set bench n%07d 3600 A %s\n' "$n" "$n" "$(changed "$n")"
        done
        printf 'zone-commit bench\n'
    } | knotc -c "$scratch/giver/knot.conf" > /dev/null
    knot_has "$(($1 + $2 - 1))" "$(changed "$(($1 + $2 - 1))")"
}

# One name is changed until the other side answers so: what crosses is not counted.
answers() {
    local port=$1 name to until=$((SECONDS + wait_seconds))
    name=$(printf 'n%07d.bench.' "$2")
    to=$(changed "$2")
    until [ "$(dig +short +time=1 +tries=1 @127.0.0.1 -p "$port" "$name" A 2>/dev/null)" = "$to" ]; do
        [ "$SECONDS" -lt "$until" ] || fail "port $port does not say $to for $name in $wait_seconds s"
    done
}

knot_live() {
    printf 'zone-begin bench\nzone-unset bench n%07d A\nzone-set bench n%07d 3600 A %s\nzone-commit bench\n' \
        "$1" "$1" "$(changed "$1")" | knotc -c "$scratch/giver/knot.conf" > /dev/null
    answers 25312 "$1"
}

djdns_live() {
    own "$scratch/founder" propose bench set "$(printf 'n%07d' "$1")" A "$(changed "$1")" \
        > "$scratch/proposed" 2>&1 || fail "$(tail -n 3 "$scratch/proposed")"
    answers 25331 "$1"
}

height() { own "$1" page show bench --json | grep -o '"height":[0-9]*' | head -n 1 | cut -d : -f 2; }

# The same names in the file that the page is made like.
edit_zone() {
    local n
    for ((n = $1; n < $1 + $2; n++)); do printf 'n%07d %s\n' "$n" "$(changed "$n")"; done > "$scratch/lines"
    awk 'NR == FNR { to[$1] = $2; next } $1 in to { $3 = to[$1] } { print }' \
        "$scratch/lines" "$3" > "$scratch/new.zone"
    mv "$scratch/new.zone" "$3"
}

# Proposed and approved by the only participant, sealed by the giving node, and sealed at the other.
djdns_change() {
    local before
    before=$(height "$scratch/follower")
    if [ "$2" -eq 1 ]; then
        own "$scratch/founder" propose bench set "$(printf 'n%07d' "$1")" A "$(changed "$1")" \
            > "$scratch/proposed" 2>&1 || fail "$(tail -n 3 "$scratch/proposed")"
    else
        own "$scratch/founder" propose bench apply "$scratch/page.zone" > "$scratch/proposed" 2>&1 \
            || fail "$(tail -n 3 "$scratch/proposed")"
    fi
    djdns_has "$(($1 + $2 - 1))" "$(changed "$(($1 + $2 - 1))")"
    until [ "$(height "$scratch/follower")" -gt "$before" ]; do sleep 0.05; done
}

git_giver() {
    git init -q --bare -b main "$scratch/git/bench.git"
    git init -q -b main "$scratch/edited"
    cp "$scratch/knot.zone" "$scratch/edited/bench.zone"
    git -C "$scratch/edited" config user.email bench@bench
    git -C "$scratch/edited" config user.name bench
    git -C "$scratch/edited" add bench.zone
    git -C "$scratch/edited" commit -qm 0
    git -C "$scratch/edited" push -q "$scratch/git/bench.git" main
    taskset -c "$giving_core" git daemon --base-path="$scratch/git" --export-all --reuseaddr \
        --listen=127.0.0.1 --port=25341 & git_giver=$!
    sleep 1
    git clone -q git://127.0.0.1:25341/bench.git "$scratch/clone"
}

git_change() {
    edit_zone "$1" "$2" "$scratch/edited/bench.zone"
    git -C "$scratch/edited" commit -qam change
    git -C "$scratch/edited" push -q "$scratch/git/bench.git" main
    git -C "$scratch/clone" fetch -q
}

column() { awk -v what="$1" -v column="$2" '$1 == what { print $column }' "$scratch/results" | median; }
ratio() { awk -v text="$1" -v a="$2" -v b="$3" 'BEGIN { printf "%-58s %.2f\n", text, a / b }'; }
line() { awk -v what="$1" -v us="$(column "$1" 2)" -v bytes="$(column "$1" 3)" -v turns="$(column "$1" 4)" \
    'BEGIN { gsub("_", " ", what); printf "%-22s %9.3f s %12d bytes %6d turns\n", what, us / 1e6, bytes, turns }'; }

printf '[peers]\nlan = false\nport-mapping = false\n' > "$scratch/djdns.toml"
page_zone "$names" > "$scratch/page.zone"
whole_zone "$scratch/page.zone" > "$scratch/knot.zone"
echo "$names names, $rounds rounds, $(knotd --version), $(git --version)"
knot_giver
djdns_giver
git_giver

for ((round = 1; round <= rounds; round++)); do
    measured knot_first knot_taker
    measured djdns_first djdns_taker
    first=$((round * 3000))
    for many in 1 10 1000; do
        measured "knot_$many" knot_change "$first" "$many"
        edit_zone "$first" "$many" "$scratch/page.zone"
        measured "djdns_$many" djdns_change "$first" "$many"
        measured "git_$many" git_change "$first" "$many"
        first=$((first + many))
    done
    measured knot_live knot_live "$first"
    edit_zone "$first" 1 "$scratch/page.zone"
    measured djdns_live djdns_live "$first"
    git_change "$first" 1
    stop "$knot_taker"
    stop "$djdns_taker"
    echo "round $round of $rounds is done"
done

echo "medians of $rounds:"
for what in knot_first djdns_first; do line "$what"; done
for many in 1 10 1000; do
    for who in knot djdns git; do line "${who}_$many"; done
done
printf '%-22s %9.3f s\n' 'knot live' "$(column knot_live 2 | awk '{ print $1 / 1e6 }')" \
    'djdns live' "$(column djdns_live 2 | awk '{ print $1 / 1e6 }')"
ratio "first sync, verified / AXFR between two Knots, time" "$(column djdns_first 2)" "$(column knot_first 2)"
ratio "first sync, verified / AXFR between two Knots, bytes" "$(column djdns_first 3)" "$(column knot_first 3)"
for many in 1 10 1000; do
    for peer in knot git; do
        name=IXFR
        [ "$peer" = knot ] || name='git fetch'
        ratio "$many changes: bytes / $name" "$(column "djdns_$many" 3)" "$(column "${peer}_$many" 3)"
        ratio "$many changes: turns / $name" "$(column "djdns_$many" 4)" "$(column "${peer}_$many" 4)"
    done
done
ratio "live at the other side / Knot's secondary, time" "$(column djdns_live 2)" "$(column knot_live 2)"
