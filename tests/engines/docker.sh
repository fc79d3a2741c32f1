# dockerd and its containers by the runtime $1; what they say goes to standard output.
. "$(dirname "$0")/place.sh"
runtime=$1
. "$(dirname "$0")/dockerd.sh"
run() { docker run --runtime "$runtime" "$@"; }
state() { docker inspect -f '{{.State.Status}} {{.State.ExitCode}} oom={{.State.OOMKilled}}' "$1"; }
image
dockerd_begins vfs --add-runtime "stepbox=$D/bin/runc" --bip 172.31.99.1/24
docker import "$D/image.tar" box >/dev/null || dockerd_failed

the_end() { run --rm box sh -c 'exit 7'; }
no_program() { run --rm box nosuch; }
no_permission() { run --rm box /etc/passwd; }
input() { echo hello | run --rm -i box cat; }
user() { run --rm --user web -w /tmp -h name -e A=b box sh -c 'id; pwd; hostname; echo $A'; }
policy() {
    run --rm --read-only --tmpfs /t:size=1m --cap-drop ALL --cap-add NET_RAW --security-opt no-new-privileges \
        --device /dev/fuse --ulimit nofile=100:200 --sysctl kernel.msgmax=9000 --oom-score-adj 77 -v "$D/image:/v:ro" \
        box sh -c 'exec 2>&1; touch /x; touch /t/x; touch /v/x; grep -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/self/status
            ls -l /dev/fuse | cut -c1-10; ulimit -n; sysctl -n kernel.msgmax; cat /proc/self/oom_score_adj'
}
filter() {
    echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}' \
        >"$D/filter.json"
    run --rm --security-opt "seccomp=$D/filter.json" box mkdir /tmp/x
}
limits() { run --rm --memory 20m --memory-swap 20m --pids-limit 9 --cpus 0.5 box sh -c "$memory; $pids"; }
too_much() { run --name con --memory 20m --memory-swap 20m box tail /dev/zero; echo $?; state con; docker rm con; }
no_network() { run --rm --network none box ip -o link | cut -c1-6; }
bridge() { run --rm box sh -c 'ping -c1 -W5 172.31.99.1 | grep -c "1 packets received"'; }
init() { run --rm --init box sh -c 'cat /proc/1/comm'; }
exec_() {
    run -d --name con box sleep 100 && docker exec con echo hi
    docker exec con sh -c 'exit 5'; echo $?
    docker exec con nosuch; echo $?
    echo in | docker exec -i con cat
    docker exec -u web -w /tmp -e A=b con sh -c 'id -u; pwd; echo $A'
    docker exec -t con tty
    docker exec con sh -c 'kill -9 $$'; echo $?
}
pause() {
    docker pause con && state con
    docker exec con true; echo $?
    docker unpause con && docker exec con echo again
}
look() { docker top con | wc -l; docker stats --no-stream --format '{{.PIDs}}' con; }
update() {
    docker update --memory 40m --memory-swap 50m --pids-limit 8 con && docker exec con sh -c "$memory; $pids"
}
copy() { echo data >"$D/data"; docker cp "$D/data" con:/etc/data && docker exec con cat /etc/data; docker diff con; }
shared() { run --rm --network container:con --pid container:con box sh -c 'cat /proc/1/comm'; }
stop() {
    docker stop -t 0 con && state con
    docker start con && docker restart -t 0 con && state con
    docker rm -f con; docker ps -aq
}
signals() {
    run -d --name con box sh -c 'trap "echo one" USR1; trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done'
    until_logged() { for _ in $(seq 200); do docker logs con 2>&1 | grep -q "$1" && break; sleep 0.1; done; }
    until_logged ready
    docker kill -s USR1 con && until_logged one && docker stop con && docker logs con && state con && docker rm con
}
health() {
    run -d --name con --health-cmd 'test -e /ok' --health-interval 300ms --health-retries 1 box sleep 100
    for want in unhealthy healthy; do
        for _ in $(seq 200); do
            now=$(docker inspect -f '{{.State.Health.Status}}' con)
            [ "$now" = $want ] && break; sleep 0.1
        done
        echo "$now"; docker exec con touch /ok
    done
    docker rm -f con
}
# A terminal of tmux: what is typed goes to the container's.
terminal() {
    tmux() { command tmux -S "$D/tmux" -f /dev/null "$@"; }
    shown() {
        for _ in $(seq 300); do tmux capture-pane -p | grep -qxE "$1" && { echo "seen $1"; return; }; sleep 0.1; done
        tmux capture-pane -p | grep .
    }
    type_() { tmux send-keys "$1" Enter; }
    SHELL=/bin/sh tmux new-session -d -x 91 -y 23 "PS1='% ' sh -i"
    type_ "/usr/bin/docker -H unix://$D/docker.sock run --runtime $runtime --rm -it --name con box sh; echo client \$?"; shown '. #'
    # Docker gives the terminal its size a moment after the start, and a moment after a change
    sized() { type_ "until [ \"\$(stty size 2>/dev/null)\" = '$1' ]; do sleep 0.1; done; stty size"; shown "$1"; }
    sized '23 91'
    tmux resize-window -x 77 -y 19; sized '19 77'
    type_ 'echo wait""ing; sleep 100'; shown waiting >/dev/null; sleep 0.5; tmux send-keys C-c; type_ 'echo got $?'; shown 'got 130'
    type_ 'exit 42'; shown 'client 42'
    tmux kill-server
}
for one in the_end no_program no_permission input user policy filter limits too_much no_network bridge init exec_ pause \
    look update copy shared stop signals health terminal; do case_ $one $one; done | same |
    grep -v 'error waiting for container: context canceled' # the client's, who asks while the daemon tidies up
dockerd_ends
