//! `stepbox import`: archives, and with `STEPBOX_SLOW=1` a whole distribution.

use crate::archive::Raw;
use crate::site::Site;

#[test]
fn an_archive_becomes_an_image() {
    let site = Site::ours();
    let raw = Raw::default().directory("etc/", 0o755).file("etc/name", "imported\n");
    std::fs::write(site.path().join("rootfs.tar"), raw.end()).expect("written");
    let id = site.says("$S import $D/rootfs.tar me/image:v1");
    assert!(id.starts_with("sha256:") && id.len() == 72, "{id}");
    assert_eq!(
        site.says("cat $D/rootfs.tar | $S import - me/other >/dev/null; $S images -q").lines().count(),
        2
    );
    let images = site.says("$S images");
    let words: Vec<&str> = images.split_whitespace().collect();
    assert!(words.windows(3).any(|row| row == ["me/image", "v1", &id[7..19]]), "{images}");
    site.refused("$S run --rm me/image:v1", 125, &["no command specified"]);
    site.refused("$S run --rm me/image:v1 sh", 127, &["\"sh\""]);
    site.assert_clean();
}

#[test]
fn what_is_no_archive_is_refused() {
    let site = Site::ours();
    std::fs::write(site.path().join("bad.tar"), [7; 2000]).expect("written");
    for command in ["$S import $D/bad.tar x", "$S import $D/no-such.tar x", "$S import $D/bad.tar UPPER"] {
        site.refused(command, 1, &[]);
    }
    assert_eq!(site.says("$S images -q"), "");
    site.assert_clean();
}

/// Downloads some 50 MB from the Debian mirror that apt uses here, so only with `STEPBOX_SLOW=1`.
#[test]
fn a_distribution_runs() {
    const TEST: &str = "a_distribution_runs";
    if std::env::var_os("STEPBOX_SLOW").is_none() {
        return crate::support::skip(TEST, "it takes minutes and the network: STEPBOX_SLOW=1 runs it");
    }
    let Some(site) = Site::root(TEST) else { return };
    let debootstrap = "mirror=$(grep -rhoE 'https?://[^ ]*/debian/?( |$)' /etc/apt/sources.list* | head -1 | tr -d ' '); \
                       test -n \"$mirror\" && debootstrap --variant=minbase bookworm /rootfs \"$mirror\" && \
                       tar -C /rootfs --one-file-system -cf /rootfs.tar .";
    let directory = site.path().display().to_string();
    let debootstrap = debootstrap.replace("/rootfs", &format!("{directory}/rootfs"));
    // in the machine's network; debootstrap's mounts stay in a namespace of its own
    let mut command = std::process::Command::new("unshare");
    let said = crate::player::said(command.args(["--mount", "timeout", "900", "sh", "-c", &debootstrap]));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    site.says("$S import $D/rootfs.tar debian:12");
    assert!(site.says("$S run --rm debian:12 cat /etc/debian_version").starts_with("12."));
    assert!(site.says("$S run --rm debian:12 apt-get --version").starts_with("apt 2."));
    let count = site.says("$S run --rm debian:12 sh -c 'dpkg -l | wc -l'");
    assert!(count.trim().parse::<u32>().is_ok_and(|count| count > 50), "{count} packages");
    site.assert_clean();
}
