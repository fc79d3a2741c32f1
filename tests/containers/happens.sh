# What happens to containers, images and volumes; goes on where walk.sh ends.
cd "$D"
now() { T=$(date +%s.%N); }
story() { $C events --since "$T" --until "$(date +%s.%N)" "$@" | sed -E 's/^[^ ]+ //; s/[0-9a-f]{64}/ID/g'; }

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
