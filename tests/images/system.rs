//! `system df`, `system prune`, `info`, `version`, and a container's `inspect`.

use crate::talk::three;
use support::site::Site;

#[test]
fn how_much_of_the_disk_is_used() {
    let site = three();
    assert_talk!(
        &site,
        &[
            "$S system df",
            "$S system df -v",
            "$S system df --format '{{.Type}} {{.TotalCount}} {{.Size}} {{.Reclaimable}}'",
            "$S system df --format json",
            "$S system df -v --format '{{len .Images}} {{len .Containers}}'",
            "$S system df --format '{{.X}}'",
        ]
    );
}

#[test]
fn everything_that_nothing_needs_goes() {
    let site = three();
    site.says("$S run --name con stepbox/base sh -c 'echo 12345678 >/file'");
    assert_talk!(
        &site,
        &[
            "$S system df --format '{{.Type}} {{.TotalCount}} {{.Active}}'",
            "$S system df --format '{{.Size}}' | sed -n 2p",
            "$S system prune </dev/null",
            "$S system prune -a --filter label=a </dev/null",
            "$S system prune --volumes",
            "$S system prune -f --filter until=1999-01-01",
            "$S system prune -f --filter label=x=z",
            "$S system prune -f",
            "$S system prune -af | grep -c '^untagged'",
            "$S images -a; $S ps -a",
        ]
    );
    site.assert_clean();
}

#[test]
fn what_this_engine_is() {
    let site = Site::ours();
    let info = site.says("$S info");
    let lines: Vec<&str> = info.lines().map(|line| line.split(':').next().unwrap_or_default()).collect();
    for wanted in [
        "Server",
        " Containers",
        " Images",
        " Storage Driver",
        " Kernel Version",
        " CPUs",
        " Docker Root Dir",
    ] {
        assert!(lines.contains(&wanted), "{wanted}: {info}");
    }
    assert_eq!(info.contains("\n  rootless\n"), !site.is_root(), "{info}");
    assert_eq!(site.says("$S info -f '{{.Images}} {{.Driver}} {{.OSType}}'"), "0 overlay linux\n");
    assert_eq!(site.says("$S system info -f '{{.NCPU}}'"), site.says("$S info -f '{{.NCPU}}'"));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        site.says("$S version --format '{{.Server.Version}} {{.Client.Os}}'"),
        format!("{version} linux\n")
    );
    assert!(site.says("$S version").starts_with(&format!("Client:\n Version:           {version}\n")));
    assert_talk!(
        &site,
        &[
            "$S info -f '{{.Nope}}'",
            "$S info -f '{{.Nope'",
            "$S version -f '{{.NoSuch}}'",
            "$S version -f '{{.Client.NoSuch'",
        ]
    );
}

#[test]
fn a_container_is_shown_in_dockers_shape() {
    let site = Site::ours();
    assert_eq!(site.sh("$S run --name con stepbox/base sh -c 'exit 3'").code, 3);
    assert_talk!(
        &site,
        &[
            "$S inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Running}} {{.State.Pid}} {{.Name}}' con",
            "$S inspect -f '{{.Path}} {{json .Args}} {{.Config.Image}} {{.Driver}} {{.RestartCount}}' con",
            "test $($S inspect -f '{{.Image}}' con) = $($S inspect -f '{{.Id}}' stepbox/base) && echo its image",
            "test $($S inspect -f '{{.Id}}' con | cut -c1-12) = $($S ps -aq) && echo its id",
            "$S inspect -s -f '{{.SizeRw}}' con",
            "$S inspect --type image con",
            "$S inspect --type container con | grep -c Status",
            "$S inspect con | sed -n 's/^        \"\\([A-Za-z]*\\)\":.*/\\1/p' | tr '\\n' ' '",
            "$S rm con",
        ]
    );
    site.assert_clean();
}
