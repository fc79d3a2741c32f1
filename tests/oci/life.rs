//! The life of a container: created, started, paused, killed, deleted; by root and by others.

use serde_json::{Value, json};

use support::bundle::Bundles;
use support::site::Site;

fn everybody() -> [Bundles; 2] {
    [Site::ours(), Site::nobody()].map(Bundles::at)
}

#[test]
fn a_container_waits_runs_and_goes() {
    for bundles in everybody() {
        bundles.bundle("b", &["sleep", "600"], |_| {});
        let out = bundles.says(
            "$R create -b $B/b --pid-file $B/pid c1 && $R state c1 && echo && cat $B/pid && echo\n\
             $R start c1 && $R state c1 | grep status && $R ps -f json c1 && $R list -q\n\
             $R kill c1 KILL; i=0; while $R state c1 | grep -q running && [ $i -lt 400 ]; do i=$((i+1)); sleep 0.05; done\n\
             $R state c1 | grep -E 'status|pid' && $R delete c1 && $R list -f json",
        );
        let (state, rest) = out.split_once("\n}").expect("a state");
        let state: Value = serde_json::from_str(&format!("{state}}}")).expect("JSON");
        assert_eq!(state["status"], "created", "{out}");
        assert_eq!(state["id"], "c1");
        assert_eq!(state["ociVersion"], "1.2.0");
        assert!(state["bundle"].as_str().is_some_and(|path| path.ends_with("/b")), "{out}");
        let pid = state["pid"].as_i64().expect("a number");
        assert!(rest.trim_start().starts_with(&format!("{pid}\n")), "the pid file: {out}");
        assert!(rest.contains("\"status\": \"running\"") && rest.contains(&format!("[{pid}]")), "{out}");
        assert!(rest.contains("\"status\": \"stopped\"") && rest.contains("\"pid\": 0"), "{out}");
        assert!(out.ends_with("null\n"), "{out}");
        bundles.assert_clean();
    }
}

#[test]
fn the_programs_end_is_ours() {
    for bundles in everybody() {
        for (program, code) in [("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
            // process 1 of a PID namespace is not killed by its own signals
            let program = format!("sh -c '{program}'; exit $?");
            bundles.bundle("b", &["sh", "-c", &program], |_| {});
            let said = bundles.sh("$R run -b $B/b c1");
            assert_eq!(said.code, code, "{program}: {}", said.err);
        }
        bundles.bundle("b", &["sh", "-c", "echo out; echo err >&2; cat"], |_| {});
        let said = bundles.sh("echo in | $R run -b $B/b c1");
        assert_eq!((said.out.as_str(), said.err.as_str()), ("out\nin\n", "err\n"));
        bundles.assert_clean();
    }
}

#[test]
fn signals_reach_the_program() {
    let bundles = Bundles::at(Site::ours());
    bundles.bundle("b", &["sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.1; done"], |_| {});
    let out = bundles.says(
        "$R run -b $B/b c1 & runtime=$!\n\
         i=0; until $R ps -f json c1 2>/dev/null | grep -q , || [ $i -gt 400 ]; do i=$((i+1)); sleep 0.05; done\n\
         kill -TERM $runtime; wait $runtime; echo $?",
    );
    assert_eq!(out, "9\n");
    bundles.assert_clean();
}

#[test]
fn what_was_only_created_or_detached_can_be_deleted() {
    for bundles in everybody() {
        bundles.bundle("b", &["sleep", "600"], |_| {});
        bundles.says("$R create -b $B/b c1 && $R delete c1");
        bundles.says("$R create -b $B/b c1 && $R delete --force c1");
        bundles.says("$R run -d -b $B/b c1 && $R delete -f c1 && $R delete -f c1");
        bundles.refused(
            "$R run -d -b $B/b c1; $R delete c1; code=$?; $R delete -f c1; exit $code",
            1,
            &["cannot delete container c1 that is not stopped: running"],
        );
        bundles.bundle("b", &["true"], |_| {});
        let out = bundles.says("$R run --keep -b $B/b c1 && $R state c1 | grep status && $R delete c1");
        assert!(out.contains("stopped"), "{out}");
        bundles.assert_clean();
    }
}

#[test]
fn the_configuration_is_that_of_the_creation() {
    let bundles = Bundles::at(Site::ours());
    bundles.bundle("b", &["sleep", "600"], |config| config["process"]["env"] = json!(["A=1"]));
    let out = bundles.says(
        "$R run -d -b $B/b c1 && sed -i 's/A=1/A=2/' $B/b/config.json && $R exec c1 sh -c 'echo $A'; $R delete -f c1",
    );
    assert_eq!(out, "1\n");
}

#[test]
fn of_two_who_take_a_name_one_wins() {
    let bundles = Bundles::at(Site::ours());
    bundles.bundle("b", &["sleep", "600"], |_| {});
    let out = bundles.says(
        "for n in 1 2 3 4 5 6; do ($R create -b $B/b c1 2>$B/err$n; echo $?) & done > $B/codes; wait\n\
         sort $B/codes | uniq -c | tr -s ' \\n' ' '; cat $B/err*; $R delete -f c1",
    );
    assert!(out.starts_with(" 1 0 5 1"), "{out}");
    assert_eq!(out.matches("container with given ID already exists").count(), 5, "{out}");
    bundles.assert_clean();
}
