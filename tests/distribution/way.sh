# The way of $D/rootfs.tar: $S is stepbox, $D a directory; the namespaces are ours.
. "$(dirname "$0")/../engines/place.sh"
. "$(dirname "$0")/../engines/dockerd.sh"
# there, as Docker and skopeo ask it, without TLS
skopeo() { command skopeo --insecure-policy --tmpdir "$D" "$@"; }
fail() { echo "FAILED: $*" >&2; tail -5 "$D"/*.log >&2; exit 1; }
same() { if [ "$2" = "$3" ] && [ -n "$2" ]; then echo "same $1"; else echo "DIFFERENT $1: $2 / $3"; fi; }
elsewhere() { STEPBOX_ROOT=$D/elsewhere "$S" "$@"; }

export HOME=$D DOCKER_CONFIG=$D/docker-config
dockerd_begins vfs
printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:5000", secret: none}\n' \
    "$D/registry" >"$D/registry.yml"
OTEL_TRACES_EXPORTER=none docker-registry serve "$D/registry.yml" >"$D/registry.log" 2>&1 &
registry=$!
for _ in $(seq 300); do grep -q 'listening on' "$D/registry.log" && break; sleep 0.1; done

# both ways in
docker import -c 'CMD ["bash"]' "$D/rootfs.tar" theirs:1 >/dev/null || fail docker import
docker save -o "$D/theirs.tar" theirs:1 || fail docker save
"$S" load -q -i "$D/theirs.tar" || fail load
same "id after load" "$(docker inspect -f '{{.Id}}' theirs:1)" "$("$S" inspect -f '{{.Id}}' theirs:1)"
"$S" import -c 'CMD ["bash"]' "$D/rootfs.tar" ours:1 >/dev/null || fail import
same "layer of docker import and ours" "$(docker inspect -f '{{.RootFS.Layers}}' theirs:1)" \
    "$("$S" inspect -f '{{.RootFS.Layers}}' ours:1)"
rm "$D/theirs.tar"

# what a user would do with it; without a network, as it has none here
inside='set -e; dpkg --version >/dev/null; apt-get --version >/dev/null; dpkg -l | grep -c ^ii >/packages
    test "$(dpkg --audit)" = ""; perl -e "print qq(perl\n)"; useradd -m ada; chown ada /packages; su ada -c "id -un"
    apt-get purge -y --allow-remove-essential tzdata >/dev/null 2>&1 || true; rm -r /usr/share/doc; mkdir /usr/share/doc
    echo new >/usr/share/doc/new; ln /packages /linked; cat /packages'
for from in theirs ours; do
    "$S" run --name "$from" --network none "$from:1" bash -c "$inside" >"$D/out" 2>"$D/$from.log" || fail "run $from"
    [ "$(head -2 "$D/out" | tr '\n' ' ')" = 'perl ada ' ] && [ "$(tail -1 "$D/out")" -gt 50 ] || fail "$(cat "$D/out")"
    name=localhost:5000/class/$from:v2
    "$S" diff "$from" | grep -qx 'A /packages' || fail diff
    "$S" commit -m 'a user' -c 'ENV WHO=ada' "$from" "$name" >/dev/null || fail commit
    "$S" rm "$from" >/dev/null
    "$S" push "$name" >"$D/push.log" || fail push
    pushed=$(grep -o 'digest: sha256:[0-9a-f]*' "$D/push.log" | cut -d' ' -f2)
    id=$("$S" inspect -f '{{.Id}}' "$name")
    look='cat /packages; stat -c %U /packages; stat -c %h /linked; ls /usr/share/doc; echo $WHO; dpkg --audit'
    want=$(tail -1 "$D/out"; printf 'ada\n2\nnew\nada\n')

    # another machine, as far as images go
    elsewhere pull -q "$name" >/dev/null || fail pull
    owner=docker\'s; [ "$from" = theirs ] || owner=ours
    [ "$(elsewhere images --digests --format '{{.Digest}}' "$name")" = "$pushed" ] && echo "$owner: same digest"
    [ "$(elsewhere inspect -f '{{.Id}}' "$name")" = "$id" ] && echo "$owner: same id"
    same "$from, what runs elsewhere" "$(elsewhere run --rm --network none "$name" bash -c "$look")" "$want"
    elsewhere system check >"$D/check.log" || fail check

    # whoever else pulls it
    same "$from by skopeo" "$(skopeo inspect --tls-verify=false --raw "docker://$name" | sha256sum | cut -d' ' -f1)" "${pushed#sha256:}"
    skopeo copy -q --preserve-digests --src-tls-verify=false "docker://$name" "oci:$D/layout:x" || fail skopeo copy
    same "$from copied" "$(grep -o 'sha256:[0-9a-f]*' "$D/layout/index.json" | head -1)" "$pushed"
    rm -r "$D/layout"
    docker pull -q "localhost:5000/class/$from@$pushed" >/dev/null || fail docker pull
    same "$from by docker" "$(docker inspect -f '{{.Id}}' "localhost:5000/class/$from@$pushed")" "$id"
    docker create --name look "localhost:5000/class/$from@$pushed" >/dev/null
    same "$from, a file by docker" "$(docker cp look:/packages - | tar xO)" "$(tail -1 "$D/out")"
    same "$from, what is gone by docker" "$(docker cp look:/usr/share/doc - | tar t | tr '\n' ' ')" 'doc/ doc/new '
    docker rm look >/dev/null

    # and back: Docker names it, pushes it, and we have it already
    docker tag "localhost:5000/class/$from@$pushed" "localhost:5000/class/back:$from"
    docker push -q "localhost:5000/class/back:$from" >/dev/null || fail docker push
    elsewhere pull -q "localhost:5000/class/back:$from" >/dev/null || fail pull again
    same "$from, and back" "$(elsewhere inspect -f '{{.Id}}' "localhost:5000/class/back:$from")" "$id"
    elsewhere save "$name" | docker load -q | grep -q Loaded || fail docker load
    same "$from, saved elsewhere" "$(docker inspect -f '{{.Id}}' "$name")" "$id"
done
"$S" system check >"$D/check.log" || fail check
kill "$registry"; wait "$registry"
dockerd_ends || fail dockerd
echo the end
