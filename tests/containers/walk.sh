# A walk through the life of containers: $C is the command, box an image with a busybox. What it says is compared
# between stepbox and Docker.
say() { echo "--- ${*:2}"; "$@" 2>&1; echo "= $?"; }
until_logged() { for _ in $(seq 100); do $C logs "$1" 2>&1 | grep -q "$2" && return; sleep 0.05; done; echo "no $2"; }
# until it neither runs nor is about to run again, or is not there at all
until_ended() { for _ in $(seq 200); do $C ps -q --filter "name=$1" | grep -q . || return; sleep 0.1; done; echo "$1 runs on"; }
until_gone() { for _ in $(seq 200); do $C ps -aq --filter "name=$1" | grep -q . || return; sleep 0.1; done; echo "$1 is there"; }
columns() { sed -E 's/^[0-9a-f]{12,64}/ID/; s/(Less than a second|[0-9]+ (second|minute)s?|About a minute)/TIME/g; s/  +/|/g'; }

say $C create --name made --network none box sh -c 'echo out; sleep 0.3; echo err >&2; exit 3'
say $C ps -a | columns
say $C start made
say $C wait made
say $C logs made
say $C ps -a --no-trunc | columns
say $C start made
say $C wait made
say $C logs --tail 1 made
say $C logs --tail 0 made
say $C restart made
say $C wait made
say $C stop made
say $C kill made
say $C create --name made box true
say $C rm made
say $C rm made

say $C run -d --name deaf --network none --label a=b box sleep 1000
say $C ps | columns
say $C start deaf
say $C rm deaf
say $C stop -t 1 deaf
say $C wait deaf
say $C ps -a | columns
say $C start deaf nosuch
say $C kill -s NOPE deaf
say $C kill -s 0 deaf
say $C kill deaf
say $C wait deaf
say $C restart -t 0 deaf
say $C ps --filter label=a=b | columns
say $C ps --filter label=a=c | columns
say $C rm -f deaf

program='trap "echo one" USR1; trap "echo bye; exit 5" TERM; echo ready; while :; do sleep 0.05; done'
say $C run -d --name ears --network none box sh -c "$program"
until_logged ears ready
say $C kill -s USR1 ears
until_logged ears one
say $C stop ears
say $C logs ears
say $C wait ears
say $C rm ears

say $C run -d --name own --network none --stop-signal USR1 --stop-timeout 20 box \
    sh -c 'trap "echo mine; exit 6" USR1; echo ready; while :; do sleep 0.05; done'
until_logged own ready
say $C stop own
say $C wait own
say $C logs own
say $C rm own

say $C run -d --name again --network none --restart on-failure:2 box sh -c 'echo go; exit 4'
for _ in $(seq 200); do [ "$($C logs again | wc -l)" = 3 ] && break; sleep 0.1; done
until_ended again
say $C ps -a | columns
say $C logs again
say $C rm again

say $C run -d --name tty --network none -t box sh -c 'test -t 1 && echo yes'
say $C wait tty
say $C logs tty
say $C rm tty

say $C run -d --name none --network none --log-driver none box echo x
say $C wait none
say $C logs none
say $C rm none

say $C run -d --name gone --network none box nosuch
say $C ps -a | columns
say $C wait gone
say $C rm gone
say $C run -d --rm --name gone --network none box nosuch
say $C run -d --rm --name gone --network none box /etc/passwd
say $C ps -aq
say $C run -d --rm --name soon --network none box sh -c 'sleep 1; exit 7'
say $C wait soon
until_gone soon
say $C ps -aq

say $C run --name front --network none box sh -c 'echo hello; exit 9'
say $C ps -a | columns
say $C logs front
say $C start front
say $C wait front
say $C logs front
say $C rm front
front() { $C run --name front --network none "$@"; }
for streams in '-a stdout' '-a STDERR' '-a stdout -a stderr'; do
    say front $streams box sh -c 'echo out; sleep 0.3; echo err >&2; exit 3'
    $C logs front 2>/dev/null
    say $C rm front
