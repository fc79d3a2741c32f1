# buildah against stepbox, by archives, by the store as it lies and by our registry; one line for each comparison.
. "$(dirname "$0")/engine.sh"
b() { HOME=$D buildah --root "$D/buildah" --runroot "$D/run" --storage-driver vfs "$@" 2>>"$D/log"; }
theirs() { b inspect --type image -f '{{.FromImageID}}' "$1" | sed 's/^/sha256:/'; }

"$S" import -c 'CMD ["cat","/etc/group"]' "$D/image.tar" localhost/plain:1 >"$D/log"
"$S" run --name con --network none localhost/plain:1 sh -c 'rm /etc/group; mkdir /new; echo 1 >/new/f; ln /new/f /new/g; chmod 4711 /new/f'
"$S" commit con localhost/two:1 >>"$D/log" && "$S" rm con >>"$D/log"
"$S" save --format oci-archive -o "$D/oci" localhost/two:1 && "$S" save -o "$D/docker" localhost/two:1
for form in oci docker; do
    b pull "$form-archive:$D/$form" >>"$D/log"
    same "$form, ours to theirs" "$(id localhost/two:1)" "$(theirs localhost/two:1)"
    b rmi -a -f >>"$D/log"
done
# the store, as it lies
# under a name in lower case, for buildah makes the image's name of it
mkdir -p /run/store && mount --bind "$STEPBOX_ROOT" /run/store
b pull oci:/run/store:localhost/two:1 >>"$D/log"
two=$(id localhost/two:1)
same "store, ours to theirs" "$(b images -q --no-trunc)" "$two"
con=$(b from "${two#sha256:}")
tree=$(b mount "$con")
same "what our layer took away and made" "$(ls "$tree/etc"; stat -c '%n %a %h' "$tree"/new/* | sed "s,$tree,,")" \
    "$("$S" run --rm --network none localhost/two:1 sh -c "ls /etc | grep -vxE 'host.*|resolv.conf|mtab'; stat -c '%n %a %h' /new/*")"
# a third layer by buildah, in both forms
rm -r "$tree/new" && mkdir "$tree/new" && echo more >"$tree/new/more" && rm "$tree/etc/passwd"
b config --label a=b "$con" && b commit "$con" localhost/three:1 >>"$D/log"
for form in oci docker; do
    b push localhost/three:1 "$form-archive:$D/three-$form:localhost/three:1" >>"$D/log"
    "$S" load -q -i "$D/three-$form" >>"$D/log"
    [ "$form" = docker ] || same "three layers, theirs to ours" "$(theirs localhost/three:1)" "$(id localhost/three:1)"
    same "three layers, $form" "$("$S" run --rm --network none localhost/three:1 sh -c 'ls /new; ls /etc/passwd 2>/dev/null')" more
    "$S" rmi -f localhost/three:1 >>"$D/log"
done
# by our registry, there and back
"$S" registry serve --listen 127.0.0.1:5000 >"$D/ready" 2>"$D/registry.log" &
registry=$!
for _ in $(seq 300); do [ -s "$D/ready" ] && break; sleep 0.1; done
b push --tls-verify=false --digestfile "$D/digest" localhost/three:1 docker://localhost:5000/class/three:1 >>"$D/log"
same "pushed to our registry" "$("$S" images --digests --format '{{.Digest}}' localhost:5000/class/three)" "$(cat "$D/digest")"
three=$(theirs localhost/three:1)
b umount "$con" >>"$D/log"; b rm "$con" >>"$D/log"; b rmi -a -f >>"$D/log"
b pull --tls-verify=false docker://localhost:5000/class/three:1 >>"$D/log"
same "pulled from our registry" "$(theirs localhost:5000/class/three:1)" "$three"
kill "$registry" && wait "$registry"
cat "$D/log" >&2
