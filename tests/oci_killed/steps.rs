//! Steps: this test plays the runtime and takes the real plan with an observer that kills.

use std::path::PathBuf;

use stepbox::join;
use stepbox::launch::launch;
use stepbox::oci::create::{Request, When, draft};
use stepbox::oci::log::Log;
use stepbox::oci::state::Root;
use stepbox::oci::{OciError, exec};

use crate::Field;
use support::killer::{self, Killer};

/// `WHAT PLACE STEP VICTIM`: says how many steps that has, and takes them.
pub fn runtime(words: &[String]) {
    let [what, place, at, victim] = words else { panic!("{words:?}") };
    let killer = Killer::new(at.parse().expect("a number"), victim);
    let place = PathBuf::from(place);
    let path = std::env::var("PATH").unwrap_or_default();
    match what.as_str() {
        "exec" => join(&place, path, killer),
        what => make(&place, path, what, killer),
    }
}

fn make(place: &std::path::Path, path: String, what: &str, mut killer: Killer) {
    let when = if what == "run" { When::Foreground } else { When::Started };
    let request = Request { id: "c1".into(), bundle: place.join("b"), when, path, ..Request::default() };
    let (mut draft, plan) = draft(&Root(place.join("oci")), request, &mut Log::default()).expect("a plan");
    println!("{}", killer::count(&plan));
    let made = draft.make(&plan, &mut killer);
    let kept = match made {
        Ok(running) if when == When::Started => running.leave().is_ok(),
        // whoever runs in the foreground takes it all back
        other => {
            drop(other);
            false
        }
    };
    // whose box was killed gives up as the command does
    if !kept {
        drop(draft.give_up());
    }
}

fn join(place: &std::path::Path, path: String, mut killer: Killer) {
    let root = Root(place.join("oci"));
    let container = root.find("c1").expect("it runs");
    let request = exec::Request { args: vec!["true".into()], path, ..exec::Request::default() };
    let entry = exec::prepare(&container, &request, &mut Log::default()).expect("an entry");
    let plan = join::plan(&entry);
    println!("{}", killer::count(&plan));
    let ended = launch(&plan, &mut killer, None).map_err(OciError::from);
    let _ = ended.and_then(|mut running| running.wait().map_err(OciError::system("wait")));
}

pub fn all(name: &str, field: &Field) {
    let copy = field.bundles.site.copy(&std::env::current_exe().expect("this is a program"), "runtime");
    let run = |what: &str, at: usize, victim: &str| {
        format!("{} runtime {what} $B {at} {victim} >$B/said 2>$B/err", copy.display())
    };
    let count = |what: &str, before: &str| {
        let script =
            format!("{before}\n{}\ncat $B/said; $R delete --force c1", run(what, usize::MAX, "runtime"));
        killer::numbers(&field.bundles.says(&script))
    };
    let mut kills = 0;
    for what in ["create", "run"] {
        let (steps, born) = count(what, "");
        assert!(steps > 40, "{what}: {steps} steps");
        let one = |at: usize, victim: &str| {
            let killed = if victim == "box" { "" } else { "[ $? = 137 ] || tail -n 3 $B/err;" };
            format!("{}; {killed} gone '{what}, the {victim} at {at}'", run(what, at, victim))
        };
        let lines = (0..steps).map(|at| one(at, "runtime")).chain((born..steps).map(|at| one(at, "box")));
        let lines: Vec<String> = lines.collect();
        kills += lines.len();
        field.each("", &lines, "");
    }
    let begin = "$R run -d -b $B/b c1";
    let (steps, born) = count("exec", begin);
    assert!(steps > 20, "exec: {steps} steps");
    // the container goes on, and what was to join it is gone
    let one =
        |at: usize, victim: &str| format!("{}; whole 'exec, the {victim} at {at}'", run("exec", at, victim));
    let lines = (0..steps).map(|at| one(at, "runtime")).chain((born..steps).map(|at| one(at, "box")));
    let lines: Vec<String> = lines.collect();
    kills += lines.len();
    field.each(&format!("{WHOLE}\n{begin}"), &lines, "gone exec");
    println!("{name}: {kills} kills, nothing left");
}

/// `whole NAME`: the container still takes programs, and only its own is left in it.
pub const WHOLE: &str = "whole() { \
    [ \"$($R exec c1 echo on)\" = on ] || echo \"no exec after $1\"; \
    for i in $(seq 400); do case $($R ps -f json c1) in *,*) sleep 0.05;; *) return 0;; esac; done; \
    echo \"others are in it after $1: $($R ps c1)\"; }";
