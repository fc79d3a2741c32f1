//! The same commands, given to a Docker of our own in namespaces of its own: the same answers.

use support::docker;

use crate::copying::RULES;
use crate::place::furnished;

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

#[test]
fn docker_answers_the_same() {
    const TEST: &str = "docker_answers_the_same";
    let Some((ours, theirs)) = docker::sites(TEST, &[]) else { return };
    let (Some(ours), Some(theirs)) = (furnished(TEST, ours), furnished(TEST, theirs)) else { return };
    let script = format!("cd $D/state; {MORE}\n{RULES}");
    let mine = docker::stepbox(&ours, "", &script);
    let import = "docker import $D/state/image.tar box >/dev/null || dockerd_failed";
    assert_eq!(docker::docker(&theirs, "overlay2", import, &script), mine);
}
