#!/usr/bin/env bash
# Instructions of one change on a page of 10 names and on one of a million, whole and in parts.
#
#     benches/change_instructions.sh
#     NAMES="10 100000" CHANGES=20 benches/change_instructions.sh
#
# A change is an operation and two ballots, submitted as one: signatures checked, admitted, logged,
# synced, indexed, shown. Every name is changed from what the page was founded with. Instructions
# repeat; the last column is what it costs of the first page's and should be at most 2.
. "$(dirname "$0")/common.sh"

read -ra names <<< "${NAMES:-10 1000000}"
changes=${CHANGES:-40}
need cargo valgrind callgrind_annotate awk

bench=$(built change)
[ -x "$bench" ] || fail "benches/change.rs does not build: see cargo bench --no-run --bench change"
make_scratch

for n in "${names[@]}"; do
    "$bench" prepare "$scratch/$n" "$n"
    valgrind --tool=callgrind --callgrind-out-file="$scratch/$n.out" \
        "$bench" count "$scratch/$n" "$changes" > "$scratch/$n.log" 2>&1 \
        || { tail -n 5 "$scratch/$n.log" >&2; exit 1; }
    # Inclusive cost of each function, over the changes made in it. Signatures are checked in both
    # passes; both do the same, so half of them belong to each.
    callgrind_annotate --inclusive=yes --threshold=100 "$scratch/$n.out" 2> "$scratch/$n.annotate" \
        | tr -d , \
        | awk -v names="$n" -v changes="$changes" '
            match($0, /change::(whole_change|part_[a-z_]+)|Node::submit/) {
                what = substr($0, RSTART, RLENGTH)
                sub(/change::/, "", what)
                if (seen[what]++) next
                cost = $1 / changes / (what == "part_signatures" ? 2 : 1)
                printf "%s %d %.0f\n", what, names, cost
            }' >> "$scratch/costs"
done

awk '{
    if (!($1 in first)) { first[$1] = $3; order[++count] = $1 }
    row[$1] = row[$1] sprintf("%14.0f", $3)
    last[$1] = $3
} END {
    for (i = 1; i <= count; i++)
        printf "%-20s%s %8.2f\n", order[i], row[order[i]], last[order[i]] / first[order[i]]
}' "$scratch/costs" | sort -rnk2 | { echo "instructions per change, pages of ${names[*]} names"; cat; }
