//! What is said of volumes, and what is refused.

use support::site::Site;

#[test]
fn what_is_refused_says_why() {
    let site = Site::ours();
    for (command, code, words) in [
        (
            "volume create a",
            1,
            "create a: volume name is too short, names should be at least two alphanumeric characters",
        ),
        ("volume create a/b", 1, "includes invalid characters for a local volume name"),
        ("volume create -d nfs vv", 1, "error looking up volume plugin nfs"),
        ("volume create -o colour=red vv", 1, "create vv: invalid option: \"colour\""),
        ("volume create -o type=tmpfs vv", 1, "create vv: missing required option: \"device\""),
        (
            "volume create -o type=tmpfs -o device=tmpfs vv",
            1,
            "the option type=tmpfs is not part of this version",
        ),
        ("volume create -o type=nfs -o o=addr=x -o device=:/x vv", 1, "the option type=nfs is not part"),
        (
            "volume create -o type=none -o o=bind,noexec -o device=/x vv",
            1,
            "the option o=bind,noexec is not part",
        ),
        ("volume ls -f colour=red", 1, "Invalid filter 'colour'"),
        ("volume prune -f --filter until=1h", 1, "Invalid filter 'until'"),
        (
            "system prune -f --volumes --filter until=1h",
            1,
            "The \"until\" filter is not supported with \"--volumes\"",
        ),
        ("run --rm -v x:/data stepbox/base true", 125, "create x: volume name is too short"),
        (
            "run --rm -v a/b:/data stepbox/base true",
            125,
            "If you intended to pass a host directory, use absolute path",
        ),
        ("run --rm -v ../x:/data stepbox/base true", 125, "includes invalid characters"),
        ("run --rm -v vv:data stepbox/base true", 125, "must be an absolute path"),
        ("run --rm -v vv:/data:ro,rw stepbox/base true", 125, "invalid mode: ro,rw"),
        ("run --rm -v vv:/data:colour stepbox/base true", 125, "invalid mode: colour"),
        ("run --rm -v /tmp:/data:nocopy stepbox/base true", 125, "invalid mode: nocopy"),
        ("run --rm -v vv:/data --volume-driver nfs stepbox/base true", 125, "plugin \"nfs\" not found"),
        ("run --rm -v / stepbox/base true", 125, "the container's / cannot be covered"),
        ("run --rm -v /x -v vv:/x stepbox/base true", 125, "Duplicate mount point: /x"),
        (
            "run --rm --mount src=vv,dst=/x,volume-driver=nfs stepbox/base true",
            125,
            "error looking up volume plugin nfs",
        ),
        (
            "run --rm --mount src=vv,dst=/x,tmpfs-size=1 stepbox/base true",
            125,
            "cannot mix 'tmpfs-*' options",
        ),
    ] {
        site.refused(&format!("$S {command}"), code, &[words]);
    }
    assert_eq!(site.says("$S volume ls -q; $S run --rm --dry-run -v vv:/x -v /y stepbox/base true >/dev/null; $S volume ls -q"), "");
    site.assert_clean();
}

#[test]
fn what_cannot_be_read_is_named() {
    let site = Site::ours();
    let out = site.says(
        "$S volume create --label x=y good >/dev/null; $S volume create bad >/dev/null; \
         echo '{' >$D/state/volumes/bad/volume.json; $S volume ls 2>&1; \
         $S run --rm --network none -v bad:/x stepbox/base sh -c 'echo kept >/x/file'; \
         $S system check --repair | grep -c volume.json; $S volume ls 2>&1; cat $D/state/volumes/bad/_data/file; \
         $S system check | tail -1 | grep -c nothing; $S volume inspect -f '{{.Labels}} {{json .Options}}' good bad; \
         $S volume rm good bad >/dev/null",
    );
    let list = "DRIVER    VOLUME NAME\nlocal     bad\nlocal     good\n";
    let broken = "stepbox: volume bad: what is written down of it cannot be read\n";
    assert_eq!(out, format!("{broken}{list}2\n{list}kept\n1\nmap[x:y] {{}}\nmap[] null\n"));
    site.assert_clean();
}
