//! `cp`: where things go, who owns them, and what is refused.

use crate::place::{nobodys, ours, while_running};
use support::site::Site;

/// Every rule of Docker's about paths, one after the other, with container `one`.
pub const RULES: &str = include_str!("rules.sh");

fn rules(site: &Site) {
    site.says("$S run --name one --network none box true");
    expect(&site.says(&format!("C=$S; cd $D/state; {RULES}")));
}

fn expect(answers: &str) {
    insta::with_settings!({ snapshot_path => "../snapshots" }, { insta::assert_snapshot!("rules", answers) });
}

#[test]
fn the_rules_of_paths() {
    ours("the_rules_of_paths").iter().for_each(rules);
}

#[test]
fn the_rules_of_paths_without_root() {
    nobodys("the_rules_of_paths_without_root").iter().for_each(rules);
}

#[test]
fn the_rules_of_paths_while_it_runs() {
    let Some(site) = ours("the_rules_of_paths_while_it_runs") else { return };
    let program = while_running("", "true", &format!("C=$S; one=live; cd $D/state; {RULES}"));
    let said = site.says(&program).replace("live:", "one:").replace("./ready\n", "");
    expect(&said);
}

#[test]
fn what_is_refused() {
    let Some(site) = ours("what_is_refused") else { return };
    site.says("$S run --name one --network none --read-only -v $D/state/data:/vol:ro box true; echo f >$D/state/f; mkdir $D/state/dir");
    for (command, words) in [
        ("one:/nope out", "No such container:path: one:/nope"),
        ("one:/data/a/ out", "No such container:path: one:/data/a/"),
        ("nope one:/", "state/nope: no such file or directory"),
        ("nosuch:/x out", "No such container: nosuch"),
        ("one:/x two:/x", "copying between containers is not supported"),
        ("x y", "must specify at least one container source"),
        ("one: out", "can not be empty"),
        ("'' one:/x", "source can not be empty"),
        ("one:/data no/such/x", "state/no/such\" does not exist"),
        ("one:/data/a /dev/null", "\"/dev/null\" must be a directory or a regular file: got a device"),
        ("one:/data f", "cannot copy directory"),
        ("one:/data/a nodir/", "no such directory"),
        ("f one:/x", "container rootfs is marked read-only"),
        ("f one:/vol/x", "mounted volume is marked read-only"),
        ("- one:/data/a", "destination \"one:/data/a\" must be a directory"),
    ] {
        site.refused(&format!("cd $D/state; $S cp {command} </dev/null"), 1, &[words]);
    }
    site.says("$S run --name two --network none box true");
    for (command, words) in [
        ("f two:/no/such", "No such container:path: two:/no"),
        ("f two:/nodir/", "no such directory"),
        ("dir two:/data/a", "cannot copy directory"),
        ("dir two:/data/a/", "cannot overwrite non-directory"),
    ] {
        site.refused(&format!("cd $D/state; $S cp {command}"), 1, &[words]);
    }
    let archive = "cd $D/state; mkdir -p e/data; touch e/data/sub; $S cp e/. two:/";
    site.refused(archive, 1, &["cannot overwrite directory", "data/sub"]);
    site.refused("cd $D/state; tar cPf - ../stepbox | $S cp - two:/tmp", 1, &["leads out of the directory"]);
    site.says("$S rm one two");
    site.assert_clean();
}

#[test]
fn who_owns_what_is_copied() {
    let Some(site) = Site::root("who_owns_what_is_copied") else { return };
    let Some(site) = crate::place::furnished("who_owns_what_is_copied", site) else { return };
    let prepare = "cd $D/state; echo 1 >f; chown 12:34 f; chmod 6755 f; mkdir d; chown 12:34 d; cp -p f d/f; \
                   $S run --name one --network none box sh -c 'echo 2 >/g; chown 56:78 /g; chmod 4755 /g'";
    let list = "$S export one | tar --numeric-owner -tvf - f F d d/f | tr -s ' ' | cut -d' ' -f1,2,6";
    let plain = format!("{prepare}; $S cp f one:/f; $S cp d one:/d; $S cp -a f one:/F; {list}");
    // who owns it now would else lend himself to whoever runs it
    let expected = "-rwxr-xr-x 0/0 f\n-rwsr-sr-x 12/34 F\n";
    let said = site.says(&plain);
    assert_eq!(
        said, "-rwsr-sr-x 12/34 F\ndrwxr-xr-x 0/0 d/\n-rwxr-xr-x 0/0 d/f\n-rwxr-xr-x 0/0 f\n",
        "{expected}"
    );
    let out =
        "cd $D/state; $S cp one:/g g; $S cp -a one:/g G; $S cp one:/d . ; stat -c '%A %u:%g %n' g G d/f";
    assert_eq!(site.says(out), "-rwxr-xr-x 0:0 g\n-rwsr-xr-x 56:78 G\n-rwxr-xr-x 0:0 d/f\n");
    let live = while_running(
        "",
        "true",
        "cd $D/state; $S cp f live:/f; $S cp -a f live:/F; stat -c '%A %u:%g' /proc/$P/root/f /proc/$P/root/F",
    );
    assert_eq!(site.says(&live), "-rwxr-xr-x 0:0\n-rwsr-sr-x 12:34\n");
}

