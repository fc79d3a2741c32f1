# podman as a client of stepbox registry serve: $S is stepbox, $D a directory; the namespaces are ours.
. "$(dirname "$0")/../engines/place.sh"
podman() {
    verb=$1; shift
    case $verb in pull | push) set -- --tls-verify=false "$@" ;; esac
    HOME=$D command podman --root "$D/podman" --runroot "$D/run" --tmpdir "$D/tmp" --storage-driver vfs \
        --events-backend file "$verb" "$@"
}
. "$(dirname "$0")/turns.sh"
turns podman || { cat "$D/registry.log" >&2; exit 1; }
kill "$registry" && wait
