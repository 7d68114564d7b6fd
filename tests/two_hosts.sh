#!/bin/sh
# A cluster of two hosts on one machine: each has a network, a name, a /tmp and a home of its own, and a virtual cable
# joins them. The commands of docs/cluster.md run on them: as they stand, interrupted and taken up again, and with the
# cable cut on the way.
#   sudo sh tests/two_hosts.sh            needs Linux, iproute2, util-linux and kparity[ray]; KPARITY names the command
set -eu
KPARITY=$(realpath -s "${KPARITY:-.venv/bin/kparity}")
HEAD=kparity-gpu OTHER=kparity-other
FOLDER=$(mktemp -d)
cp /etc/hosts "$FOLDER/hosts"
printf '10.77.0.1 %s\n10.77.0.2 %s\n' $HEAD $OTHER >> "$FOLDER/hosts"

end() {
  for host in $HEAD $OTHER; do
    ip netns pids $host | xargs -r kill -9 || true
    ip netns del $host || true
  done
  rm -rf "$FOLDER"
}
trap end EXIT
trap 'exit 1' INT TERM

for host in $HEAD $OTHER; do
  ip netns add $host
  ip -n $host link set lo up
  mkdir -p "$FOLDER/$host/tmp"
done
ip link add cable netns $HEAD type veth peer name cable netns $OTHER
ip -n $HEAD address add 10.77.0.1/24 dev cable
ip -n $OTHER address add 10.77.0.2/24 dev cable
ip -n $HEAD link set cable up
ip -n $OTHER link set cable up

# on HOST COMMAND...: as if typed there
on() {
  host=$1
  shift
  ip netns exec $host unshare --mount --uts sh -c '
    hostname "$0"; home=$1; shift
    mount --bind "$home/../hosts" /etc/hosts; cd "$home"; mount --bind "$home/tmp" /tmp
    HOME=$home XDG_CACHE_HOME=$home/cache exec "$@"' $host "$FOLDER/$host" "$@"
}

# count TEXT: how many records of the last run have it
count() { cat "$FOLDER/$HEAD/$RUN"/*/evaluations.jsonl | grep -c "$1" || true; }

on $HEAD "$KPARITY" worker --head 6379 --label accelerator=one > "$FOLDER/head.log" 2>&1 &
sleep 20
on $OTHER "$KPARITY" worker --address $HEAD:6379 --label accelerator=two > "$FOLDER/other.log" 2>&1 &
sleep 20

# run NAME ARGUMENTS...: on the cluster, until it ends; both hosts must have had a part in it
run() {
  RUN=$1
  shift
  on $HEAD "$KPARITY" run "$@" --executor ray --address $HEAD:6379 2>&1 | tee "$FOLDER/$RUN.log"
  ls "$FOLDER/$HEAD/$RUN"
  echo "$RUN: $(count '"status":"passed"') of $(count '') records passed"
  test "$(count '"status":"passed"')" -eq "$(count '')"
  test "$(ls "$FOLDER/$HEAD/$RUN" | wc -l)" -eq 2
}

run whole 'activation/*' -b cpu_ref --no-timing --seed 5 --out whole

on $HEAD timeout --signal INT 20 \
  "$KPARITY" run -b cpu_ref --no-timing --seed 5 --executor ray --address $HEAD:6379 --out stopped || echo "status $?"
run stopped --resume stopped
grep "evaluations were finished" "$FOLDER/stopped.log"

(sleep 15; ip -n $OTHER link set cable down; echo "the cable is cut") &
run cut -b cpu_ref --no-timing --seed 5 --out cut
grep "was lost" "$FOLDER/cut.log"
echo "two hosts: all is well"
