# shellcheck shell=bash
# What the measures beside this have in common: they source it first, with `. "$(dirname "$0")/common.sh"`.
# It measures nothing itself.
#
# Whoever sources it is in the directory of the repository from then on. `djdns` is the program that is
# measured.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export PATH="$PATH:/usr/sbin:/sbin"
djdns=${DJDNS:-target/release/djdns}

fail() { printf '%s: %s\n' "$0" "$*" >&2; exit 1; }

# Ends where some of these programs are missing.
need() {
    local tool missing=() packages=()
    for tool in "$@"; do
        command -v "$tool" > /dev/null && continue
        missing+=("$tool")
        case $tool in
            cargo) fail "cargo is missing: install Rust, or have it in PATH" ;;
            awk) packages+=(mawk) ;;
            callgrind_annotate) packages+=(valgrind) ;;
            dig) packages+=(bind9-dnsutils) ;;
            ip) packages+=(iproute2) ;;
            kdig) packages+=(knot-dnsutils) ;;
            knotc | knotd) packages+=(knot) ;;
            pdns_server) packages+=(pdns-server pdns-backend-bind) ;;
            taskset | unshare) packages+=(util-linux) ;;
            *) packages+=("$tool") ;;
        esac
    done
    [ ${#missing[@]} -eq 0 ] ||
        fail "missing: ${missing[*]}. On Debian: sudo apt install$(printf '%s\n' "${packages[@]}" | sort -u | xargs printf ' %s')"
}

# The program that cargo builds of the bench $1, if it does.
built() {
    cargo bench --no-run --bench "$1" 2>&1 | sed -n 's/.*Executable.*(\(.*\)).*/\1/p' | tail -n 1 || true
}

need_djdns() { [ -x "$djdns" ] || fail "$djdns is missing: cargo build --release"; }

# Leaves the load generator, benches/answers.rs, in `answers`.
need_answers() {
    [ -n "${ANSWERS:-}" ] || need cargo
    answers=${ANSWERS:-$(built answers)}
    [ -x "$answers" ] || fail "the load generator does not build: see cargo bench --no-run --bench answers"
}

# Makes a directory, `scratch`, which is removed at the end, when everything that was started has ended.
make_scratch() {
    scratch=$(mktemp -d)
    trap clean_up EXIT
    trap 'exit 130' INT TERM
}
clean_up() {
    local running
    running=$(jobs -p)
    # shellcheck disable=SC2086 # several numbers
    [ -z "$running" ] || kill $running 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$scratch"
}

now_us() { local t=$EPOCHREALTIME; printf '%s' "${t/[.,]/}"; }

median() { sort -n | awk '{ v[NR] = $1 } END { m = int((NR + 1) / 2); print NR % 2 ? v[m] : (v[m] + v[m + 1]) / 2 }'; }

# The address of name number $1.
address() { printf '10.%d.%d.%d' $(($1 / 65536 % 256)) $(($1 / 256 % 256)) $(($1 % 256)); }

# The zone `bench.` of $1 names, as a page is made of it.
page_zone() {
    awk -v names="$1" 'BEGIN {
        print "$ORIGIN bench.\n$TTL 3600"
        for (i = 1; i <= names; i++)
            printf "n%07d A 10.%d.%d.%d\n", i, int(i / 65536) % 256, int(i / 256) % 256, i % 256
    }'
}

# The zone in the file $1, with the SOA and NS that a page makes by itself: for other servers.
whole_zone() {
    printf 'bench. 3600 SOA ns.bench. host.bench. 1 3600 600 86400 60\n'
    printf 'bench. 3600 NS ns.bench.\nns.bench. 3600 A 127.0.0.1\n'
    cat "$1"
}

# Runs a command with a home of its own: $1 is its directory.
at_home() {
    local home=$1
    shift
    env HOME="$home" XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/share" "$@" < /dev/null
}

# The program so.
own() {
    local home=$1
    shift
    at_home "$home" "$djdns" --data-dir "$home/data" "$@"
}

# Founds the page `bench.` in the home $1 from the file $2, with these options, and trusts it; leaves its
# id in `page`.
found() {
    local home=$1 zone=$2
    shift 2
    mkdir -p "$home/data"
    own "$home" key new bench > /dev/null
    page=$(own "$home" page create bench --participant bench --zone "$zone" "$@" 2> "$home/log" | head -n 1)
    [ -n "$page" ] || fail "the page was not founded: $(cat "$home/log")"
    own "$home" page join bench "$page" > /dev/null
}

# Starts a program on these cores, $1, which says what it says to the file $2; leaves its number in `server`.
start_on() {
    taskset -c "$1" "${@:3}" > "$2" 2>&1 < /dev/null &
    server=$!
}

# The same with djdns, which serves the home $2.
serve_on() {
    local cores=$1 home=$2
    shift 2
    # By its own process, so that it is what is ended.
    HOME=$home XDG_CONFIG_HOME=$home/config XDG_DATA_HOME=$home/share start_on "$cores" "$home/djdns.log" \
        "$djdns" --data-dir "$home/data" "$@"
}

# What `serve` is told so that it listens to nobody else.
alone=(--listen off --http off)

# NSD for the zone $2 in the file `zone`, at port $1; $3 is what its server has besides.
write_nsd() {
    cat > "$scratch/nsd.conf" <<CONF
server:
    ip-address: 127.0.0.1@$1
    username: ""
    zonesdir: "$scratch"
    xfrdir: "$scratch"
    xfrdfile: "$scratch/xfrd"
    zonelistfile: "$scratch/zones"
    pidfile: "$scratch/nsd.pid"
    server-count: 1
    rrl-ratelimit: 0
    ${3:-}
remote-control:
    control-enable: no
zone:
    name: $2
    zonefile: "$scratch/zone"
CONF
}

# Knot at port $2 with its files in the directory $1; the rest of its configuration is $3.
write_knot() {
    mkdir -p "$1"
    cat > "$1/knot.conf" <<CONF
server:
    rundir: "$1"
    listen: 127.0.0.1@$2
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: "$1/log"
    any: warning
database:
    storage: "$1"
$3
CONF
}

# Unbound with one thread and no validation, as djdns validates nothing here: $1 is what its server has
# besides, $2 the rest of its configuration.
write_unbound() {
    cat > "$scratch/unbound.conf" <<CONF
server:
    directory: "$scratch"
    chroot: ""
    username: ""
    pidfile: "$scratch/unbound.pid"
    use-syslog: no
    num-threads: 1
    module-config: "iterator"
$1
remote-control:
    control-enable: no
$2
CONF
}

# What Unbound has of the zone `bench.` in the file `zone`.
unbound_zone() {
    cat <<CONF
auth-zone:
    name: "bench."
    zonefile: "$scratch/zone"
    for-upstream: no
    for-downstream: yes
    fallback-enabled: no
CONF
}
