//! Which mounts a container and the host see of each other, below what is bound.

use support::site::Site;

/// A shared mount `s`, one that only hears (`h`), and one that is alone (`p`), each with a directory `below`.
const PLACES: &str = "cd $D/state; mkdir s h p o; mount -t tmpfs none s; mount --make-shared s; mkdir s/below s/h; \
    mount --bind s h; mount --make-slave h; mount -t tmpfs none p; mount --make-private p; mkdir p/below; ";
const AWAY: &str =
    "umount -R $D/state/s $D/state/h $D/state/p; rmdir $D/state/s $D/state/h $D/state/p $D/state/o";

#[test]
fn mounts_travel_as_they_are_told() {
    let Some(site) = Site::root("mounts_travel_as_they_are_told") else { return };
    // the host mounts on `below` while the container runs, and the container on `inner`
    let run = |how: &str| {
        site.says(&format!(
            "{PLACES} mkdir s/inner; $S run -d --name red --network none --cap-add SYS_ADMIN --security-opt seccomp=unconfined \
             {how} stepbox/base sh -c 'mount -t tmpfs box /m/inner; touch /m/inner/x; echo ready; exec sleep 1000' >/dev/null; \
             until $S logs red | grep -q ready; do sleep 0.02; done; mount -t tmpfs host s/below; touch s/below/x; \
             ls s/inner; $S exec red ls /m/below; $S exec red sh -c '[ -e /other/below/x ] && echo leaks'; \
             $S inspect -f '{{{{range .Mounts}}}}{{{{.Propagation}}}} {{{{end}}}}' red; $S rm -f red >/dev/null; {AWAY}"
        ))
    };
    let other = "-v $D/state/s:/other";
    for (how, seen) in [
        ("-v $D/state/s:/m", "rprivate rprivate \n"),
        ("-v $D/state/s:/m:private", "private rprivate \n"),
        ("-v $D/state/s:/m:rslave", "x\nrslave rprivate \n"),
        ("--mount type=bind,src=$D/state/s,dst=/m,bind-propagation=slave", "x\nrprivate slave \n"),
        ("-v $D/state/s:/m:shared", "x\nx\nshared rprivate \n"),
        ("--mount type=bind,src=$D/state/s,dst=/m,bind-propagation=RSHARED", "x\nx\nrprivate rshared \n"),
    ] {
        assert_eq!(run(&format!("{how} {other}")), seen, "{how}");
    }
    site.assert_clean();
}

#[test]
fn what_does_not_travel_is_refused() {
    let Some(site) = Site::root("what_does_not_travel_is_refused") else { return };
    let said = site.sh(&format!(
        "{PLACES} for place in s h p s/below; do for how in rslave rshared; do echo $place $how; \
         $S run --rm --network none -v $D/state/$place:/m:$how stepbox/base true 2>&1 | head -n 1 | sed \"s#$D/state##g\"; \
         done; done; $S create --name red -v $D/state/p:/m:rshared stepbox/base true >/dev/null; echo $?; \
         $S start red 2>&1 | grep -c 'not a shared mount'; $S rm red; {AWAY}"
    ));
    let not = |place: &str, what: &str| {
        format!("stepbox: path /{place} is mounted on /{place} but it is not a {what} mount\n")
    };
    let alone = format!("p rslave\n{}p rshared\n{}", not("p", "shared or slave"), not("p", "shared"));
    let wanted = format!(
        "s rslave\ns rshared\nh rslave\nh rshared\n{}{alone}s/below rslave\ns/below rshared\n0\n1\nred\n",
        not("h", "shared")
    );
    assert_eq!((said.out.as_str(), said.code), (wanted.as_str(), 0), "{}", said.err);
    site.refused(
        "$S run -v /tmp:/x:rshared,rslave stepbox/base true",
        125,
        &["invalid mode: rshared,rslave"],
    );
    site.refused(
        "$S run -v name:/x:rshared stepbox/base true",
        125,
        &["field BindOptions must not be specified"],
    );
    let wrong = "$S run --mount type=bind,src=/tmp,dst=/x,bind-propagation=both stepbox/base true";
    site.refused(wrong, 125, &["invalid propagation mode: both"]);
    site.assert_clean();
}

#[test]
fn without_root_nothing_travels_to_the_host() {
    let site = Site::nobody();
    site.refused(
        "$S run --rm -v /tmp:/x:rshared stepbox/base true",
        125,
        &["(shared, rshared) needs root of the whole machine"],
    );
    site.assert_clean();
}
