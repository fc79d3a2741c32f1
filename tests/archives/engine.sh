# What both engines are asked; `engine` calls one. $S is stepbox, $D a directory. podman puts localhost/ before a name
# that has no registry.
. "$(dirname "$0")/../engines/place.sh"
image
id() { "$S" save "$1" | tar -xO manifest.json | sed -E 's/.*"Config":"blobs.sha256.([0-9a-f]{64}).*/sha256:\1/'; }
theirs() { engine image inspect -f '{{.Id}}' "$1" | sed 's/^\(sha256:\)*/sha256:/'; }
same() { if [ "$2" = "$3" ] && [ -n "$2" ]; then echo "same $1"; else echo "DIFFERENT $1: $2 / $3"; fi; }

compare() {
    "$S" import -c 'CMD ["cat","/etc/group"]' -c 'ENV A=b' "$D/image.tar" localhost/plain:1 >"$D/log"
    gzip -c "$D/image.tar" | "$S" import - localhost/gzip:1 >>"$D/log"
    zstd -qc "$D/image.tar" | "$S" import - localhost/zstd:1 >>"$D/log"
    "$S" save -o "$D/ours" localhost/plain localhost/gzip:1 localhost/zstd:1
    engine load -i "$D/ours"
    for name in plain gzip zstd; do
        same "$name, ours to theirs" "$(id localhost/$name:1)" "$(theirs localhost/$name:1)"
    done
    # a second layer, with a file that is gone, made by the engine
    engine create --name con localhost/plain:1 true >/dev/null
    echo more >"$D/more" && engine cp "$D/more" con:/etc/more
    engine commit -c 'LABEL a=b' con localhost/two:1 >/dev/null
    engine rm con >/dev/null
    engine save -o "$D/theirs" localhost/two:1 localhost/gzip:1
    "$S" load -q -i "$D/theirs"
    same "two layers, theirs to ours" "$(theirs localhost/two:1)" "$(id localhost/two:1)"
    # and back: what came from there goes there again, as the same image
    "$S" save localhost/two:1 | gzip >"$D/back"
    engine rmi -f localhost/two:1 >/dev/null
    engine load <"$D/back"
    same "two layers, and back" "$(id localhost/two:1)" "$(theirs localhost/two:1)"
    same "what is in it" "$("$S" run --rm --network none localhost/two:1 cat /etc/more)" more
    same "which layers" "$(engine image inspect -f '{{range .RootFS.Layers}}{{.}},{{end}}' localhost/two:1)" \
        "$("$S" save localhost/two:1 | tar -xO "blobs/sha256/$(id localhost/two:1 | cut -d: -f2)" | grep -oE '"diff_ids":\[[^]]*' |
            cut -d'[' -f2 | tr -d '"'),"
    same "saved twice" "$("$S" save localhost/two:1 | sha256sum)" "$("$S" save localhost/two:1 | sha256sum)"
}
