# Commands about images for two engines; $C is one of them.
say() { echo "\$ $*"; $C "$@" 2>&1 </dev/null; echo "= $?"; }
# ids of this run's containers
same() { sed -E 's/[0-9a-f]{12} is using/[ID] is using/; s/(container) [0-9a-f]{12}/\1 [ID]/; s/^[0-9a-f]{64}$/[ID]/
    s/ \(library.BAD\)//'; }
id=$($C images -q box)
{
for options in '' -a -q --no-trunc '-q --no-trunc' box 'box:1' 'b*' '*/*' lib '[' 'nosuch' \
    '-f dangling=true' '-f dangling=false' '-f dangling=maybe' '-f label=x' '-f label=x=z' '-f label=x -f label=html' \
    '-f before=box:1' '-f since=lib/two' '-f since=nosuch' '-f reference=bo*:1' '-f reference=lib/*' \
    '-f reference=b* -f reference=r*' '-f nosuch=1' '-f reference=box -f dangling=true'
do
    set -f; say images $options; set +f
done
for format in '{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}} {{.CreatedSince}} {{.CreatedAt}} {{.VirtualSize}}' \
    'table {{.Repository}}\t{{.ID}}' 'table {{.Repository}}\t{{.Size}} x {{.Tag | upper}}' table raw '' \
    '{{.NoSuch}}' '{{.Repository' '{{nosuch .}}' '{{if}}' \
    '{{len .Repository}} {{index .Repository 1}}{{if eq .Tag "1"}} one{{end}}' \
    '{{printf "%-10s|%5s|%q" .Repository .Tag .ID}}' '{{join (split .Repository "o") "-"}} {{title .Tag}} {{pad .Tag 2 3}}' \
    '{{truncate .ID 4}} {{lower .Repository}}' '{{json .Tag}}{{/* nothing */}}' \
    '{{with $x := .Tag}}{{$x}}{{end}}{{range $i, $c := split .ID ""}}{{if lt $i 2}}{{$c}},{{end}}{{end}}'
do
    say images --format "$format"
done
say images --format raw -q box
say images --format 'table {{.ID}}' -q box
for options in box:1 '-q box:1' '--no-trunc box:1' '-q --no-trunc run' '-H=false box:1' nosuch "$id"; do
    say history $options
done
say history --format '{{.ID}} {{.CreatedAt}} {{.CreatedSince}} {{.Size}} {{.Comment}}' box:1
for format in '{{.Id}} {{.Size}} {{.VirtualSize}} {{.Os}} {{.Architecture}} {{.Created}} {{.Author}}' '{{json .Config}}' \
    '{{json .RootFS}}' '{{.RepoTags}} {{json .RepoTags}}' '{{.Config.Env}} {{.Config.Entrypoint}} {{.Config.Volumes}}' \
    '{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}' '{{.Config.Labels.none}} {{index .Config.Labels "x"}}' \
    '{{.NoSuch}}' '{{.Id' '{{json .ContainerConfig}}' '{{.Comment}}|{{.Parent}}|{{.DockerVersion}}' \
    '{{index .Config.Env 0}} {{len .Config.Env}} {{slice .Id 7 12}}' '{{index .Config.Env 9}}'
do
    say inspect -f "$format" box:1
    say image inspect -f "$format" lib/two nosuch
done
say inspect box:1 | sed -n 's/^        "\([A-Za-z]*\)":.*/\1/p' | grep -v GraphDriver
say inspect nosuch
say inspect --type image nosuch
say inspect --type container box:1
say inspect --type foo box:1
say inspect "$id" -f '{{.RepoTags}}'
say inspect -s -f '{{.Os}}' box:1
for word in .Type .TotalCount .Active .Size .Reclaimable; do
    say system df --format "{{.Type}} {{$word}}" | grep Images
done
say system df -v --format '{{range .Images}}{{.Repository}} {{.Size}} {{.SharedSize}} {{.UniqueSize}} {{.Containers}};{{end}}'
say info -f '{{.OSType}} {{.Architecture}} {{.Images}} {{.Containers}} {{.Driver | len}} {{.NCPU}} {{.MemTotal}} {{.KernelVersion}}' |
    sed 's/ 8 / 7 /' # overlay2 is one letter longer
say info -f '{{.Name}} {{.OperatingSystem}}' | sed 's/ (containerized)//'
say version -f '{{.Client.Os}} {{.Server.Arch}} {{.Server.KernelVersion}}'
say version -f '{{.Client.NoSuch'
say info -f '{{.Nope'
say tag box:1 other:tag
say image tag "$id" third
say images | sort
say tag nosuch x
say tag box:1 BAD
say tag box:1 "x@sha256:$(printf 'a%.0s' $(seq 64))"
say tag BAD x
say rmi "$id"
say rmi other:tag nosuch
say image rm third
say rmi nosuch BAD
say rmi -f nosuch
say rmi -f nosuch lib/two
say images
$C run --name con --network none run true
say rmi run
say rmi "$($C images -q run)"
say image prune -af | sort
say tag run again
say rmi again
say images
say rmi -f run | sed 's/sha256:.*/sha256:/' | uniq
say images
say rm con
say image prune
say image prune -f --filter until=1999-01-01
say image prune -f --filter label=x=y
say image prune -f --filter nosuch=1
say image prune -f --filter until=xx
say images -a
say system prune -f --filter label=nosuch
say image prune -f --filter label=x=z
say image prune -af | sort
say images -a
} | same
