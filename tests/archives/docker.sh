# docker load and docker save against stepbox's; one line for each comparison.
. "$(dirname "$0")/engine.sh"
engine() { /usr/bin/docker -H "unix://$D/docker.sock" "$@"; }
echo '{}' >"$D/docker.json" # not the machine's
dockerd --config-file "$D/docker.json" --data-root "$D/docker" --exec-root "$D/exec" --pidfile "$D/docker.pid" \
    -H "unix://$D/docker.sock" --storage-driver vfs --bridge none --iptables=false >"$D/docker.log" 2>&1 &
daemon=$!
for _ in $(seq 100); do engine version >/dev/null 2>&1 && break; sleep 0.1; done
compare
kill "$daemon"; wait "$daemon"
sweep "stepbox-no-such"
