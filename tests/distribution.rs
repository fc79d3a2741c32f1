//! A real distribution all the way: from debootstrap through Docker and through us, changed, pushed, and pulled elsewhere.
//!
//! ```text
//!   debootstrap ─> tar ─> docker import, save ─> load ─┐
//!                     └─> import ──────────────────────┴─> run ─> commit ─> push ─> docker-registry
//!                                                                                      │ one digest
//!                                   another STEPBOX_ROOT <─ pull ──────────────────────┤
//!                                   docker pull, skopeo copy <─────────────────────────┘
//! ```
//!
//! It takes minutes and downloads some 50 MB from the mirror that apt uses here:
//! `STEPBOX_SLOW=1 cargo test --test distribution`.

use std::path::Path;
use std::process::Command;

use support::leaks;
use support::player::said;
use support::site::Site;
use support::skip;

/// Debian's archive, from whichever server this machine's apt has it.
const DEBOOTSTRAP: &str = r#"
    mirror=$(grep -rhoE 'https?://[^ ]*/debian/?( |$)' /etc/apt/sources.list* | head -1 | tr -d ' ')
    [ -n "$mirror" ] || { echo 'apt here has no Debian mirror' >&2; exit 77; }
    suite=$(. /etc/os-release; echo "${VERSION_CODENAME:-bookworm}")
    if ! debootstrap --variant=minbase "$suite" "$D/rootfs" "$mirror" >"$D/debootstrap.log" 2>&1; then
        grep -q '^I: Retrieving' "$D/debootstrap.log" || { echo 'the Debian mirror cannot be reached' >&2; exit 77; }
        tail "$D/debootstrap.log" >&2; exit 1
    fi
    tar -C "$D/rootfs" --one-file-system -cf "$D/rootfs.tar" . && rm -rf "$D/rootfs"
"#;

#[test]
fn a_distribution_goes_all_the_way() {
    const TEST: &str = "a_distribution_goes_all_the_way";
    let needs = ["debootstrap", "docker-registry", "docker", "dockerd", "skopeo"];
    if !support::slow(TEST, "minutes and the network") || !support::here(TEST, &needs) {
        return;
    }
    let Some(site) = Site::root(TEST) else { return };
    // in the machine's network; debootstrap's mounts stay in a namespace of its own
    let mut command = Command::new("unshare");
    command.args(["--mount", "timeout", "900", "sh", "-c", DEBOOTSTRAP]).env("D", site.path());
    let made = said(&mut command);
    if made.code == 77 {
        return skip(TEST, made.err.trim());
    }
    assert_eq!(made.code, 0, "{}{}", made.out, made.err);
    let before = leaks::Snapshot::take();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/distribution/way.sh");
    let went = said(&mut site.script_of(600, &format!("exec bash {}", script.display())));
    assert_eq!(went.code, 0, "{}{}", went.out, went.err);
    let words = ["docker's", "ours"].map(|whose| format!("{whose}: same digest\n{whose}: same id\n"));
    for word in words {
        assert!(went.out.contains(&word), "{}{}", went.out, went.err);
    }
    assert!(!went.out.contains("DIFFERENT") && went.out.ends_with("the end\n"), "{}{}", went.out, went.err);
    before.assert_same();
    site.assert_clean();
}