#[test]
fn volumes_are_part_of_it() {
    for site in [ours("volumes_are_part_of_it"), nobodys("volumes_are_part_of_it")].into_iter().flatten() {
        site.says("mkdir $D/state/vol; echo 1 >$D/state/vol/f; echo 2 >$D/state/g");
        let options = "-v $D/state/vol:/mnt/vol --tmpfs /tm";
        let copy = |name: &str| {
            format!(
                "$S cp {name}:/mnt/vol/f - | tar xO; $S cp $D/state/g {name}:/mnt/vol/{name}; cat $D/state/vol/{name}; \
                 $S cp {name}:/etc/hosts - | tar xO | grep -c localhost"
            )
        };
        let live = copy("live")
            + "; $S cp $D/state/g live:/tm/g; $S cp live:/tm/g - | tar xO; $S cp live:/ $D/state/all; ls -A $D/state/all/proc $D/state/all/dev $D/state/all/sys | grep -v :; ls $D/state/all/mnt/vol";
        let said = site.says(&while_running(options, "true", &live));
        assert_eq!(said, "1\n2\n2\n2\n\n\nf\nlive\n", "of /proc, /dev and /sys only the places");
        site.says(&format!("$S run --name one --network none {options} box true"));
        assert!(site.says(&copy("one")).starts_with("1\n2\n"));
        assert_eq!(
            site.says("mount | grep -c $D/state/containers || true").trim(),
            "0",
            "nothing stays mounted"
        );
        // what is mounted cannot be replaced
        site.says("$S rm live");
        let busy = site.says(&while_running(options, "true", "$S cp $D/state/g live:/etc/hosts 2>&1"));
        assert!(busy.contains("unlinkat: EBUSY"), "{busy}");
    }
}

#[test]
fn archives_on_both_ends() {
    let Some(site) = ours("archives_on_both_ends") else { return };
    site.says("$S run --name one --network none box sh -c 'ln -s /data /d'");
    let there = "cd $D/state; mkdir -p x/y; echo 1 >x/y/f; tar c x | $S cp - one:/tmp; tar cz x | $S cp - one:/d; \
                 $S cp one:/tmp/x/y/f - | tar xO; $S cp one:/data/x - | tar t";
    assert_eq!(site.says(there), "1\nx/\nx/y/\nx/y/f\n");
    // an archive that leaves out a directory which is a link in there
    let through =
        "cd $D/state; mkdir d; echo 2 >d/f; tar c d/f | $S cp - one:/; $S cp one:/data/f - | tar xO";
    assert_eq!(site.says(through), "2\n");
    let large = "cd $D/state; head -c 30000000 /dev/urandom >big; ln big big2; $S cp big one:/; $S cp one:/big - | tar xO | cmp - big && echo same";
    assert_eq!(site.says(large), "same\n");
    // whoever stops reading ends it
    assert_eq!(site.says("$S cp one:/big - | head -c 10 | wc -c").trim(), "10");
    site.says("$S rm one");
    site.assert_clean();
}

/// Both would mount the same upper directory.
#[test]
fn a_start_waits_for_a_copy() {
    let Some(site) = ours("a_start_waits_for_a_copy") else { return };
    let out = site.says(
        "cd $D/state; $S create --name one --network none box cat /tmp/f >/dev/null; mkfifo pipe; echo copied >f; \
         $S cp - one:/tmp <pipe & copy=$!; exec 3>pipe; until ! flock -n containers/*/lock true; do sleep 0.02; done; \
         timeout 1 $S start one; echo $?; tar c f >&3; exec 3>&-; wait $copy; $S start one; $S wait one; $S logs one; $S rm one",
    );
    assert_eq!(out, "124\none\n0\ncopied\none\n");
    site.assert_clean();
}
