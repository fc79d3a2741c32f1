# docker load and docker save against stepbox's; one line for each comparison.
. "$(dirname "$0")/engine.sh"
. "$(dirname "$0")/../engines/dockerd.sh"
engine() { docker "$@"; }
dockerd_begins vfs
compare
dockerd_ends
