//! What the container is called, whom it asks, and what its program and environment are.

use support::site::Site;

#[test]
fn hosts_and_resolvers_as_asked() {
    for site in [Site::ours(), Site::nobody()] {
        let network = if site.is_root() { "" } else { "--network none" };
        let out = site.inside(
            &format!(
                "{network} -h red --domainname example.org --add-host one:192.0.2.1 --add-host six:2001:db8::1 \
                 --dns 192.0.2.53 --dns 2001:db8::53 --dns-search a.example --dns-search b.example. \
                 --dns-option ndots:2 --dns-opt rotate"
            ),
            "hostname; cat /proc/sys/kernel/domainname /etc/hostname /etc/resolv.conf /etc/hosts",
        );
        assert!(
            out.starts_with(
                "red\nexample.org\nred\nsearch a.example b.example.\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n\
                 options ndots:2 rotate\n127.0.0.1\tlocalhost\n"
            ),
            "{out}"
        );
        assert!(out.ends_with("192.0.2.1\tone\n2001:db8::1\tsix\n"), "{out}");
        assert_eq!(out.contains("\tred.example.org red\n"), site.is_root(), "{out}");
        site.assert_clean();
    }
}

#[test]
fn what_is_not_asked_for_is_the_hosts() {
    let Some(site) = Site::root("what_is_not_asked_for_is_the_hosts") else { return };
    let begin = "printf 'nameserver 127.0.0.53\\nnameserver 192.0.2.9\\nsearch host.example\\noptions edns0\\n' \
                 >$D/state/resolv; printf '192.0.2.77\\tneighbour' >$D/state/hosts; \
                 mount --bind $D/state/resolv /etc/resolv.conf; mount --bind $D/state/hosts /etc/hosts;";
    let says =
        |options: &str, read: &str| site.says(&format!("{begin} $S run --rm {options} stepbox/base {read}"));
    assert_eq!(
        says("--dns-option ndots:1", "cat /etc/resolv.conf"),
        "search host.example\nnameserver 192.0.2.9\noptions ndots:1\n"
    );
    assert_eq!(
        says("--dns-search . --dns 192.0.2.1", "cat /etc/resolv.conf"),
        "nameserver 192.0.2.1\noptions edns0\n"
    );
    let out = says("--network host --add-host x:192.0.2.2", "cat /etc/hosts /etc/resolv.conf");
    assert!(out.starts_with("192.0.2.77\tneighbour\n192.0.2.2\tx\nnameserver 127.0.0.53\n"), "{out}");
    let out = says("--add-host host.docker.internal:host-gateway", "sh -c 'cat /etc/hosts; ip route'");
    let gateway = out.split("default via ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a route");
    assert!(out.contains(&format!("{gateway}\thost.docker.internal\n")), "{out}");
    site.assert_clean();
}

#[test]
fn names_that_are_refused() {
    let site = Site::ours();
    for (options, words) in [
        ("--add-host one", "bad format for add-host"),
        ("--add-host 'a b:192.0.2.1'", "bad format for add-host"),
        ("--add-host one:two", "invalid IP address in add-host"),
        ("--network none --add-host h:host-gateway", "unable to derive the IP value for host-gateway"),
        ("--dns example.org", "example.org is not an ip address"),
        ("--dns-search -x-", "-x- is not a valid domain"),
        ("--dns-option 'a b'", "one option of resolv.conf"),
        ("--domainname 'a b'", "letters, digits"),
        ("--uts host --domainname x", "conflicting options: domainname and the UTS mode"),
        ("--uts host -h x", "conflicting options: hostname and the UTS mode"),
        ("--network container:x -h x", "conflicting options: hostname and the network mode"),
        ("--network container:x --dns 192.0.2.1", "conflicting options: dns and the network mode"),
        ("--network container:x --add-host a:192.0.2.1", "conflicting options: custom host-to-IP mapping"),
    ] {
        // a name that begins with a hyphen is an option to clap unless it is tied to its own
        let options = options.replace("--dns-search ", "--dns-search=");
        site.refused(&format!("$S run --rm {options} stepbox/base true"), 125, &[words]);
    }
    site.assert_clean();
}

#[test]
fn files_of_environment_variables() {
    let site = Site::ours();
    let file = "\u{feff}# a comment\nA=1\r\n  B=two words \nQUOTED=\"as it is\"\nEMPTY=\nHOME\nNOT_SET\n\nA=2\nC=$A\n";
    std::fs::write(site.path().join("env"), file).expect("a file");
    let out = site.inside("--env-file $D/env -e B=3", "env");
    for line in ["A=2", "B=3", "QUOTED=\"as it is\"", "EMPTY=", "HOME=/tmp", "C=$A"] {
        assert!(out.lines().any(|other| other == line), "no {line} in {out}");
    }
    assert!(!out.contains("NOT_SET"), "{out}");
    for (bytes, words) in [
        (&b"=x\n"[..], "poorly formatted environment: no variable name on line '=x'"),
        (b"A=1\na b=c\n", "variable 'a b' contains whitespaces"),
        (b"A=1\nB=\xff\n", "contains invalid utf8 bytes at line 2"),
    ] {
        std::fs::write(site.path().join("env"), bytes).expect("a file");
        site.refused("$S run --rm --env-file $D/env stepbox/base true", 125, &[words]);
    }
    let none = "$S run --rm --env-file $D/none stepbox/base true";
    site.refused(none, 125, &["open ", "/none: no such file or directory"]);
    site.assert_clean();
}

#[test]
fn another_entry_point() {
    let site = Site::ours();
    let run = |rest: &str| site.says(&format!("$S run --rm {rest}"));
    assert_eq!(run("--entrypoint echo stepbox/base a b"), "a b\n");
    assert_eq!(
        run("--entrypoint hostname -h red stepbox/base"),
        "red\n",
        "the image's command goes with its own"
    );
    assert_eq!(run("--entrypoint '' stepbox/base echo c"), "c\n");
    site.refused("$S run --rm --entrypoint '' stepbox/base", 125, &["no command specified"]);
    site.refused("$S run --rm --entrypoint no-such stepbox/base", 127, &["\"no-such\""]);
    site.assert_clean();
}
