# Commands about volumes for two engines; $C is one of them, the image full has a VOLUME and content in /data.
# What differs, by design: a name of one letter (Docker takes x:/data for a place of Windows), the words for a place that is no
# absolute path and for a volume on a file of the image.
say() { echo "\$ $*"; $C "$@" 2>&1 </dev/null; echo "= $?"; }
run() { say run --network none "$@"; }
same() { sed -E "s/[0-9a-f]{64}/[ID]/g; s/[0-9]{4}-[0-9-]{5}T[0-9:.]+(Z|\+[0-9:]+)/[TIME]/; s#/[^ \"]*/volumes/#[DIR]/#g
    /^See '|^docker: |^hint:/{s/docker: //; s/ *See '.*//; /^hint:/d; /^$/d}; s/^stepbox: //; s/^invalid value '.*' for '--(volume|mount) <.*>': //; s/^Error response from daemon: //; s/\.$//"; }
{
say volume create --label c one
say volume create one
say volume create --label a=b two
say volume create x
say volume create a/b
say volume create -d nosuch three
say volume create -o colour=red three
say volume create -o type=tmpfs three
say volume create
say volume ls -q
for format in '{{.Name}} {{.Driver}} {{.Scope}} {{.Links}} {{.Size}} {{.Labels}}' 'table {{.Name}}\t{{.Driver}}' \
    raw '{{json .Mountpoint}}' '{{.NoSuch}}' '{{.Label "a"}}' 'table {{.Name}}\t{{.Label "my.own-label"}}' '{{.Label}}'
do
    say volume ls --format "$format"
done
for filter in name=o name=one dangling=true dangling=false label=a label=a=b label=a=c label=c driver=local driver=no colour=red \
    dangling=maybe
do
    say volume ls -q -f "$filter"
done
say volume ls
say volume inspect one two
say volume inspect nosuch
say volume inspect one nosuch
say volume inspect -f '{{.Name}} {{.Labels}} {{.Options}} {{json .Labels}} {{.Driver}} {{.Scope}}' one two
say inspect -f '{{.Name}} {{.Driver}}' two
say inspect --type volume -f '{{.Name}}' two
say inspect --type volume nosuch
run --rm -v one:/data full sh -c 'ls -A /data; cat /data/file; stat -c "%a %u:%g" /data /data/file; readlink /data/link'
run --rm -v one:/data full sh -c 'rm /data/file; echo new >/data/new'
run --rm -v one:/data full ls -A /data
run --rm -v two:/data:nocopy full ls -A /data
run --rm -v three:/data:ro full sh -c 'ls -A /data; touch /data/x 2>&1'
run --rm --mount type=volume,src=four,dst=/data,volume-nocopy=true,readonly full sh -c 'ls -A /data; touch /data/x 2>&1'
run --rm --mount src=five,dst=/data,volume-label=k=v full ls -A /data
say volume inspect -f '{{.Labels}}' five
say create --name made --network none -v nine:/data -v /data/sub full ls -A /data | same
look() { ls -A "$($C volume inspect -f '{{.Mountpoint}}' "$1")"; }
look nine
run --rm -v nine:/data full sh -c 'rm -r /data/*; touch /data/mine'
say start -a made
say ps -a --format '{{.Names}} {{.Label "x"}}'
say create --name seen --network none -v a-long-volume-name:/data full true >/dev/null
say ps -a --format '{{.Names}} {{.Mounts}} {{.LocalVolumes}}' -f name=seen
say ps -a --no-trunc --format '{{.Mounts}}' -f name=seen
say rm -v seen
say volume rm a-long-volume-name
say rm -v made
look nine
say volume rm nine
say volume ls -q -f dangling=true | same | sort
run --rm -v six:/empty full sh -c 'stat -c "%a %u:%g" /empty; ls -A /empty'
run --rm -v seven:/nowhere full sh -c 'stat -c "%a %u:%g" /nowhere'
run --rm -v eight:/etc full sh -c 'ls /etc | grep -v mtab; grep -c . /etc/hosts'
say volume rm eight
say volume ls -q -f name=i
run --name con -v one:/one -v /two -v two:/three:ro full true
say inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}} {{.Driver}} {{.Mode}} {{.RW}} {{.Propagation}};{{end}}' con | tr ';' '\n' | same | sort
say volume rm one
say volume rm two nosuch
say volume rm -f nosuch
run --rm --volumes-from con full sh -c 'ls -d /one /two /three /data; touch /three/x 2>&1'
run --rm --volumes-from con:ro full touch /one/x
run --rm --volumes-from nosuch full true
run --rm --volumes-from con:colour full true
say volume ls -q -f dangling=false
say system df --format '{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}' | grep Volumes
say system df -v --format '{{range .Volumes}}{{.Name}} {{.Links}} {{.Size}};{{end}}' | tr ';' '\n' | same | sort
say rm con
say volume ls -q | same | sort
run --name con2 -v /anon full true
say rm -v con2
say volume ls -q | same | sort
run --rm -v a/b:/data full true
run --rm -v good:/data:colour full true
run --rm -v good:/data:rshared full true
run --rm -v /bin:/data:rshared,rslave full true
run --rm --mount type=bind,src=/bin,dst=/data,bind-propagation=both full true
say volume prune -f --filter label=k=v
say volume prune --filter label=a
say volume prune -f --filter until=1h
say volume prune -f --filter label!=a | same | sort
say system prune -f --volumes
say volume ls
} | same
