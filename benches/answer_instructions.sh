#!/usr/bin/env bash
# Instructions of one UDP answer from a page, without its socket.
#
#     benches/answer_instructions.sh
#     NAMES=1000000 benches/answer_instructions.sh
#
# The questions of benches/answers.sh, 65,536 of them, are answered from a page of 10,000 names: once, and three
# times. What the second run takes more is the answers alone. Instructions repeat, on whatever machine.
. "$(dirname "$0")/common.sh"

names=${NAMES:-10000}
need valgrind awk
need_answers
make_scratch

count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$answers" local "$names" "$1" 2>&1 |
        awk '/Collected/ { print $NF }'
}
once=$(count 1)
thrice=$(count 3)
[ -n "$once" ] && [ -n "$thrice" ] || fail "valgrind counted nothing"
echo "$(((thrice - once) / (2 * 65536))) instructions an answer, $names names"