done
echo typed | front -i -a stdin box sh -c 'cat; exit 6' | sed -E 's/^[0-9a-f]{64}$/ID/'
say $C wait front
say $C logs front
say $C rm front
say $C run -d -a stdout box true
say $C run -a both box true
there=$(mktemp -d)
front box sh -c "$program" >"$there/front" & run=$!
until_logged front ready
$C attach --no-stdin front >"$there/attach" & attach=$!
sleep 0.5
say $C kill -s USR1 front
until_logged front one
say $C stop front
for each in $attach $run; do wait $each; echo "= $?"; done
cat "$there/front" "$there/attach"
say $C logs front
say $C rm front
front --rm box sh -c "$program" >"$there/front" & run=$!
until_logged front ready
say $C restart front
sleep 0.5
say $C ps -a | columns
say $C stop front
wait $run
sleep 0.5
say $C ps -aq
rm -r "$there"

say $C create -i --name cat --network none box sh -c 'cat; sleep 0.3; echo err >&2; exit 3'
echo typed | say $C start -ai cat
echo typed | say $C start -i cat
say $C attach cat
say $C attach nosuch
say $C start -a nosuch
say $C start -a cat nosuch
say $C logs cat
say $C inspect --format '{{.Config.OpenStdin}} {{.Config.StdinOnce}}' cat
say $C rm cat
say $C create --name bad --network none box nosuch
say $C start -a bad
say $C rm bad
say $C run --name twice --network none --restart on-failure:1 box sh -c 'echo go; exit 4'
until_ended twice
say $C logs twice
say $C rm twice

for policy in maybe always:3 on-failure:x on-failure:-1; do
    say $C run -d --restart "$policy" --network none box true
done
say $C run -d --rm --restart always box true
say $C run -d --log-driver nosuch --network none box true
say $C run -d --log-opt nosuch=1 --network none box true
say $C run -d --stop-signal NOPE --network none box true
say $C run -d --name x --network none box true
say $C run -d --name -x --network none box true
for verb in start stop kill wait rm restart logs; do say $C $verb nosuch; done
say $C ps --filter nosuch=1
say $C ps --filter status=nosuch
say $C ps --filter nosuch
for word in one two three; do say $C create --name $word --network none --label w=$word box true; done
say $C ps -aq
names() { say $C ps "$@" | sed -E 's/.* //'; }
names -l
names -n 2
names -n 0
names -a --filter name=t
names -a --filter name=one --filter name=two
names -a --filter before=three
names -a --filter since=one
names -a --filter label=w
names -a --filter label=w=two
names -a --filter status=created
names -a --filter ancestor=box
names -a --filter exited=0
for filter in 'name=^t' 'name=^/one$' 'name=^one$' 'name=(one|two)$' 'name=[' 'name=t.o' 'name=/t' 'name=^e' 'name=(?i)ONE' \
    'network=none' 'network=bridge' 'network=nosuch' 'ancestor=nosuch' 'health=none' 'health=nosuch' 'exited=x' 'exited=3' \
    'volume=nosuch' 'id=nosuch' 'id=' 'name=' 'label=' 'label=w=' 'since=nosuch' 'before=nosuch' 'since=three' 'before=one'; do
    names -a --filter "$filter"
done
names -a --filter label=w --filter label=w=two
names -a --filter label=w=one --filter label=w=two
names -a --filter status=created --filter name=o
names --filter since=one
names --filter before=three
names --filter exited=0
{
names -a --filter "id=$($C ps -aq --filter name=one)"
names -a --filter "id=$($C ps -aq --filter name=one | cut -c2-)"
names -a --filter "id=$($C ps -aq --filter name=one)" --filter name=two
names -a --filter "id=$($C ps -aq --filter name=one)" --filter "id=$($C ps -aq --filter name=two)"
} | sed 's/id=[0-9a-f]*/id=ID/'
say $C rm one two three
say $C create --name with --network none -v /tmp:/one -v named:/two --mount type=tmpfs,dst=/three box true
for filter in /tmp /one named /two /three /t nam; do names -a --filter "volume=$filter"; done
say $C inspect --format '{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.AttachStderr}} {{.Config.StdinOnce}}' with
say $C rm -v with
say $C volume rm named
for streams in '-a stdin' '-a stdout' '-a stderr -a stdin' '-i' '-i -a stdout' '-t' '-it -a stderr'; do
    say $C create --name with --network none $streams box true
    say $C inspect --format '{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.AttachStderr}} {{.Config.StdinOnce}}' with
    say $C rm with
