//! Containers that are made and started by different commands: their volumes are there, and filled, from the beginning.

use crate::copies::FULL;
use support::site::Site;

const COUNT: &str = "$S volume ls -q | grep -c . || true";

fn both() -> [Site; 2] {
    [Site::ours(), Site::nobody()]
}

#[test]
fn filled_when_the_container_is_made() {
    for site in both() {
        site.says(FULL);
        let out = site.says(
            "$S create --name aa --network none -v one:/data:ro -v two:/data:nocopy full ls -A /data 2>&1; \
             $S create --name aa --network none -v one:/data:ro -v two:/nowhere:nocopy full ls -A /data >/dev/null; \
             ls -A $D/state/volumes/one $D/state/volumes/one/_data $D/state/volumes/two/_data; \
             $S run --rm --network none -v one:/data full sh -c 'rm -r /data/*; touch /data/mine'; \
             $S start -a aa; $S start -a aa; $S volume rm one 2>&1 | grep -c 'in use'; $S rm -v aa; $S volume rm one two",
        );
        let lists = "/one:\n_data\nvolume.json\n\n";
        assert!(out.starts_with("stepbox: Duplicate mount point: /data\n") && out.contains(lists), "{out}");
        let data = "one/_data:\nfar\nfile\nlink\npipe\nsub\n";
        assert!(out.contains(data), "{out}");
        // as in Docker, what was emptied before the first start stays empty; what has a name stays with rm -v
        assert!(out.ends_with("two/_data:\nmine\nmine\n1\naa\none\ntwo\n"), "{out}");
        site.assert_clean();
    }
}

#[test]
fn a_container_that_cannot_be_made_leaves_nothing() {
    for site in both() {
        site.says(FULL);
        let out = site.says(&format!(
            "$S create --name aa --network none -v /data full true >/dev/null; {COUNT}; \
             $S create --name aa --network none -v /data full true 2>&1 | grep -c 'already in use'; {COUNT}; \
             $S create --network none -v /data -v /data/file full true 2>&1 | grep -c '^stepbox: fill the volume'; {COUNT}; \
             ls $D/state/containers | wc -l; $S rm -v aa; {COUNT}"
        ));
        assert_eq!(out, "1\n1\n1\n1\n1\n1\naa\n0\n");
        site.assert_clean();
    }
}

#[test]
fn who_was_not_named_lives_with_the_container() {
    for site in both() {
        site.says(FULL);
        site.says(
            "$S run --name ii full true; $S commit -c 'VOLUME /empty' ii ii >/dev/null; $S rm ii >/dev/null",
        );
        // those of a container that is removed at its end go a moment after it
        let two = format!("until [ $({COUNT}) = 2 ]; do sleep 0.05; done; echo 2");
        let out = site.says(&format!(
            "$S run -d --name aa --network none -v /data ii sh -c 'ls /data >>/empty/list' >/dev/null; $S wait aa; {COUNT}; \
             $S start aa; $S wait aa; $S restart aa; $S wait aa; \
             $S run --rm --volumes-from aa --network none full sh -c 'grep -c file /empty/list'; \
             $S rm -v aa; {COUNT}; \
             $S run -d --name aa --network none ii sleep 1000 >/dev/null; $S rm -v aa 2>&1 | grep -c 'cannot remove'; \
             $S rm -f -v aa; {COUNT}; $S create --name aa --network none ii true >/dev/null; $S rm aa; {COUNT}; \
             $S run -d --rm --name aa --network none -v named:/x ii sleep 1000 >/dev/null; {COUNT}; $S stop -t 0 aa; \
             {two}; $S create --rm --network none --name aa -v /data ii ls /data >/dev/null; $S start -a aa; \
             {two}; $S run -d --rm --network none -v /y ii /no/such >/dev/null 2>&1; {two}; \
             $S volume prune -f >/dev/null; {COUNT}"
        ));
        let runs = "0\n2\naa\n0\naa\n0\n3\naa\n0\n1\naa\n0\naa\n1\n3\naa\n2\n";
        assert_eq!(out, format!("{runs}far\nfile\nlink\npipe\nsub\n2\n2\n0\n"));
        site.assert_clean();
    }
}

