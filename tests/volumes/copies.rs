//! What a volume begins with: the image's content, whole, once, and never anything else.

use support::site::Site;

/// An image with a directory of files of all kinds: `full`.
pub(crate) const FULL: &str = r#"$S run --name full --network none stepbox/base sh -c '
    mkdir -p /data/sub/deep /empty && echo text >/data/file && ln -s file /data/link && ln -s /etc/passwd /data/far
    mkfifo /data/pipe && echo deep >/data/sub/deep/x && chmod 4711 /data/file && chmod 1777 /empty && chmod 750 /data
    chown 7:8 /data /data/file 2>/dev/null; touch -h -d @1000000000 /data/link /data/file /data; true' || exit 1
$S commit full full >/dev/null; $S rm full >/dev/null
"#;
/// What there is of the directory, name by name.
const LIST: &str = "cd /data && find . | sort | xargs stat -c \"%n %F %a %u:%g %Y %N\"";

#[test]
fn an_empty_volume_begins_as_the_image() {
    for site in [Site::ours(), Site::nobody()] {
        site.says(FULL);
        let run = |options: &str, program: &str| {
            site.says(&format!("$S run --rm --network none {options} full sh -c '{program}'"))
        };
        let wanted = run("", &format!("{LIST} | grep -v deep"));
        let wanted: Vec<&str> = wanted.lines().collect();
        assert_eq!(wanted.len(), 6, "{wanted:?}");
        let same = |options: &str| {
            let found = run(options, &format!("{LIST} | grep -v deep"));
            assert_eq!(found.lines().collect::<Vec<_>>(), wanted, "{options}");
        };
        same("-v one:/data");
        // closed for the container, and filled all the same
        same("-v two:/data:ro");
        same("-v /data");
        same("--mount type=volume,dst=/data");
        assert_eq!(run("-v three:/data:nocopy", "ls -A /data; stat -c %a:%u /data"), "755:0\n");
        assert_eq!(run("--mount src=four,dst=/data,volume-nocopy", "ls -A /data"), "");
        // an empty directory lends its owner and mode
        assert_eq!(run("-v five:/empty -v six:/nowhere", "stat -c %a /empty /nowhere"), "1777\n755\n");
        // what has something in it stays as it is
        run("-v one:/data", "rm -r /data/sub /data/file; echo mine >/data/new");
        assert_eq!(run("-v one:/data", "ls -A /data"), "far\nlink\nnew\npipe\n");
        // one volume at two places begins as the image at the first
        assert_eq!(run("-v seven:/data -v seven:/empty", "ls /empty/sub; stat -c %a /empty"), "deep\n750\n");
        // a deeper one begins as the image, not as what lies above it
        run("-v eight:/data", "echo other >/data/sub/deep/x");
        assert_eq!(run("-v eight:/data -v nine:/data/sub", "cat /data/sub/deep/x"), "deep\n");
        site.refused(
            "$S run --rm --network none -v ten:/data/file full true",
            125,
            &["fill the volume", "ENOTDIR"],
        );
        site.says("$S volume rm one two three four five six seven eight nine ten; $S volume ls -q | grep -c . || true");
        site.assert_clean();
    }
}

#[test]
fn attributes_come_along() {
    let Some(site) = Site::root("attributes_come_along") else { return };
    let has = "command -v setfattr setcap >/dev/null && echo yes || true";
    if site.says(has).is_empty() {
        return support::skip("attributes_come_along", "there is no setfattr, or no setcap");
    }
    let out = site.says(
        "$S run --name xx --network none stepbox/base sh -c 'mkdir /data; echo >/data/f' && \
         f=$(find $D/state/containers -path '*/upper/data/f') && setfattr -n user.colour -v red $f && \
         setcap cap_net_raw=ep $f && $S commit xx xx >/dev/null && $S rm xx >/dev/null && \
         $S run --rm --network none -v vol:/data xx true && cd $D/state/volumes/vol/_data && \
         getfattr --only-values -n user.colour f && echo && getcap f",
    );
    assert_eq!(out, "red\nf cap_net_raw=ep\n");
    site.says("$S volume rm vol");
}

