//! What is kept of what a container prints.

use support::site::Site;

#[test]
fn as_much_as_is_asked_for() {
    let site = Site::ours();
    let out = site.says(
        "$S run -d --name red stepbox/base sh -c 'for i in 1 2 3; do echo $i; done; printf end' >/dev/null; \
         $S wait red; $S logs --tail 2 red; echo; $S logs -n 0 red; $S logs --tail all red | wc -l; \
         $S logs -t red | grep -cE '^[0-9-]{10}T[0-9:]{8}[.][0-9]{9}Z [123]$'; \
         $S logs --since 1h red | wc -l; $S logs --until 1h red | wc -l; $S logs --details --tail 2 red; echo; \
         $S rm red",
    );
    assert_eq!(out, "0\n3\nend\n3\n3\n3\n0\n 3\n end\nred\n");
    site.assert_clean();
}

#[test]
fn following_loses_nothing_and_ends_with_it() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "$S run -d --name red stepbox/base sh -c 'for i in $(seq 3000); do echo line $i; done; sleep 0.3; echo last' \
             >/dev/null; $S logs -f red >$D/state/said; wc -l <$D/state/said; sort -u $D/state/said | wc -l; \
             tail -n 1 $D/state/said; rm $D/state/said; $S rm red",
        );
        assert_eq!(out, "3001\n3001\nlast\nred\n");
        site.assert_clean();
    }
}

#[test]
fn a_reader_who_has_seen_enough() {
    let site = Site::ours();
    let out = site.says(
        "$S run -d --name red stepbox/base sh -c 'while echo y; do :; done' >/dev/null; \
         $S logs -f red | head -n 3; $S rm -f red",
    );
    assert_eq!(out, "y\ny\ny\nred\n");
    site.assert_clean();
}

#[test]
fn files_are_rotated() {
    let site = Site::ours();
    let out = site.says(
        "$S run -d --name red --log-opt max-size=2k --log-opt max-file=3 stepbox/base \
           sh -c 'for i in $(seq 500); do echo line $i; done' >/dev/null; \
         $S wait red; ls $D/state/containers/*/ | grep -c json.log; \
         find $D/state/containers -name '*json.log*' -size +4 | wc -l; $S logs red | tail -n 1; $S rm red",
    );
    assert_eq!(out, "0\n3\n0\nline 500\nred\n");
    site.assert_clean();
}

#[test]
fn nothing_is_kept_where_that_is_asked_for() {
    let site = Site::ours();
    let out = site.says(
        "$S run -d --name red --log-driver none stepbox/base echo x >/dev/null; $S wait red; \
         ls $D/state/containers/*/ | grep -c log || true",
    );
    assert_eq!(out, "0\n0\n");
    site.refused("$S logs red", 1, &["configured logging driver does not support reading"]);
    site.says("$S rm red");
    site.assert_clean();
}
