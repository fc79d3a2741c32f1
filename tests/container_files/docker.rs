//! The same commands, given to a Docker of our own in namespaces of its own: the same answers.

use crate::copying::RULES;
use crate::player::said;
use crate::site::Site;

/// Commands whose answers are compared besides the rules of paths; `$C` is the command.
const MORE: &str = r#"
$C run --name one --network none -v $D/state/vol:/vol --tmpfs /tm -w /work/dir box sh -c 'rm -r /old; mkdir /old
    echo n >/old/n; rm /data/a; echo z >>/data/sub/b; chmod 700 /data2; mkdir -p /new/x; echo 1 >/new/x/f
    ln -s q /new/l; touch /etc/new; mkfifo /new/ff; : >/same; touch /tmp; rm /data/la; mkdir /data/la; chown 3:4 /tmp
    mv /etc/passwd /etc/p; cp /bin/busybox /bin/b; mkdir /sub; touch /sub/.x; rm -r /data/sub'
echo diff; $C diff one | sort
echo export; $C export one | tar t | sort | grep -vE '^(\.dockerenv|dev/.+|etc/mtab|bin/.*)$'
$C commit -a me -m why -c 'ENV A=b' -c 'LABEL l=m' -c 'EXPOSE 80' -c 'CMD ["sh", "-c", "ls -R /old /data; echo $A"]' \
    one img >/dev/null; $C run --rm --network none img
$C run --name two --network none -e FOO=bar -u web box true; $C commit two img2 >/dev/null
$C run --rm --network none img2 sh -c 'id -u; echo $FOO'
for bad in 'commit one BAD' 'commit -c FOO one x' 'commit nosuch' 'diff nosuch' 'export nosuch' 'cp nosuch:/x y'; do
    $C $bad >/dev/null 2>&1; echo "$bad $?"
done
$C run --name three --network none box true; one=three
"#;

const DOCKERD: &str = r#"
. $PLACE
docker() { command /usr/bin/docker -H "unix://$D/docker.sock" "$@"; }
echo '{}' >"$D/docker.json"
dockerd --config-file "$D/docker.json" --data-root "$D/docker" --exec-root "$D/exec" --pidfile "$D/docker.pid" \
    -H "unix://$D/docker.sock" --storage-driver overlay2 --iptables=false --bridge=none \
    --cgroup-parent "/$PARENT" >"$D/docker.log" 2>&1 &
daemon=$!
for _ in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.1; done
docker import "$D/state/image.tar" box >/dev/null || { tail "$D/docker.log"; exit 1; }
C=docker
cd $D/state
"#;

const THE_END: &str = r#"
docker ps -aq | while read -r id; do docker rm -f "$id"; done >/dev/null
kill "$daemon"; wait "$daemon"
sweep "$PARENT" >&2
"#;

#[test]
fn docker_answers_the_same() {
    const TEST: &str = "docker_answers_the_same";
    if std::env::var_os("STEPBOX_SLOW").is_none() {
        return crate::support::skip(TEST, "it takes a minute: STEPBOX_SLOW=1 runs it");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |name: &str| std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    if let Some(missing) = ["dockerd", "docker", "runc"].iter().find(|name| !found(name)) {
        return crate::support::skip(TEST, &format!("there is no {missing}"));
    }
    let site = || Site::root(TEST).and_then(|site| crate::place::furnished(TEST, site));
    let (Some(ours), Some(theirs)) = (site(), site()) else { return };
    let mine = ours.says(&format!("C=$S; cd $D/state; {MORE}\n{RULES}"));
    let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines/place.sh");
    let parent = format!("stepbox-tests-docker-files-{}", std::process::id());
    let script = format!(
        "exec bash -c '. /dev/stdin' <<'END'\nPLACE={}; PARENT={parent}\n{DOCKERD}{MORE}\n{RULES}\n{THE_END}END\n",
        place.display()
    );
    let docker = said(&mut theirs.script_of(100, &script));
    assert_eq!(docker.code, 0, "{}{}", docker.out, docker.err);
    assert_eq!(docker.out, mine);
}