/// Links of the image lead into the image, links of the volume nowhere: nothing of the host is copied or written.
#[test]
fn links_lead_nowhere_else() {
    for site in [Site::ours(), Site::nobody()] {
        site.says("mkdir $D/state/host; echo secret >$D/state/host/secret");
        let ups = "../../../../../../../../../../../../..";
        site.says(&format!(
            "$S run --name bad --network none stepbox/base sh -c \"mkdir -p /real; echo r >/real/r; ln -s {ups}$D/state/host /a; \
             ln -s $D/state/host /b; ln -s {ups}/real /c; ln -s /proc/self/root/real /d; mkdir /e; ln -s {ups}$D/state/host /e/out\" \
             && $S commit bad bad >/dev/null && $S rm bad >/dev/null"
        ));
        for (place, found) in [("/a", ""), ("/b", ""), ("/c", "r\n"), ("/e", "out\n")] {
            let out = site.says(&format!(
                "$S run --rm --network none -v vol:{place} bad ls -A {place}; $S volume rm vol >/dev/null"
            ));
            assert_eq!(out, found, "{place}");
        }
        // no link of /proc is followed, as nowhere
        site.refused("$S run --rm --network none -v vol:/d bad true", 125, &["fill the volume"]);
        // the volume's own link, where the image has a directory: the volume is not empty, and stays as it is
        site.says("$S volume rm vol >/dev/null; $S run --rm --network none -v vol:/x stepbox/base ln -s $D/state/host /x/sub");
        let deeper = "$S run --rm --network none -v vol:/e -v wol:/e/sub bad sh -c 'echo lost >/e/sub/lost'";
        site.refused(deeper, 125, &["/e/sub", "is a link to what does not"]);
        assert_eq!(site.says("ls -A $D/state/host; cat $D/state/host/secret"), "secret\nsecret\n");
        site.says("$S volume rm vol wol");
        site.assert_clean();
    }
}

#[test]
fn many_at_once_find_it_whole() {
    for site in [Site::ours(), Site::nobody()] {
        site.says(FULL);
        let out = site.says(
            "for i in 1 2 3 4 5 6 7 8; do $S run --rm --network none -v vol:/data -v wol:/data/sub full \
             sh -c 'find /data | grep -c .' & done; wait",
        );
        assert_eq!(out, "8\n".repeat(8));
        site.says("$S volume rm vol wol");
        site.assert_clean();
    }
}

/// Killed at any moment of the copy: the next container finds the whole of it. What a program wrote is never taken away.
#[test]
fn a_copy_that_was_cut_short_begins_again() {
    for site in [Site::ours(), Site::nobody()] {
        site.says(FULL);
        site.says(
            "$S volume create vol >/dev/null; cd $D/state/volumes/vol; : >unfilled; mkdir _data/sub; echo half >_data/file",
        );
        assert_eq!(
            site.says("$S run --rm --network none -v vol:/data full cat /data/file /data/sub/deep/x"),
            "text\ndeep\n"
        );
        assert_eq!(site.says("ls $D/state/volumes/vol"), "_data\nvolume.json\n");
        // who wants no copy gets no half of one either
        site.says("cd $D/state/volumes/vol; : >unfilled");
        assert_eq!(site.says("$S run --rm --network none -v vol:/data:nocopy full ls -A /data"), "");
        site.says(
            "$S run --name large --network none stepbox/base sh -c \
             'mkdir /data; cd /data; i=0; while [ $i -lt 500 ]; do echo $i >$i; i=$((i+1)); done' && \
             $S commit large large >/dev/null && $S rm large >/dev/null",
        );
        let out = site.says(
            "for t in 0.01 0.02 0.03 0.05; do \
             $S volume create kol >/dev/null; $S run --rm --network none -v kol:/data large true & \
             sleep $t; kill -9 $! 2>/dev/null; wait $! 2>/dev/null; $S clean >/dev/null; \
             $S run --rm --network none -v kol:/data large sh -c 'ls /data | grep -c .; cat /data/* | sort -n | tail -1'; \
             $S volume rm kol >/dev/null || $S ps -a; done",
        );
        assert_eq!(out, "500\n499\n".repeat(4));
        site.says("$S volume rm vol");
        site.assert_clean();
    }
}
