//! `diff` and `export`: what is read of a container that runs, and of one that has ended.

use crate::place::{nobodys, ours, while_running};
use support::site::Site;

/// Does one of each kind.
const DO: &str = "rm -r /old; mkdir /old; echo n >/old/n; rm /data/a; echo z >>/data/sub/b; chmod 700 /data2; \
    mkdir -p /new/x; echo 1 >/new/x/f; ln /new/x/f /new/x/g; ln -s q /new/l; touch /etc/new; mkfifo /new/ff; : >/same; \
    touch /tmp; touch /new/x-y; rm /new/x-y; mkdir /tm/hidden; touch /vol/hidden";
/// And is listed so, as Docker does.
const CHANGES: &str = "\
C /data\nD /data/a\nC /data/sub\nC /data/sub/b\nC /data2\nC /etc\nA /etc/new\nA /new\nA /new/ff\nA /new/l\nA /new/x\n\
A /new/x/f\nA /new/x/g\nC /old\nD /old/a\nD /old/b\nA /old/n\nA /same\nA /tm\nA /vol\nA /work\nA /work/dir\n";
const OPTIONS: &str = "-v $D/state/vol:/vol --tmpfs /tm -w /work/dir";

fn changes(site: &Site) {
    let run = format!("$S run --name one --network none {OPTIONS} box sh -c '{DO}'");
    assert_eq!(site.says(&format!("{run}; $S diff one")), CHANGES);
    assert_eq!(site.says("$S container diff one"), CHANGES);
    let live = site.says(&while_running(OPTIONS, DO, "$S diff live"));
    assert_eq!(live.replace("A /ready\n", ""), CHANGES);
    assert_eq!(site.says("$S run --name none --network none box true; $S diff none"), "");
    site.refused("$S diff nosuch", 1, &["No such container: nosuch"]);
}

#[test]
fn every_kind_of_change_is_listed() {
    ours("every_kind_of_change_is_listed").iter().for_each(changes);
}

#[test]
fn every_kind_of_change_is_listed_without_root() {
    nobodys("every_kind_of_change_is_listed_without_root").iter().for_each(changes);
}

fn export(site: &Site) {
    const LIST: &str = "tar tvf - | tr -s ' ' | cut -d' ' -f1,2,6- | grep -v ' bin/'";
    let expected = "\
drwxr-xr-x 0/0 bin/
drwxr-xr-x 0/0 data/
lrwxrwxrwx 0/0 data/la -> a
drwxr-xr-x 0/0 data/sub/
-rw-r--r-- 0/0 data/sub/b
drwx------ 0/0 data2/
drwxr-xr-x 0/0 dev/
drwxr-xr-x 0/0 etc/
-rw-r--r-- 0/0 etc/hostname
-rw-r--r-- 0/0 etc/hosts
-rw-r--r-- 0/0 etc/new
-rw-r--r-- 0/0 etc/passwd
-rw-r--r-- 0/0 etc/resolv.conf
lrwxrwxrwx 0/0 link -> data
drwxr-xr-x 0/0 new/
prw-r--r-- 0/0 new/ff
lrwxrwxrwx 0/0 new/l -> q
drwxr-xr-x 0/0 new/x/
-rw-r--r-- 0/0 new/x/f
hrw-r--r-- 0/0 new/x/g link to new/x/f
drwxr-xr-x 0/0 old/
-rw-r--r-- 0/0 old/n
drwxr-xr-x 0/0 proc/
-rw-r--r-- 0/0 same
drwxr-xr-x 0/0 sys/
drwxr-xr-x 0/0 tm/
drwxr-xr-x 0/0 tmp/
drwxr-xr-x 0/0 vol/
drwxr-xr-x 0/0 work/
drwxr-xr-x 0/0 work/dir/
";
    let expected = expected.replacen("drwxr-xr-x 0/0 bin/\n", "", 1);
    let run = format!(
        "$S run --name one --network none {OPTIONS} box sh -c '{DO}; echo .wh >/.wh.odd; rm /.wh.odd'"
    );
    assert_eq!(site.says(&format!("{run}; $S export one | {LIST}")), expected);
    let live = site.says(&while_running(OPTIONS, DO, &format!("$S export live | {LIST}")));
    assert_eq!(live.replace("-rw-r--r-- 0/0 ready\n", ""), expected, "while it runs");
    // the same bytes each time, by -o and by >
    let twice = "$S export one | sha256sum; $S export -o $D/state/out.tar one; sha256sum <$D/state/out.tar";
    let sums = site.says(twice);
    let sums: Vec<&str> = sums.lines().collect();
    assert_eq!(sums[0], sums[1]);
    let back = "$S import $D/state/out.tar flat >/dev/null; $S run --rm --network none flat sh -c 'cat /old/n; ls /data'";
    assert_eq!(site.says(back), "n\nla\nsub\n");
    site.refused("$S export -o /no/such/x one", 1, &["directory \"/no/such\" does not exist"]);
    site.refused("$S export nosuch", 1, &["No such container: nosuch"]);
}

