# What happens to containers, images and volumes, and how well containers are; goes on where walk.sh ends.
cd "$D"
now() { T=$(date +%s.%N); }
story() { $C events --since "$T" --until "$(date +%s.%N)" "$@" | sed -E 's/^[^ ]+ //; s/[0-9a-f]{64}/ID/g'; }
until_so() { for _ in $(seq 200); do [ "$($C inspect -f "$2" "$1")" = "$3" ] && return; sleep 0.05; done; echo "never $3"; }

now
say $C run -d --name red --network none --label l=1 -v data:/v:ro box sleep 1000
say $C exec red true
say $C exec red sh -c 'exit 3'
$C exec red nosuch >/dev/null 2>&1
say $C top red -o pid,args | sed -E 's/^[0-9]+ +/N /'
say $C pause red
say $C exec red true
say $C unpause red
say $C rename red blue
say $C export -o blue.tar blue
say $C restart -t 0 blue
say $C stop -t 0 blue
say $C stop -t 0 blue
say $C start blue
say $C kill blue
say $C wait blue
sleep 0.7
story
say $C restart -t 0 blue
say $C rm -f blue
sleep 0.7
story --filter container=blue --filter event=destroy
story --filter type=volume
story --filter type=network --filter event=disconnect
story --filter volume=data --filter event=mount
story --filter label=l=1 --filter event=start
story --filter label=l=2
story --filter event=exec_create
story --filter event=exec
story --filter image=box --filter event=die
story --filter image=nosuch
story --filter container=nosuch
story --filter scope=local --filter event=rename
story --filter event=die --format '{{.Type}} {{.Action}} {{.Actor.Attributes.exitCode}} {{.Scope}} {{.Status}} {{.From}}'
$C events --since "$T" --until "$(date +%s.%N)" --filter event=create --filter type=container --format '{{json .}}' |
    sed -E 's/[0-9a-f]{64}/ID/g; s/("time[A-Za-z]*":)[0-9]+/\1N/g'
say $C events --until 5
say $C events --since 10 --until 5
say $C events --until 5 --filter nosuch
say $C events --until 5 --format '{{'

now
say $C run --rm --name front --network none box sh -c 'exit 4'
say $C run --rm --name front --network host box true
say $C run --rm --name front --network none box nosuch
say $C run --name front --network none --restart on-failure:1 box sh -c 'exit 4'
sleep 1.5
say $C rm front
say $C create --name made --network none box true
say $C start -a made
say $C cp made:/etc/passwd passwd
say $C cp passwd made:/tmp
say $C rm made
say $C volume create other
say $C volume rm other data
say $C volume prune -f
say $C container prune -f
sleep 0.7
story --filter type=container --filter type=volume

now
say $C tag box box:2
say $C save -o saved.tar box:2
say $C rmi box:2
say $C load -i saved.tar
say $C rmi box:2
say $C create --name made --network none box true
say $C commit -m why made box:3 | sed -E 's/[0-9a-f]{64}/ID/'
say $C rm made
say $C rmi box:3 | sed -E 's/[0-9a-f]{64}/ID/'
story --filter type=image
story --filter event=commit

say $C run -d --name full --memory 24m --memory-swap 24m --network none box sh -c 'tail /dev/zero'
say $C wait full
say $C update --restart no full
story --filter event=oom | sort -u
story --filter event=update
say $C inspect -f '{{.State.OOMKilled}}' full
say $C rm full

# how well it is
now
say $C run -d --name red --network none --health-cmd 'echo said; test -e /ok' --health-interval 300ms --health-retries 3 box \
    sleep 1000
say $C inspect -f '{{.State.Health.Status}}' red
say $C ps | columns
until_so red '{{.State.Health.Status}}' unhealthy
say $C ps | columns
say $C inspect -f '{{with index .State.Health.Log 0}}{{.ExitCode}} {{.Output}}{{end}}' red
$C exec red touch /ok
until_so red '{{.State.Health.Status}}' healthy
say $C ps | columns
say $C inspect -f '{{.State.Health.Status}} {{.State.Health.FailingStreak}}' red
for state in starting healthy unhealthy none nosuch; do say $C ps --filter health=$state | columns; done
until_so red '{{len .State.Health.Log}}' 5
say $C pause red
say $C inspect -f '{{.State.Health.Status}}' red
say $C ps | columns
$C inspect -f '{{json .State.Health.Log}}' red >before; sleep 1
$C inspect -f '{{json .State.Health.Log}}' red | cmp - before && echo still
say $C unpause red
say $C inspect -f '{{.State.Health.Status}}' red
until_so red '{{.State.Health.Status}}' healthy
say $C stop -t 0 red
say $C inspect -f '{{.State.Health.Status}} {{len .State.Health.Log}}' red
say $C start red
say $C inspect -f '{{.State.Health.Status}} {{.State.Health.FailingStreak}} {{len .State.Health.Log}}' red
say $C rm -f red
sleep 0.5
story --filter container=red | grep health_status

say $C run -d --name slow --network none --health-cmd 'echo a; exec sleep 1000' --health-interval 200ms --health-timeout 300ms \
    --health-retries 1 box sleep 1001
until_so slow '{{.State.Health.Status}}' unhealthy
say $C inspect -f '{{with index .State.Health.Log 0}}{{.ExitCode}} {{.Output}}{{end}}' slow
say $C rm -f slow
say $C run -d --name long --network none --health-cmd 'yes | head -c 5000; exit 7' --health-interval 200ms --health-retries 1 \
    --health-start-period 2s box sleep 1000
until_so long '{{len .State.Health.Log}}' 2
say $C inspect -f '{{.State.Health.Status}} {{.State.Health.FailingStreak}}' long
say $C inspect -f '{{with index .State.Health.Log 0}}{{.ExitCode}} {{len .Output}}{{end}}' long
until_so long '{{.State.Health.Status}}' unhealthy
say $C rm -f long
$C import -c 'HEALTHCHECK --interval=200ms --retries=2 CMD ["test", "-e", "/ok"]' "$D/image.tar" checked >/dev/null
say $C run -d --name red --network none checked sleep 1000
until_so red '{{.State.Health.Status}}' unhealthy
say $C inspect -f '{{json .Config.Healthcheck}}' red
say $C rm -f red
say $C run -d --name red --network none --health-retries 7 --health-cmd true checked sleep 1000
until_so red '{{.State.Health.Status}}' healthy
say $C inspect -f '{{json .Config.Healthcheck}}' red
say $C rm -f red
say $C run -d --name red --network none --no-healthcheck checked sleep 1000
say $C inspect -f '{{json .State.Health}} {{json .Config.Healthcheck}}' red
say $C ps | columns
say $C rm -f red
for option in '--health-interval x' '--health-interval 5' '--health-interval -1s' '--health-interval 1us' '--health-retries -1' \
    '--health-timeout -5s' '--health-start-period -1ms' '--health-start-period 1us' '--no-healthcheck --health-cmd x'; do
    $C create $option box true 2>&1
done
$C rmi -f checked >/dev/null
