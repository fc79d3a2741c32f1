# A Docker of our own, in the namespaces of place.sh: `docker` asks it. What it makes is gone at its end.
docker() { command /usr/bin/docker -H "unix://$D/docker.sock" "$@"; }

# Starts it by this storage driver and with these options; without any, its containers have no network.
dockerd_begins() {
    local driver=$1
    shift
    [ $# -gt 0 ] || set -- --bridge none --iptables=false
    echo '{}' >"$D/docker.json" # not the machine's
    dockerd --config-file "$D/docker.json" --data-root "$D/docker" --exec-root "$D/exec" --pidfile "$D/docker.pid" \
        -H "unix://$D/docker.sock" --storage-driver "$driver" --cgroup-parent "/$(dockerd_cgroup)" "$@" >"$D/docker.log" 2>&1 &
    daemon=$!
    # as long as it lives: on a busy machine it takes its time
    until docker version >/dev/null 2>&1; do
        kill -0 "$daemon" 2>/dev/null || dockerd_failed
        sleep 0.1
    done
}

# Where its containers' cgroups lie; one of another test has another name.
dockerd_cgroup() { echo "stepbox-tests-docker-$(basename "$D")"; }

dockerd_failed() { tail "$D/docker.log" >&2; exit 1; }

# Ends it. Fails where it leaves cgroups.
dockerd_ends() {
    docker ps -aq | while read -r id; do docker rm -f "$id"; done >/dev/null
    kill "$daemon"; wait "$daemon"
    sweep "$(dockerd_cgroup)" >&2
}
