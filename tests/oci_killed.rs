//! kill -9 at any moment, of the runtime and of the box alone; then `delete --force` leaves nothing, and a container in
//! which somebody was to run a program goes on as before.
//!
//! ```text
//!   steps   for each step n of create, run, exec: this test as the runtime, the real plan, SIGKILL before step n
//!   calls   for each call of create, start, run, exec, delete that changes anything: the real runtime under strace(1),
//!           which sends it SIGKILL before that call
//!             ──> stepbox oci delete --force ──> no directory, cgroup, mount, process
//! ```
//!
//! A program instead of the test harness, because the runtime must be single-threaded.

#[path = "oci_killed/calls.rs"]
mod calls;
#[path = "oci_killed/steps.rs"]
mod steps;

use support::bundle::Bundles;
use support::site::Site;

/// So many kills fit into one script's time.
const AT_A_TIME: usize = 40;

/// One of the two tests, by one user.
type Test = fn(&str, &Field);

/// A container that this test can tell from all others by the seconds that it sleeps.
struct Field {
    bundles: Bundles,
    seconds: String,
}

impl Field {
    fn at(site: Site) -> Field {
        let seconds = format!("600.{}{}", std::process::id(), u8::from(site.is_root()));
        let bundles = Bundles::at(site);
        bundles.bundle("b", &["sleep", &seconds], |_| {});
        bundles.bundle("short", &["true"], |_| {});
        bundles.bundle("hooks", &["sleep", &seconds], |config| {
            let hook = serde_json::json!([{ "path": "/bin/true" }]);
            config["hooks"] =
                serde_json::json!({ "startContainer": hook, "poststart": hook, "poststop": hook });
        });
        Field { bundles, seconds }
    }

    /// What the eyes of this test see of a container that is there; else nothing that follows says anything.
    fn sees(&self) {
        self.each(
            "",
            &["$R run -d -b $B/b c1; [ $(there | wc -l) = 2 ] || echo seen: $(there); gone c1".into()],
            "",
        );
        self.each(
            "",
            &["$R create -b $B/b c1; [ $(there | wc -l) = 2 ] || echo seen: $(there); gone c1".into()],
            "",
        );
    }

    /// Runs these lines, of which each kills somebody and looks at what that leaves. `left NAME` says what there is of
    /// any container.
    fn each(&self, before: &str, lines: &[String], after: &str) {
        for lines in lines.chunks(AT_A_TIME) {
            let name = self.bundles.site.path().file_name().unwrap_or_default().to_string_lossy();
            // a process that was killed is there a moment longer; the brackets keep grep from finding itself
            let script = format!(
                "mounts=$(wc -l </proc/self/mountinfo)\n\
                 there() {{ grep -alE '{name}/state/[o]ci|[s]leep.{seconds}' /proc/[0-9]*/cmdline 2>/dev/null; \
                   ls $B/oci 2>/dev/null; [ $(wc -l </proc/self/mountinfo) = $mounts ] || echo a mount; }}\n\
                 left() {{ for i in $(seq 400); do l=$(there); [ -n \"$l\" ] || return 0; sleep 0.05; done; \
                   echo \"left after $1: $l\"; }}\n\
                 gone() {{ $R list >/dev/null || echo \"$1: no list\"; \
                   $R delete --force c1 || echo \"$1: not deleted\"; left \"$1\"; }}\n\
                 {before}\n{}\n{after}\n",
                lines.join("\n"),
                seconds = self.seconds
            );
            let said = self.bundles.sh(&script);
            assert_eq!((said.out.as_str(), said.code), ("", 0), "{}", said.err);
            self.bundles.assert_clean();
        }
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "runtime") {
        return steps::runtime(&words[1..]);
    }
    let only: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|only| name.contains(only.as_str()));
    let ours = Site::ours();
    // two tests of one user would take each other's containers for their own
    let nobody = ours.is_root().then(|| ("nobody", Site::nobody()));
    std::thread::scope(|scope| {
        for (name, site) in [("ours", ours)].into_iter().chain(nobody) {
            let tests: [(&str, Test); 2] = [("steps", steps::all), ("calls", calls::all)];
            let tests = tests.map(|(test, run)| (format!("{test}::{name}"), run));
            let tests: Vec<_> = tests.into_iter().filter(|(name, _)| wanted(name)).collect();
            scope.spawn(move || {
                let field = Field::at(site);
                field.sees();
                tests.iter().for_each(|(name, run)| run(name, &field));
            });
        }
    });
}
