//! Begin: what the program is given, and the last steps before it.

use super::birth::hide;
use crate::kernel::Op;
use crate::kernel::ctext::BOX;
use crate::privilege::Privilege;
use crate::probe::{Probe, Who};
use crate::spec::{Input, Life, Process, Spec, Start};
use crate::step::Step;

/// What must be open before the clone: the fifo at which the box will wait, who decides about its calls, and who takes
/// its terminal.
pub(super) fn gates(spec: &Spec) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Start::AfterFifo(path) = &spec.start {
        let make = Op::Mknod { path: path.into(), mode: libc::S_IFIFO | 0o600, major: 0, minor: 0 };
        steps.extend([
            Step::new("make a fifo", make)
                .why("who starts the container will write into it")
                .undo(Op::Unlink { path: path.into() }),
            Step::new("open the fifo", Op::OpenFifo { path: path.into() })
                .why("the box inherits it, and never has to look for it in a tree of others"),
        ]);
    }
    if let Some(path) = spec.process.console.as_ref().and_then(|console| console.socket.as_ref()) {
        steps.push(
            Step::new("call who takes the terminal", Op::ConnectConsole { path: path.into() })
                .why("it listens under a name of the host, which the box will not see"),
        );
    }
    steps.extend(listener(&spec.privilege));
    steps
}

/// Whoever decides about calls listens under a name of the host too.
pub fn listener(privilege: &Privilege) -> Option<Step> {
    Some(privilege.seccomp.as_ref()?.listener.as_ref()?.connect())
}

/// How soon the box is killed when memory runs out.
pub(super) fn oom_score(process: &Process) -> Option<Step> {
    let score = process.oom_score_adj?;
    let op = Op::write(format!("/proc/{BOX}/oom_score_adj"), score.to_string());
    let why = "when memory runs out the kernel ends whoever has the highest score";
    Some(Step::new("say how soon it is killed", op).why(why))
}

/// The limits of setrlimit(2).
pub(super) fn limits(process: &Process) -> Vec<Step> {
    let limit = |limit: &crate::spec::Rlimit| {
        let op = Op::Setrlimit { resource: limit.resource, soft: limit.soft, hard: limit.hard };
        Step::new("limit what it uses", op)
            .why("set from outside, because root of a user namespace may raise nothing; so late that they bind only the program")
    };
    process.rlimits.iter().map(limit).collect()
}

pub(super) fn terminal(spec: &Spec) -> Vec<Step> {
    let mut steps = Vec::new();
    match &spec.process.console {
        Some(console) => {
            if let Some(size) = console.size {
                let op = Op::WindowSize { rows: size.rows, columns: size.columns };
                let why = "a program asks for it before its first line is drawn";
                steps.push(Step::new("give it a size", op).why(why));
            }
            let why = "Ctrl-C and window changes go to who controls it";
            steps.push(Step::new("take the terminal", Op::AttachPty).why(why));
            // only now: who reads the one end while nobody has the other open is told that the terminal is closed
            let (op, why) = match console.socket {
                Some(_) => (Op::SendConsole, "who listens at the socket reads and writes its other end"),
                None => (Op::SendPty, "the host reads and writes its other end"),
            };
            steps.push(Step::new("hand the terminal on", op).why(why));
        }
        None if spec.process.input == Input::Null => {
            let why = "nobody types: a read ends at once instead of stealing the host's input";
            let op = Op::Redirect { path: "/dev/null".into(), fd: 0 };
            steps.push(Step::new("close standard input", op).why(why));
        }
        None => {}
    }
    if spec.process.own_stdio && spec.privilege.uid != 0 {
        let why = "a program may open /dev/stdout again, and that asks whose it is";
        steps.push(
            Step::new("hand on its input and output", Op::OwnStdio { uid: spec.privilege.uid }).why(why),
        );
    }
    steps
}

/// When the program is given the machine, and how it looks to it.
pub fn standing(process: &Process) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(persona) = process.personality {
        let why = "programs of another architecture ask what machine this is";
        steps.push(Step::new("be another machine", Op::Personality { persona: persona.into() }).why(why));
    }
    if let Some(scheduling) = process.scheduler {
        let why = "who may wait for the cpu, and who may not, is said while we still may say it";
        steps.push(Step::new("say when it runs", Op::SchedSetattr(scheduling)).why(why));
    }
    if let Some(priority) = process.io_priority {
        let op = Op::IoprioSet { class: priority.class, level: priority.level };
        steps.push(Step::new("say when it reads and writes", op).why("the same for the disk"));
    }
    steps
}

/// What a box sheds first of all, and what a program would else inherit from us.
pub fn habits(life: Life) -> Vec<Step> {
    let why = "a box without anybody to wait for it would run on unseen";
    let mut steps: Vec<Step> = die_with_the_engine(life, why).into_iter().collect();
    steps.extend([
        Step::new("begin a session", Op::Setsid)
            .why("the host's terminal sends its signals to its own session only"),
        Step::new("mind broken pipes", Op::DefaultSignal { signal: libc::SIGPIPE })
            .why("what is ignored stays ignored after exec, and our runtime ignores it"),
        Step::new("block no signal", Op::UnblockSignals).why("a blocked signal stays blocked after exec"),
    ]);
    steps
}

/// Until its program runs, a box without its engine is of no use to anybody. The kernel forgets the wish now and then.
pub fn die_with_the_engine(life: Life, why: &'static str) -> Option<Step> {
    let op = Op::ParentDeathSignal { signal: libc::SIGKILL };
    (life == Life::OfTheEngine).then(|| Step::new("die with the engine", op).why(why))
}

pub(super) fn start(spec: &Spec) -> Vec<Step> {
    let first = 3 + spec.process.preserve_fds;
    let exec = &spec.process.exec;
    let mut steps: Vec<Step> =
        die_with_the_engine(spec.life, "the kernel forgot it when the user changed").into_iter().collect();
    steps.push(
        Step::new("set the umask", Op::Umask { mask: spec.process.umask })
            .why("a program starts the same, whoever starts it"),
    );
    match &spec.start {
        Start::AtOnce => steps.push(
            Step::new("keep no descriptor", Op::CloseRange { first })
                .why("an open directory of the host would be a way out (CVE-2024-21626)"),
        ),
        Start::AfterFifo(_) => steps.extend([
            Step::new("look for the program", Op::LookUp { paths: exec.paths.clone() })
                .why("who creates the container hears that it is missing, and not who starts it"),
            Step::new("wait to be started", Op::AwaitStart { first })
                .why("everything is made; nothing of the host is open any more but this fifo"),
        ]),
    }
    steps.extend(super::hooks("run a hook before the program", &spec.hooks.start_container));
    steps.push(
        Step::new("run the program", Op::Exec(exec.clone()))
            .why("the same process, with another program in it")
            .show(Probe::Process(Who::Box))
            .show(Probe::Privilege(Who::Box)),
    );
    steps
}

/// To where the program starts, while every directory of the tree can still be entered.
pub(super) fn place(process: &Process) -> [Step; 3] {
    [
        Step::new("go to work", Op::Chdir { path: (&process.cwd).into() })
            .why("root of the box may enter every directory of it, and its user perhaps not"),
        Step::new("ask where that is", Op::Getcwd)
            .why("a path through /proc/self/fd leads to whatever is open, also on the host (CVE-2024-21626)"),
        hide("from here on a process of its user, or one with its capabilities, could look at what we hold"),
    ]
}
