//! How long a volume lives: longer than its containers, and no longer than somebody wants.

use support::site::Site;

#[test]
fn what_is_written_stays() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "$S run --rm --network none -v data:/one stepbox/base sh -c 'echo kept >/one/file'; \
             $S run --rm --network none -v data:/two:ro stepbox/base sh -c 'cat /two/file; echo >/two/file' 2>&1; \
             $S volume ls -q; $S volume rm data",
        );
        assert!(out.starts_with("kept\n") && out.contains("Read-only file system"), "{out}");
        assert!(out.ends_with("\ndata\ndata\n"), "{out}");
        site.assert_clean();
    }
}

#[test]
fn who_was_not_named_goes_with_the_container() {
    for site in [Site::ours(), Site::nobody()] {
        let count = "$S volume ls -q | grep -c . || true";
        site.says(
            "$S run --name ii stepbox/base true; $S commit -c 'VOLUME /data' ii ii >/dev/null; $S rm ii >/dev/null",
        );
        let out = site.says(&format!(
            "$S run --rm --network none -v named:/x -v /y ii sh -c 'touch /x/a /y/b /data/c'; {count}; \
             $S run --name aa --network none -v named:/x -v /y ii true; {count}; \
             $S run --name bb --network none --volumes-from aa ii true; {count}; \
             $S rm -v aa >/dev/null; {count}; $S rm -v bb >/dev/null; {count}; \
             $S run --name cc --network none ii true; $S rm cc >/dev/null; {count}; \
             $S run --rm --network none ii /no/such 2>/dev/null; {count}; \
             $S run --network none -v /y ii /no/such 2>/dev/null; {count}; \
             $S volume prune -f | grep -c '^[0-9a-f]*$'; {count}"
        ));
        // with the prune: the one of c, the named one, and the empty line
        assert_eq!(out, "1\n3\n3\n3\n1\n2\n2\n2\n2\n0\n");
        site.assert_clean();
    }
}

#[test]
fn a_killed_run_takes_its_volumes_along() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "$S run --rm --network none -v /y -v named:/x stepbox/base sleep 30 & \
             while ! $S ps | grep -q Up; do sleep 0.05; done; $S volume ls -q | grep -c .; \
             $S volume rm named 2>&1 | grep -c 'volume is in use - \\[[0-9a-f]*\\]'; \
             kill -9 $!; wait $! 2>/dev/null; $S clean >/dev/null; $S volume ls -q; $S volume rm named; \
             mkdir $D/state/volumes/.new-x $D/state/volumes/.gone-y; $S system check | grep -c 'volume has died'; \
             $S system check --repair >/dev/null; ls -A $D/state/volumes",
        );
        assert_eq!(out, "2\n1\nnamed\nnamed\n2\n.lock\n");
        site.assert_clean();
    }
}

#[test]
fn volumes_of_another() {
    for site in [Site::ours(), Site::nobody()] {
        site.says("mkdir $D/state/host; echo h >$D/state/host/h");
        let out = site.says(
            "$S run --name web --network none -v vol:/v -v /anon -v $D/state/host:/h:ro --tmpfs /t stepbox/base \
             sh -c 'echo v >/v/v; echo a >/anon/a'; \
             $S run --rm --network none --volumes-from web stepbox/base sh -c 'cat /v/v /anon/a /h/h; ls -d /t; echo w >/v/v' 2>&1; \
             $S run --rm --network none --volumes-from web:ro -v other:/anon stepbox/base \
             sh -c 'ls /anon; cat /v/v; touch /v/x /h/x' 2>&1; $S volume rm vol >/dev/null 2>&1 || echo in use; \
             $S rm web >/dev/null; $S volume ls -q | wc -l",
        );
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[..3], ["v", "a", "h"], "{out}");
        assert!(lines[3].contains("/t: No such file"), "{out}");
        assert_eq!(lines[4], "w", "{out}");
        assert_eq!(out.matches("Read-only file system").count(), 2, "{out}");
        assert!(out.ends_with("in use\n3\n"), "{out}");
        site.refused(
            "$S run --rm --volumes-from nosuch stepbox/base true",
            125,
            &["No such container: nosuch"],
        );
        site.refused("$S run --rm --volumes-from web:xx stepbox/base true", 125, &["invalid mode: xx"]);
        site.says("$S volume prune -f");
        site.assert_clean();
    }
}

/// Making, using and removing the same one at the same time: each command does it or says why not.
#[test]
fn everybody_at_once() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "for i in 1 2 3 4; do ( for j in 1 2 3 4 5; do \
             $S run --rm --network none -v shared:/etc stepbox/base grep -c root /etc/passwd; done ) & \
             ( for j in 1 2 3 4 5 6 7 8 9; do $S volume rm shared >/dev/null 2>>$D/state/errors; \
             $S volume create shared >/dev/null; done ) & done; wait; \
             grep -v -e 'volume is in use' -e 'No such volume' $D/state/errors; true",
        );
        assert_eq!(out, "1\n".repeat(20));
        assert_eq!(
            site.says(
                "$S volume rm shared; ls -A $D/state/volumes; $S system check | tail -1 | grep -c nothing"
            ),
            "shared\n.lock\n1\n"
        );
        site.assert_clean();
    }
}

#[test]
fn a_volume_may_stand_for_a_directory() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "mkdir $D/state/host; $S volume create -o type=none -o o=bind -o device=$D/state/host bb; \
             $S run --rm --network none -v bb:/etc stepbox/base sh -c 'ls /etc | wc -l; echo x >/etc/x'; cat $D/state/host/x; \
             rm -r $D/state/host/*; rmdir $D/state/host; $S run --rm -v bb:/x stepbox/base true 2>&1; echo $?; $S volume rm bb",
        );
        assert!(out.starts_with("bb\n3\nx\nstepbox: failed to mount local volume bb: "), "{out}");
        assert!(out.ends_with("\n125\nbb\n"), "{out}");
        site.assert_clean();
    }
}