#[test]
fn several_have_the_same_one() {
    for site in both() {
        let out = site.says(
            "$S run -d --name aa --network none -v data:/x stepbox/base sh -c 'while ! [ -s /x/stop ]; do sleep 0.05; done; cat /x/stop' \
             >/dev/null; $S run -d --name bb --network none --volumes-from aa:ro stepbox/base sleep 1000 >/dev/null; \
             $S exec bb touch /x/y 2>&1 | grep -c 'Read-only'; $S run --rm -v data:/z stepbox/base sh -c 'echo now >/z/stop'; \
             $S wait aa; $S logs aa; $S exec bb cat /x/stop; $S rm -v aa; $S volume rm data 2>&1 | grep -c 'in use'; \
             $S rm -f -v bb; $S volume rm data",
        );
        assert_eq!(out, "1\n0\nnow\nnow\naa\n1\nbb\ndata\n");
        site.assert_clean();
    }
}

#[test]
fn a_part_of_a_volume() {
    const LIST: &str = "stepbox/base sh -c 'cd /m; ls -A; echo new >made' 2>&1";
    for site in both() {
        site.says(
            "$S run --rm --network none -v data:/d stepbox/base sh -c 'mkdir -p /d/a/b /d/etc; echo f >/d/a/file; \
             ln -s a /d/inner; ln -s /etc /d/outer; ln -s ../../../../../../../etc /d/up; ln -s /proc/self/root /d/magic'",
        );
        let mount = |part: &str| format!("--mount type=volume,src=data,dst=/m,volume-subpath={part}");
        let run = |part: &str| site.says(&format!("$S run --rm --network none {} {LIST}", mount(part)));
        assert_eq!(run("a"), "b\nfile\n");
        assert_eq!(run("inner/b"), "");
        // a link leads wherever it leads within the volume
        assert_eq!(run("outer"), "");
        assert_eq!(run("up"), "made\n");
        let out = site.says(&format!(
            "ls -A $D/state/volumes/data/_data/*/ /etc/made 2>/dev/null | grep -c made; \
             $S run --rm --network none {},readonly stepbox/base sh -c 'cat /m; echo >/m' 2>&1 | grep -o -e '^f$' -e Read-only; \
             $S create --name aa --network none {} stepbox/base sh -c 'cat /m/made' >/dev/null; $S start -a aa; \
             $S cp aa:/m/made - | tar -t; echo host >$D/state/host; $S cp $D/state/host aa:/m/made; $S start -a aa; \
             $S inspect -f '{{{{range .Mounts}}}}{{{{.Name}}}} {{{{.Destination}}}}{{{{end}}}}' aa; $S rm aa; rm $D/state/host",
            mount("a/file"),
            mount("a")
        ));
        assert_eq!(out, "3\nf\nRead-only\nnew\nmade\nhost\ndata /m\naa\n");
        for (part, words) in [
            ("nosuch", "a part of volume data: nosuch: No such file"),
            ("magic/etc", "a part of volume data: magic/etc: "),
            ("../x", "subpath must be a relative path within the volume"),
            ("/a", "subpath must be a relative path within the volume"),
        ] {
            site.refused(
                &format!("$S run --rm --network none {} stepbox/base true", mount(part)),
                125,
                &[words],
            );
        }
        let none = "$S run --rm --mount type=volume,dst=/m,volume-subpath=a stepbox/base true";
        site.refused(none, 125, &["a new volume has no parts"]);
        assert_eq!(site.says("$S volume ls -q; $S volume rm data"), "data\ndata\n");
        site.assert_clean();
    }
}
