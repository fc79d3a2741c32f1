//! `--mount`, and what two containers share of memory.

use support::site::Site;

#[test]
fn fields_of_a_mount() {
    for site in [Site::ours(), Site::nobody()] {
        site.says(
            "mkdir -p '$D/state/vol' $D/state/vol $D/state/with,comma/sub; echo old >$D/state/vol/file; \
                   echo c >$D/state/with,comma/file",
        );
        let out = site.says(
            "$S run --rm --mount type=bind,source=$D/state/vol,target=/data \
             --mount type=bind,src=$D/state/vol/file,dst=/etc/one,readonly \
             --mount \"type=bind,\\\"src=$D/state/with,comma\\\",destination=/comma,ro=true,bind-propagation=rprivate\" \
             --mount type=tmpfs,dst=/scratch,tmpfs-size=1m,tmpfs-mode=0750 --mount type=tmpfs,dst=/closed,ro \
             stepbox/base sh -c 'cat /etc/one /comma/file; echo new >/data/new; touch /comma/x /closed/x /etc/one 2>/dev/null \
             || echo refused; stat -c %a /scratch; grep -c \"/scratch rw,nosuid,nodev,noexec.*size=1024k,mode=750\" \
             /proc/self/mountinfo'; cat $D/state/vol/new",
        );
        assert_eq!(out, "old\nc\nrefused\n750\n1\nnew\n");
        site.assert_clean();
    }
}

#[test]
fn without_what_lies_below() {
    let Some(site) = Site::root("without_what_lies_below") else { return };
    let out = site.says(
        "mkdir -p $D/state/vol/below; mount -t tmpfs none $D/state/vol/below; touch $D/state/vol/below/x; \
         for o in '' ,bind-nonrecursive; do $S run --rm --mount type=bind,src=$D/state/vol,dst=/data$o stepbox/base \
         sh -c 'ls /data/below | wc -l'; done; umount $D/state/vol/below",
    );
    assert_eq!(out, "1\n0\n");
    site.assert_clean();
}

#[test]
fn deeper_ones_are_mounted_later() {
    let site = Site::ours();
    site.says("mkdir -p $D/state/a $D/state/b; touch $D/state/a/in-a $D/state/b/in-b");
    let options = "-v $D/state/b:/data/deep --mount type=bind,src=$D/state/a,dst=/data";
    assert_eq!(site.inside(options, "ls /data /data/deep"), "/data:\ndeep\nin-a\n\n/data/deep:\nin-b\n");
    site.assert_clean();
}

#[test]
fn mounts_that_are_refused() {
    let site = Site::ours();
    for (option, words) in [
        ("type=bind,src=/no/such,dst=/x", "bind source path does not exist: /no/such"),
        ("type=bind,dst=/x", "field Source must not be empty"),
        ("type=bind,src=rel,dst=/x", "mount path must be absolute"),
        ("type=bind,src=/tmp", "target is required"),
        ("type=bind,src=/tmp,dst=/", "cannot be covered"),
        ("type=bind,src=/tmp,dst=/x/../y", "without .."),
        ("type=bind,src=/tmp,dst=/x,tmpfs-size=1m", "cannot mix 'tmpfs-*' options with mount type 'bind'"),
        ("type=bind,src=/tmp,dst=/x,ro=perhaps", "invalid value for ro: perhaps"),
        ("type=tmpfs,src=/tmp,dst=/x", "field Source must not be specified"),
        ("type=tmpfs,dst=/x,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"),
        ("type=tmpfs,dst=/x,tmpfs-size=much", "invalid value for tmpfs-size: much"),
        ("type=tmpfs,dst=/x,colour=red", "unexpected key 'colour' in 'colour=red'"),
        ("type=tmpfs,dst", "invalid field 'dst' must be a key=value pair"),
        ("type=npipe,dst=/x", "mount type unknown: \"npipe\""),
    ] {
        site.refused(&format!("$S run --rm --mount {option} stepbox/base true"), 125, &[words]);
    }
    let twice = "$S run --rm -v /tmp:/x --tmpfs /x stepbox/base true";
    site.refused(twice, 125, &["Duplicate mount point: /x"]);
    site.assert_clean();
}

/// A container that has its own memory shares it with nobody; one that was started as shareable with those who ask.
#[test]
fn shared_memory_goes_with_the_ipc_namespace() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "$S run --rm --name donor --network none --ipc shareable stepbox/base \
             sh -c 'echo from donor >/dev/shm/a; while ! test -e /dev/shm/c; do sleep 0.1; done; cat /dev/shm/b' >$D/state/donor & \
             while ! $S ps -a | grep -q Up.*donor; do sleep 0.1; done; \
             $S run --rm --network none --ipc container:donor stepbox/base \
             sh -c 'while ! test -s /dev/shm/a; do sleep 0.1; done; cat /dev/shm/a; echo from guest >/dev/shm/b; \
             grep -c \" /dev/shm rw,nosuid,nodev,noexec\" /proc/self/mountinfo; \
             ls /dev/shm | grep -c .; touch /dev/shm/c'; wait; cat $D/state/donor; rm $D/state/donor; \
             $S run --rm --network none stepbox/base ls /dev/shm; ls /dev/shm | grep -c '^[abc]$'; true",
        );
        assert_eq!(out, "from donor\n1\n2\nfrom guest\n0\n");
        for ipc in ["", "--ipc private", "--ipc none"] {
            let out = site.says(&format!(
                "$S run --rm --name donor --network none {ipc} stepbox/base sleep 1000 & \
                 while ! $S ps -a | grep -q Up.*donor; do sleep 0.1; done; \
                 $S run --rm --network none --ipc container:donor stepbox/base true 2>&1; echo $?; $S kill donor >/dev/null; wait"
            ));
            assert!(out.contains("non-shareable IPC (hint: ") && out.ends_with("\n125\n"), "{ipc}: {out}");
        }
        site.assert_clean();
    }
}

/// The donor's root has put a link where its memory was: nothing of the host is shared instead.
#[test]
fn a_donors_link_leads_nowhere() {
    let Some(site) = Site::root("a_donors_link_leads_nowhere") else { return };
    let out = site.says(
        "$S run --rm --name donor --network none --ipc shareable --cap-add SYS_ADMIN stepbox/base \
         sh -c 'umount /dev/shm && rmdir /dev/shm && ln -s / /dev/shm && echo ready; exec sleep 1000' >$D/state/donor & \
         while ! grep -q ready $D/state/donor; do sleep 0.1; done; \
         $S run --rm --network none --ipc container:donor stepbox/base ls /dev/shm 2>&1; echo $?; $S kill donor >/dev/null; wait",
    );
    assert!(out.contains("ELOOP") && out.contains("hint: ") && out.ends_with("\n125\n"), "{out}");
    site.assert_clean();
}
