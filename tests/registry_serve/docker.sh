# docker as a client of stepbox registry serve: $S is stepbox, $D a directory; the namespaces are ours.
. "$(dirname "$0")/../engines/place.sh"
. "$(dirname "$0")/../engines/dockerd.sh"
dockerd_begins vfs
. "$(dirname "$0")/turns.sh"
turns docker || { tail "$D/docker.log" "$D/registry.log" >&2; exit 1; }
kill "$registry"; wait "$registry"
dockerd_ends
