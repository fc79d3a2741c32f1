//! kill -9 at every step of a run, of the engine and of the box alone; then `stepbox clean` leaves nothing.
//!
//! ```text
//!   this test ── for each n ──> itself as the engine: the real plan, SIGKILL before step n
//!             ──> stepbox clean ──> no container, journal, lease, cgroup, link
//! ```
//!
//! A program instead of the test harness, because the engine must be single-threaded.

use std::path::Path;

use stepbox::container;
use stepbox::engine::containers::Record;
use stepbox::engine::containers::reserve::reserve;
use stepbox::engine::front::{Ahead, Front};
use stepbox::engine::monitor::here::Part;
use stepbox::engine::request::Request;
use stepbox::engine::run::{Ground, prepare};
use stepbox::engine::state::State;
use stepbox::engine::volumes::open::Held;
use stepbox::engine::{base, names, store::Store};

use support::killer::Killer;
use support::site::Site;
use support::{killer, player};

/// Runs the real plan with a killer. Prints how many steps it has, and the first at which there is a box.
fn engine(at: usize, victim: &str) {
    let state = State::open(|name| std::env::var_os(name).map(Into::into)).expect("the state opens");
    let store = Store::open(&state.root).expect("the store opens");
    let image = base::ensure(&store).expect("there is a base image");
    let request =
        Request { title: "killed".into(), remove: true, command: vec!["true".into()], ..Request::default() };
    let mut spec =
        prepare(&state, &Ground::of(&image, store.driver()), (names::new_id(), "red"), &request, Vec::new())
            .expect("a spec");
    (spec.process.piped, spec.process.own_stdio) = (true, true);
    let plan = container::plan(&spec).expect("a plan");
    println!("{}", killer::count(&plan));
    let record = Record::new(&spec, (base::NAME, &image), store.driver(), "killed".into(), request);
    let front = Front { state: &state, spec: &spec, plan: &plan, record: &record, part: Part::of_all(false) };
    let name = reserve(&state, &spec.id, Some("killed")).expect("whoever had the name is dead");
    let ahead = Ahead { volumes: Held::default(), name: Some(name) };
    let _ = front.run(ahead, &mut Killer::new(at, victim));
    // what the command line does after a run that failed
    let _ = stepbox::engine::network::give_back(&spec.net);
}

/// All kills as one script, so that one set of namespaces does for all of them.
fn every_step(name: &str, site: &Site) {
    site.copy(&std::env::current_exe().expect("this test is a file"), "killed");
    let count = site.says("$D/killed engine 99999 host");
    let (count, born) = killer::numbers(&count);
    assert!(count > 40, "a whole run: {count} steps");
    // the kernel takes a cable away a moment after the namespace of one of its ends
    let script = format!(
        "cables() {{ for i in $(seq 200); do ip -o link 2>/dev/null | grep -q veth || return; sleep 0.05; done; \
             ip -o link | grep veth; }}; \
         left() {{ {{ ls $D/state/containers $D/state/run/journal $D/state/run/leases $D/state/run/names 2>/dev/null | grep -v :; \
             cables; }} | grep .; }}; \
         for victim in host box; do for n in $(seq $([ $victim = host ] && echo 0 || echo {born}) {last}); do \
           $D/killed engine $n $victim >/dev/null 2>&1; code=$?; \
           [ $victim = box ] || [ $code = 137 ] || echo $n: code $code; \
           [ $victim = host ] || ! left || echo box killed at $n: left before clean; \
           $S clean >$D/state/said 2>&1 || {{ echo $victim at $n; cat $D/state/said; }}; \
           ! left || echo left after $victim at $n; \
         done; done",
        last = count - 1
    );
    let said = player::said(&mut site.script_of(300, &script));
    assert_eq!((said.out.as_str(), said.code), ("", 0), "{}", said.err);
    site.assert_clean();
    println!("{name}: {} kills, nothing left", 2 * count - born);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, at, victim] = arguments.as_slice()
        && word == "engine"
    {
        return engine(at.parse().expect("a number"), victim);
    }
    assert!(Path::new("/proc/self/exe").exists(), "there is a /proc");
    let root = Site::root("killed as root");
    let nobody = Site::nobody();
    std::thread::scope(|scope| {
        if let Some(site) = &root {
            scope.spawn(|| every_step("as root", site));
        }
        scope.spawn(|| every_step("without root", &nobody));
    });
}
