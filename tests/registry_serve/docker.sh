# docker as a client of stepbox registry serve: $S is stepbox, $D a directory; the namespaces are ours.
. "$(dirname "$0")/../engines/place.sh"
docker() { command /usr/bin/docker -H "unix://$D/docker.sock" "$@"; }
echo '{}' >"$D/docker.json" # not the machine's
dockerd --config-file "$D/docker.json" --data-root "$D/docker" --exec-root "$D/exec" --pidfile "$D/docker.pid" \
    -H "unix://$D/docker.sock" --storage-driver vfs --bridge none --iptables=false >"$D/docker.log" 2>&1 &
daemon=$!
. "$(dirname "$0")/turns.sh"
for _ in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.1; done
turns docker || { tail "$D/docker.log" "$D/registry.log" >&2; exit 1; }
kill "$daemon" "$registry" && wait
