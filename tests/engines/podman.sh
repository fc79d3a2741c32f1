# podman and its containers by the runtime $1; what they say goes to standard output.
. "$(dirname "$0")/place.sh"
runtime=$1
path=$runtime
[ "$runtime" = stepbox ] && path=$D/bin/runc
parent=stepbox-tests-podman-$(basename "$D")
podman() {
    HOME=$D command podman --root "$D/podman" --runroot "$D/run" --tmpdir "$D/tmp" --storage-driver vfs \
        --cgroup-manager cgroupfs --events-backend file --runtime "$path" "$@"
}
# podman's own defaults ask for more than a user's limits may allow
run() {
    podman run --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --cgroup-parent "/$parent" "$@"
}
state() { podman inspect -f '{{.State.Status}} {{.State.ExitCode}} oom={{.State.OOMKilled}}' "$1"; }
image
podman import "$D/image.tar" box >/dev/null 2>&1 || exit 1

the_end() { run --rm box sh -c 'exit 7'; }
no_program() { run --rm box nosuch 2>&1 | sed "s#^Error: [^ ]*: ##"; run --rm box nosuch 2>/dev/null; }
no_permission() { run --rm box /etc/passwd 2>/dev/null; }
user() { run --rm --user web -w /tmp -e A=b box sh -c 'id; pwd; echo $A'; }
mapped() { run --rm --uidmap 0:100000:1000 --gidmap 0:100000:1000 box sh -c 'echo $(cat /proc/self/uid_map)'; }
policy() {
    run --rm --read-only --tmpfs /t --cap-drop all --security-opt no-new-privileges --sysctl kernel.msgmax=9000 \
        -v "$D/image:/v:ro" box sh -c 'exec 2>&1; touch /x; touch /t/x; touch /v/x; sysctl -n kernel.msgmax
            grep -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/self/status'
}
limits() { run --rm --memory 20m --pids-limit 9 --cpus 0.5 box sh -c "$memory; $pids"; }
too_much() { run --name c --memory 20m --memory-swap 20m box tail /dev/zero; echo $?; podman rm c >/dev/null; }
terminal() { run --rm -t box tty; }
exec_() {
    run -d --name c box sleep 100 && podman exec c echo hi
    podman exec c sh -c 'exit 5'; echo $?
    podman exec c nosuch 2>/dev/null; echo $?
    echo in | podman exec -i c cat
    podman exec -t c tty
    podman exec --user web -w /tmp -e A=b c sh -c 'id -u; pwd; echo $A'
}
pause() { podman pause c >/dev/null && state c; podman unpause c >/dev/null && podman exec c echo again; }
update() { podman update --memory 30m c >/dev/null; podman exec c sh -c "$memory"; }
stop() {
    podman stop -t 0 c >/dev/null 2>&1; state c
    podman start c >/dev/null; state c
    podman rm -f -t 0 c >/dev/null 2>&1; podman ps -aq
}
pod() {
    podman pod create --name p --infra=false --cgroup-parent "/$parent" >/dev/null
    run --pod p -d box sleep 100 >/dev/null; podman pod ps --format '{{.Name}} {{.NumberOfContainers}} {{.Status}}'
    podman pod stop -t 0 p >/dev/null 2>&1; podman pod rm -f p >/dev/null; podman ps -aq
}
for one in the_end no_program no_permission user mapped policy limits too_much terminal exec_ pause update stop pod; do
    case_ $one $one
done | same
podman rm -fa -t 0 >/dev/null 2>&1
sweep "$parent"
