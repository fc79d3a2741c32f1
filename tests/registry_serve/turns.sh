# What every engine has to do with our registry, under the name that it gives.
"$S" run --rm --network none stepbox/base true || exit 1
"$S" registry serve --listen 127.0.0.1:5000 >"$D/ready" 2>"$D/registry.log" &
registry=$!
for _ in $(seq 300); do [ -s "$D/ready" ] && break; sleep 0.1; done

# A file of the image, without running it.
look() { "$1" create --name box "$2" >/dev/null && "$1" cp box:/etc/passwd - | tar -xO | grep -c ^root: && "$1" rm box >/dev/null; }

turns() {
    "$1" pull localhost:5000/stepbox/base:latest >&2 && [ "$(look "$1" localhost:5000/stepbox/base)" = 1 ] || return 1
    echo pulled hello
    "$1" tag localhost:5000/stepbox/base localhost:5000/class/app:v1 && "$1" push localhost:5000/class/app:v1 >&2 || return 1
    echo pushed
    "$1" rmi localhost:5000/stepbox/base localhost:5000/class/app:v1 >/dev/null || return 1
    echo removed
    "$1" pull localhost:5000/class/app:v1 >&2 && [ "$(look "$1" localhost:5000/class/app:v1)" = 1 ] || return 1
    echo pulled again hello
    "$S" images | awk 'NR > 1 { print $1, $2 }' | sort
    # and what came back runs
    "$S" run --rm --network none localhost:5000/class/app:v1 true
}
