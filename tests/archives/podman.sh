# podman load and podman save against stepbox's; one line for each comparison.
. "$(dirname "$0")/engine.sh"
engine() {
    podman --root "$D/podman" --runroot "$D/run" --tmpdir "$D/tmp" --storage-driver vfs --events-backend file "$@"
}
compare