#[test]
fn export_is_one_tree() {
    ours("export_is_one_tree").iter().for_each(export);
}

#[test]
fn export_is_one_tree_without_root() {
    nobodys("export_is_one_tree_without_root").iter().for_each(export);
}

#[test]
fn a_name_that_looks_like_a_whiteout_is_exported_as_it_is() {
    let Some(site) = ours("a_name_that_looks_like_a_whiteout_is_exported_as_it_is") else { return };
    site.says("$S run --name one --network none box sh -c 'echo odd >/data/.wh.a'");
    assert_eq!(site.says("$S export one | tar xOf - data/.wh.a data/a"), "odd\na\n");
    site.refused("$S commit one", 1, &["data/.wh.a", "its name would be read as a whiteout"]);
}

#[test]
fn closed_files_are_no_secret_from_their_owner() {
    let Some(site) = nobodys("closed_files_are_no_secret_from_their_owner") else { return };
    site.says("$S run --name one --network none box sh -c 'mkdir -p /shut/in; echo 1 >/shut/in/f; chmod 0 /shut/in/f /shut/in /shut'");
    assert_eq!(site.says("$S export one | tar xOf - shut/in/f"), "1\n");
    assert_eq!(site.says("$S diff one"), "A /shut\nA /shut/in\nA /shut/in/f\n");
    assert_eq!(site.says("$S cp one:/shut/in/f - | tar xO"), "1\n");
    let live = while_running(
        "",
        "mkdir /shut; echo 2 >/shut/f; chmod 0 /shut/f /shut",
        "$S cp live:/shut/f - | tar xO; $S cp $D/state/image/data/a live:/shut/a; $S cp live:/shut/a - | tar xO",
    );
    assert_eq!(site.says(&live), "2\na\n");
}

#[test]
fn what_lost_its_layers_says_so() {
    let Some(site) = ours("what_lost_its_layers_says_so") else { return };
    site.says("$S run --name one --network none box sh -c 'echo kept >/kept'");
    site.says("mv $D/state/layers $D/state/elsewhere; mkdir $D/state/layers");
    for command in ["diff one", "export one", "cp one:/kept $D/state/x", "commit one"] {
        site.refused(&format!("$S {command} "), 1, &["container one has lost its image's layer", "/upper"]);
    }
    site.says(
        "rmdir $D/state/layers; mv $D/state/elsewhere $D/state/layers; $S diff one | grep -x 'A /kept'",
    );
}

/// By a driver that stacks nothing, the same files make the same list, the same layer and the same export.
#[test]
fn a_tree_of_its_own_is_read_like_an_overlay() {
    let Some(site) = ours("a_tree_of_its_own_is_read_like_an_overlay") else { return };
    let program = format!(
        "$S run --name one --network none {OPTIONS} box sh -c '{DO}'; $S diff one; $S export one | tar t
         $S cp $D/state/image/data/a one:/vol/a; $S cp one:/vol/a - | tar xO; $S cp one:/old - | tar t
         $S commit one img >/dev/null; $S run --rm --network none img sh -c 'find /data /old /new'
         $S rm one"
    );
    let stacked = site.says(&program);
    let branched = site.says(&format!("export STEPBOX_STORAGE_DRIVER=vfs; {program}"));
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert!(stacked.starts_with(CHANGES), "{stacked}");
    assert_eq!(sorted(&branched), sorted(&stacked));
    site.assert_clean();
}