done
say $C rm one two
say $C ps -aq

say $C run -d --name red --network none -e A=1 -w /tmp box sleep 1000
say $C exec red sh -c 'echo hi; sleep 0.3; echo err >&2; exit 7'
say $C exec red sh -c 'kill -9 $$'
# newer engines of Docker answer 127, this one 126: the words alone are compared
$C exec red nosuch 2>&1 | sed 's/^OCI runtime exec failed: exec failed: //'
$C exec red /etc/passwd 2>&1 | sed 's/^OCI runtime exec failed: exec failed: //'
say $C exec -u nosuch red true
say $C exec -u 7:8 red id
say $C exec red pwd
say $C exec -w /bin red pwd
say $C exec -e B=2 -e A=3 red sh -c 'echo $A $B'
say $C exec red sh -c 'grep -E "^Cap|NoNewPrivs|Seccomp:" /proc/self/status'
say $C exec -d red sleep 700
say $C exec -t red tty
say $C exec -it red true
echo typed | say $C exec -i red cat
echo typed | say $C exec red cat
say $C exec nosuch true
say $C exec --env-file /nosuch red true

processes() { say $C top "$@" | sed -E 's/ +/ /g; s/^root [0-9]+ [0-9]+ [0-9]+ [0-9:]+/root N N/; s/^[0-9]+ /N /'; }
processes red
processes red -o pid,args
say $C top red -o nonsense
say $C pause red
say $C ps | columns
say $C pause red
say $C exec red true
say $C start red
say $C rm red
processes red
say $C unpause red
say $C unpause red
say $C exec red echo on
say $C pause red
say $C kill -s HUP red
say $C unpause red
say $C pause red nosuch
say $C stop -t 1 red
say $C wait red
for verb in 'exec red true' 'top red' 'pause red' 'unpause red' 'port red' 'port red 80' 'port red 80/udp'; do
    say $C $verb
done
say $C create --name blue --network none --label w=blue box true
say $C exec blue true
say $C pause blue
say $C rename red blue
say $C rename red red
say $C rename red ''
say $C rename red /green
say $C rename nosuch y
say $C ps -a | columns
for verb in 'exec nosuch true' 'top nosuch' 'pause nosuch' 'unpause nosuch' 'port nosuch'; do say $C $verb; done
say $C container prune -f --filter label=x
say $C container prune -f --filter nonsense=1
say $C container prune -f --filter label=w=blue
say $C container prune -f --filter until=1h
say $C container prune -f | grep -v reclaimed
say $C container prune -f
say $C container prune </dev/null

# what machines differ in (memory in use, times, addresses) is left out
say $C run -d --name one --network none -m 64m box sh -c 'sleep 1000 & sleep 1000'
say $C create --name two --network none box true
say $C stats --no-stream --format '{{.Container}} {{.Name}} {{.PIDs}} {{.NetIO}}' one two
say $C stats --no-stream two | columns
say $C stats --no-stream --format '{{json .}}' two | sed -E 's/"[0-9a-f]{12}"/"ID"/'
say $C stats --no-stream --format '{{.Nosuch}}' two
say $C stats --no-stream nosuch other

