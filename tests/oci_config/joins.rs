//! The plans of a few programs that join a container, step by step.

use serde_json::{Value, json};

use super::plans::{listed, snapshot};
use super::{Bundle, root, stable, user};
use stepbox::join::{self, Entry};
use stepbox::kernel::flags::{NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWUSER, NEWUTS};
use stepbox::kernel::{Errno, Op};
use stepbox::oci::config::{self, Flags, Given, Machine};
use stepbox::spec::{Life, Users};
use stepbox::step::{Expect, Lane, Plan};
use stepbox::userns::Range;

const KINDS: u64 = NEWNS | NEWPID | NEWUTS | NEWIPC | NEWNET | NEWCGROUP;

/// The process of a config.json with these members, in the namespaces of these kinds of a container that runs.
fn entry(patch: Value, machine: Machine, flags: Flags, kinds: u64) -> (Bundle, Entry) {
    let bundle = Bundle::new(patch);
    let mut place = bundle.place();
    (place.machine, place.flags) = (machine, flags);
    let config = config::load(&bundle.path()).expect("a configuration");
    let range = |outside| vec![Range { inside: 0, outside, count: 65_536 }];
    let users = if kinds & NEWUSER == 0 { Users::Host } else { Users::Ranges(range(1000), range(1000)) };
    let seccomp = config::filter(&config, &place, "running").unwrap_or_else(|error| panic!("{error}"));
    let document = config.process.as_ref().expect("a process");
    let home = config::home(&bundle.path().join("rootfs"), document.user.uid);
    let given = Given { users: &users, home, seccomp };
    let entry = config::entry(document, "process", &place, given).unwrap_or_else(|error| panic!("{error}"));
    let config::Entry { mut process, privilege } = entry;
    process.personality = config::personality(&config).expect("a personality");
    let cgroups = ["memory", "cpu,cpuacct"].map(|name| format!("/sys/fs/cgroup/{name}/box").into());
    let entry = Entry {
        pid: 4711,
        start: 99,
        namespaces: kinds,
        cgroups: if kinds & NEWCGROUP == 0 { Vec::new() } else { cgroups.into() },
        privilege,
        process,
        life: place.flags.life,
    };
    (bundle, entry)
}

fn plan(patch: Value, machine: Machine, flags: Flags, kinds: u64) -> Plan {
    join::plan(&entry(patch, machine, flags, kinds).1)
}

fn foreground() -> Flags {
    Flags { foreground: true, ..Flags::default() }
}

/// Everything that a process can ask for.
fn everything() -> Value {
    json!({
        "process": {
            "terminal": true,
            "consoleSize": { "height": 24, "width": 80 },
            "user": { "uid": 1000, "gid": 1000, "umask": 63, "additionalGids": [5, 6] },
            "args": ["app", "-x"],
            "cwd": "/srv",
            "capabilities": {
                "bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"],
                "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"],
            },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 64, "hard": 128 }],
            "noNewPrivileges": true,
            "apparmorProfile": "mine",
            "selinuxLabel": "a:b:c:s0",
            "oomScoreAdj": 100,
            "scheduler": { "policy": "SCHED_BATCH", "nice": 5 },
            "ioPriority": { "class": "IOPRIO_CLASS_BE", "priority": 7 },
        },
        "linux": {
            "personality": { "domain": "LINUX32" },
            "seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "listenerPath": "/run/listener",
                "syscalls": [{ "names": ["mount"], "action": "SCMP_ACT_NOTIFY" }],
            },
        },
    })
}

fn labelled() -> Machine {
    Machine { apparmor: true, selinux: true, ..root() }
}

/// A terminal goes to whoever listens, and the program lives on without us.
fn given_away() -> Flags {
    let console_socket = Some("/run/console".into());
    Flags { console_socket, preserve_fds: 2, life: Life::OfItsOwn, ..Flags::default() }
}

#[test]
fn root_of_the_machine() {
    snapshot!(listed(&plan(json!({}), root(), foreground(), KINDS)));
}

#[test]
fn everything_that_a_process_can_be() {
    snapshot!(listed(&plan(everything(), labelled(), given_away(), KINDS)));
}

#[test]
fn a_terminal_that_we_carry() {
    let patch = json!({ "process": { "terminal": true, "user": { "uid": 1000, "gid": 5 } } });
    snapshot!(listed(&plan(patch, root(), foreground(), KINDS)));
}

#[test]
fn users_of_its_own() {
    let patch = json!({ "process": { "oomScoreAdj": -5, "user": { "uid": 7, "gid": 7 } } });
    let flags = Flags { no_new_keyring: true, ..foreground() };
    snapshot!(listed(&plan(patch, user(), flags, NEWUSER | NEWNS | NEWPID)));
}

/// What lets nobody look in keeps an ordinary user from writing about it; root is kept from nothing.
#[test]
fn only_without_root_may_the_score_stay() {
    let score = |kinds| {
        let patch = json!({ "process": { "oomScoreAdj": 1 } });
        let plan = plan(patch, root(), foreground(), kinds);
        let write = |op: &Op| op.to_string().contains("oom_score_adj");
        plan.steps.iter().find(|step| write(&step.op)).map(|step| step.expect)
    };
    assert_eq!(score(KINDS), Some(Expect::Success));
    assert_eq!(score(KINDS | NEWUSER), Some(Expect::OrAny(&[Errno::ACCESS, Errno::PERM])));
}

/// The recipe and the joining of a container give a program the same things in the same words, in the same order.
#[test]
fn what_both_do_they_do_alike() {
    let (bundle, entry) = entry(everything(), labelled(), given_away(), KINDS);
    let mut place = bundle.place();
    (place.machine, place.flags) = (labelled(), given_away());
    let spec = bundle.spec(&place).unwrap_or_else(|error| panic!("{error}"));
    let recipe = stepbox::container::plan(&spec).expect("a plan").steps;
    let joining = join::plan(&entry).steps;
    let mut places = Vec::new();
    for step in &joining {
        let Some(place) = recipe.iter().rposition(|other| other.op == step.op) else { continue };
        let other = &recipe[place];
        assert_eq!((step.name, step.expect), (other.name, other.expect), "{}", step.op);
        // who could look in is somebody else
        if !matches!(step.op, Op::Dumpable { .. }) {
            assert_eq!(step.why, other.why, "{}", step.op);
        }
        // the recipe's terminal is its console, too, and has been placed before
        if step.lane == Lane::Container && step.op != Op::OpenPty {
            places.push(place);
        }
    }
    assert!(places.is_sorted() && places.len() > 20, "{places:?}");
    assert_eq!(places.last(), Some(&(recipe.len() - 1)), "both end with the program");
    let its_own: Vec<String> = joining
        .iter()
        .filter(|step| recipe.iter().all(|other| other.op != step.op))
        .map(|step| stable(&step.op.to_string(), &bundle.path()))
        .collect();
    assert_eq!(
        its_own,
        [
            "pidfd_open(4711, 0)",
            "setns(pidfd, CLONE_NEWNS|CLONE_NEWPID|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWNET|CLONE_NEWCGROUP), \
             clone3({flags=CLONE_PARENT, exit_signal=0})",
            "write(\"/sys/fs/cgroup/memory/box/cgroup.procs\", \"[BOX]\")",
            "write(\"/sys/fs/cgroup/cpu,cpuacct/box/cgroup.procs\", \"[BOX]\")",
            // who says that the container runs, and not that it is being made
            "clone(flags=CLONE_FILES|SIGCHLD) /* the child: sendmsg(listener, SCM_RIGHTS) */",
        ]
    );
}
