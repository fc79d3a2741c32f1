//! Begin: what a program is given, and the last steps before it; the same for a container's own and for one that joins.

use crate::kernel::ctext::BOX;
use crate::kernel::op::{Hook, Orphans, Pipe};
use crate::kernel::{Errno, Op};
use crate::privilege::Privilege;
use crate::probe::{Probe, Who};
use crate::spec::{Input, Life, Process, Spec, Start};
use crate::step::Step;

/// A kernel without keyrings, or a seccomp filter above us that refuses them: then nobody's can be reached either.
const NO_KEYRINGS: &[Errno] = &[Errno::NOSYS, Errno::OPNOTSUPP, Errno::PERM];

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
    steps.extend(pipes(&spec.process).map(|fd| {
        Step::new("make a pipe", Op::Pipe(Pipe::Make { fd }))
            .why("what goes through us can be kept in a log, and seen by whoever attaches")
    }));
    steps.extend(listeners(&spec.process, &spec.privilege));
    steps
}

/// Which descriptors of the program are pipes to the engine.
fn pipes(process: &Process) -> impl Iterator<Item = usize> + use<> {
    let wanted = process.piped && process.console.is_none();
    let first = if process.input == Input::Ours { 0 } else { 1 };
    if wanted { first..3 } else { 0..0 }
}

/// Whoever takes the terminal, and whoever decides about calls, listens under a name of the host.
pub fn listeners(process: &Process, privilege: &Privilege) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(path) = process.console.as_ref().and_then(|console| console.socket.as_ref()) {
        steps.push(
            Step::new("call who takes the terminal", Op::ConnectConsole { path: path.into() })
                .why("it listens under a name of the host, which the box will not see"),
        );
    }
    let listener = privilege.seccomp.as_ref().and_then(|profile| profile.listener.as_ref());
    steps.extend(listener.map(|listener| listener.connect()));
    steps
}

/// How soon the box is killed when memory runs out.
pub fn oom_score(process: &Process) -> Option<Step> {
    let score = process.oom_score_adj?;
    let op = Op::write(format!("/proc/{BOX}/oom_score_adj"), score.to_string());
    let why = "when memory runs out the kernel ends whoever has the highest score";
    Some(Step::new("say how soon it is killed", op).why(why))
}

/// The limits of setrlimit(2).
pub fn limits(process: &Process) -> Vec<Step> {
    let limit = |limit: &crate::spec::Rlimit| {
        let op = Op::Setrlimit { resource: limit.resource, soft: limit.soft, hard: limit.hard };
        Step::new("limit what it uses", op)
            .why("set from outside, because root of a user namespace may raise nothing; so late that they bind only the program")
    };
    process.rlimits.iter().map(limit).collect()
}

/// What it reads and writes, which is `uid`'s. A terminal is open already.
pub fn terminal(process: &Process, uid: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    match &process.console {
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
        None if process.input == Input::Null => {
            let why = "nobody types: a read ends at once instead of stealing the host's input";
            let op = Op::Redirect { path: "/dev/null".into(), fd: 0 };
            steps.push(Step::new("close standard input", op).why(why));
        }
        None if process.input == Input::Silence => {
            let why =
                "nobody types and nobody listens: who waits for our output would wait for the program's end";
            let silent = |fd| Op::Redirect { path: "/dev/null".into(), fd };
            let step = |fd| Step::new("neither read nor print", silent(fd)).why(why);
            steps.extend([0, 1, 2].map(step));
        }
        None => {}
    }
    steps.extend(pipes(process).map(|fd| {
        let why = "from here on it speaks with the engine alone, not with whoever called that";
        Step::new("take an end of the pipe", Op::Pipe(Pipe::Take { fd })).why(why)
    }));
    if process.own_stdio && uid != 0 {
        let why = "a program may open /dev/stdout again, and that asks whose it is";
        steps.push(Step::new("hand on its input and output", Op::OwnStdio { uid }).why(why));
    }
    steps
}

/// A session keyring of its own, where one is wanted.
pub fn keyring(process: &Process) -> Option<Step> {
    let op = Op::JoinSessionKeyring { name: process.keyring.as_ref()?.into() };
    let why = "keys are found through the session, and ours is the host's";
    Some(Step::new("hold a keyring of its own", op).why(why).or_any(NO_KEYRINGS))
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
fn die_with_the_engine(life: Life, why: &'static str) -> Option<Step> {
    let op = Op::ParentDeathSignal { signal: libc::SIGKILL };
    (life == Life::OfTheEngine).then(|| Step::new("die with the engine", op).why(why))
}

/// To where the program starts, while every directory of the tree can still be entered.
pub fn place(process: &Process) -> [Step; 2] {
    [
        Step::new("go to work", Op::Chdir { path: (&process.cwd).into() })
            .why("root of the box may enter every directory of it, and its user perhaps not"),
        Step::new("ask where that is", Op::Getcwd)
            .why("a path through /proc/self/fd leads to whatever is open, also on the host (CVE-2024-21626)"),
    ]
}

/// The last steps, with whom they wait for and what is run before the program.
pub fn start(life: Life, process: &Process, start: &Start, hooks: &[Hook]) -> Vec<Step> {
    let first = 3 + process.preserve_fds;
    let exec = &process.exec;
    let mut steps: Vec<Step> =
        die_with_the_engine(life, "the kernel forgot it when the user changed").into_iter().collect();
    if process.init {
        let op = Op::Orphans(Orphans::Init);
        let why =
            "process 1 has to reap orphans, and gets no signal that it has no handler for: few programs know";
        steps.push(Step::new("leave an init behind", op).why(why));
        steps.extend(die_with_the_engine(life, "the wish is not inherited, and its parent is now init"));
    }
    steps.push(
        Step::new("set the umask", Op::Umask { mask: process.umask })
            .why("a program starts the same, whoever starts it"),
    );
    match start {
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
    steps.extend(super::hooks("run a hook before the program", hooks));
    steps.push(
        Step::new("run the program", Op::Exec(exec.clone()))
            .why("the same process, with another program in it")
            .show(Probe::Process(Who::Box))
            .show(Probe::Privilege(Who::Box)),
    );
    steps
}