host() { say $C inspect -f "{{json .HostConfig.$1}}" "$2"; }
say $C update one
say $C update --memory 256m one
say $C update --memory 96m --memory-swap 192m one
say $C stats --no-stream --format '{{.MemUsage}}' one | sed 's|.* / ||'
say $C update --memory 64m two
say $C update --memory 64m --memory-swap 32m one
say $C update --memory 1m one
say $C update --memory xyz one
say $C update --memory-reservation 3m one
say $C update --memory-reservation 32m --memory 16m one
say $C update --memory-reservation 32m one
say $C update --memory-swap -1 one
say $C update --cpus 1 one
say $C update --cpus 4000 one
say $C update --cpus x one
say $C update --cpu-quota 50000 one
say $C update --cpu-period 50000 one
say $C update --cpu-period 5 one
say $C update --cpu-quota 5 two
say $C update --cpu-quota 50000 --cpu-period 100000 two
say $C update --cpus 1 two
say $C update --cpu-shares 512 one
say $C update --cpuset-cpus 4000 one
say $C update --cpuset-cpus 0-x one
say $C update --cpuset-cpus 0 one
say $C update --cpuset-mems 0 one
say $C update --cpuset-mems 4000 one
say $C update --pids-limit 20 one
host PidsLimit one
say $C update --pids-limit -1 one
host PidsLimit one
say $C update --restart on-failure:3 one
say $C update --restart maybe one
say $C update --restart always:2 one
say $C pause one
say $C update --cpu-shares 256 one
say $C unpause one
say $C exec one sh -c 'cat /proc/self/status | grep -E "Cpus_allowed_list|Mems_allowed_list"'
# the one that is not there may be told of before the others or after them
say $C update --cpu-shares 128 nosuch
say $C update --cpu-shares 128 one two
for field in Memory MemorySwap MemoryReservation NanoCpus CpuPeriod CpuQuota CpuShares CpusetCpus CpusetMems PidsLimit RestartPolicy; do
    host $field one
    host $field two
done
say $C run -d --rm --name three --network none box sleep 1000
say $C update --restart always three
say $C rm -f one two

# every name there is, in order; what lies below some of them is each engine's own
keys() { sed -nE 's/^( *)"([A-Za-z0-9._/]+)": .*/\1\2/p' | grep -vE '^ *(Lower|Merged|Upper|Work)Dir$|^ *"?Data'; }
for verb in create 'run -d'; do
    say $C $verb --name one --network none box sleep 1000
    say $C inspect one | keys
    $C rm -f one >/dev/null
done
say $C create --name one --network none -v /tmp:/one:ro --mount type=bind,src=/tmp,dst=/two --mount type=tmpfs,dst=/three,tmpfs-size=1m \
    --tmpfs /four:size=1m --cap-add NET_ADMIN --cap-drop CHOWN --device /dev/null:/dev/x:rw --ulimit nofile=10:20 \
    --sysctl net.ipv4.ip_forward=1 --init --log-opt max-size=10m --label a=b --add-host x:1.2.3.4 --dns 1.1.1.1 \
    --dns-search a.b --dns-option ndots:2 --group-add 44 --stop-timeout 3 --stop-signal INT --security-opt seccomp=unconfined \
    --read-only --shm-size 1m --oom-score-adj 100 --ipc shareable --pid host --uts host --cgroup-parent a/b --cpus 0.5 \
    --cpuset-cpus 0 --cpuset-mems 0 -c 100 -m 64m --memory-reservation 32m --pids-limit 9 --restart on-failure:2 -u 1:2 -w /tmp \
    -e A=1 --entrypoint sleep box 1000
say $C inspect one | keys
for field in Binds Mounts Tmpfs CapAdd CapDrop Devices Ulimits Sysctls Init LogConfig ExtraHosts Dns DnsSearch DnsOptions GroupAdd \
    SecurityOpt ReadonlyRootfs ShmSize OomScoreAdj IpcMode PidMode UTSMode CgroupParent NanoCpus CpusetCpus CpusetMems CpuShares Memory \
    MemorySwap MemoryReservation PidsLimit RestartPolicy NetworkMode Privileged AutoRemove PortBindings ContainerIDFile; do
    host $field one
done
say $C inspect -f '{{json .Config}}' one | sed -E 's/"[0-9a-f]{12}"/"ID"/'
say $C inspect -f '{{range .Mounts}}{{.Type}} {{.Source}} {{.Destination}} {{.Mode}} {{.RW}};{{end}}' one | tr ';' '\n' | sort
say $C inspect -f '{{.NetworkSettings.Ports}} {{.Path}} {{.Args}} {{.Name}} {{.RestartCount}} {{.Platform}}' one
say $C rm one
