//! The seccomp compiler: its programs, run by a small machine here, answer what the profile says.

use stepbox::kernel::bpf::{AND, AT_LEAST, EQUAL, GREATER, Instruction, JUMP, LOAD, MOST, RETURN};
use stepbox::privilege::default_set;
use stepbox::privilege::seccomp::{
    Action, Arch, Compare, Condition, Profile, Rule, compile, default_profile,
};

#[path = "seccomp/listing.rs"]
mod listing;
#[path = "seccomp/profiles.rs"]
mod profiles;

const ARCHES: [Arch; 3] = [Arch::X86_64, Arch::I386, Arch::Aarch64];
const EPERM: Action = Action::Errno(libc::EPERM as u16);
const ENOSYS: Action = Action::Errno(libc::ENOSYS as u16);

fn everywhere(profile: Profile) -> Profile {
    Profile { arches: ARCHES.to_vec(), ..profile }
}

/// What the kernel's machine would answer; how many instructions it took.
fn run(program: &[Instruction], arch: u32, number: u32, arguments: [u64; 6]) -> (u32, usize) {
    let mut data = vec![number, arch, 0, 0];
    data.extend(arguments.iter().flat_map(|value| [*value as u32, (value >> 32) as u32]));
    let (mut a, mut at, mut taken) = (0u32, 0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        (at, taken) = (at + 1, taken + 1);
        let mut jump = |holds| at += usize::from(if holds { jt } else { jf });
        match code {
            LOAD => a = data[k as usize / 4],
            AND => a &= k,
            JUMP => at += k as usize,
            EQUAL => jump(a == k),
            GREATER => jump(a > k),
            AT_LEAST => jump(a >= k),
            RETURN => return (k, taken),
            other => panic!("no such instruction: {other}"),
        }
    }
}

/// The profile, read as it is written.
fn decide(profile: &Profile, arch: Arch, number: u32, arguments: [u64; 6]) -> Action {
    if arch == Arch::X86_64 && number >= 0x4000_0000 {
        return ENOSYS;
    }
    let rules = |number| {
        let name = arch.name(number);
        profile.rules.iter().filter(move |rule| rule.calls.iter().any(|call| Some(call.as_ref()) == name))
    };
    let holds = |condition: &Condition| {
        let wide = if arch.wide() { u64::MAX } else { u32::MAX.into() };
        let value = arguments[usize::from(condition.argument)] & wide;
        match condition.compare {
            Compare::Eq(other) => value == other & wide,
            Compare::Ne(other) => value != other & wide,
            Compare::Lt(other) => value < other & wide,
            Compare::Le(other) => value <= other & wide,
            Compare::Gt(other) => value > other & wide,
            Compare::Ge(other) => value >= other & wide,
            Compare::MaskedEq { mask, value: other } => value & mask == other & mask & wide,
        }
    };
    if let Some(rule) = rules(number).find(|rule| rule.conditions.iter().all(holds)) {
        return rule.action;
    }
    let spoken_of = |from: u32| (from..arch.end()).any(|above| rules(above).next().is_some());
    let known = spoken_of(number) || !spoken_of(0);
    if known { profile.otherwise } else { profile.newer.unwrap_or(profile.otherwise) }
}

fn number(arch: Arch, name: &str) -> u32 {
    arch.number(name).unwrap_or_else(|| panic!("no {name}"))
}

/// Numbers that look random and are the same in every run: xorshift.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        (self.roll() % most as u64) as usize
    }

    /// Few values, so that comparisons meet them: near 0, near 2^32, near 2^64.
    fn value(&mut self) -> u64 {
        let near = [0, 1 << 32, u64::MAX, 0x1_ffff_ffff, 0x7e02_0000][self.below(5)];
        near.wrapping_add(self.roll() % 3).wrapping_sub(1)
    }

    fn arguments(&mut self) -> [u64; 6] {
        std::array::from_fn(|_| self.value())
    }

    fn rule(&mut self) -> Rule {
        let arch = ARCHES[self.below(3)];
        let calls = (0..1 + self.below(60)).filter_map(|_| arch.name(self.below(500) as u32));
        let calls = calls.map(Into::into).collect();
        let conditions = (0..self.below(4)).map(|_| Condition {
            argument: self.below(6) as u8,
            compare: match (self.below(7), self.value()) {
                (0, value) => Compare::Eq(value),
                (1, value) => Compare::Ne(value),
                (2, value) => Compare::Lt(value),
                (3, value) => Compare::Le(value),
                (4, value) => Compare::Gt(value),
                (5, value) => Compare::Ge(value),
                (_, value) => Compare::MaskedEq { mask: self.value(), value },
            },
        });
        let conditions = conditions.collect();
        let actions = [Action::Allow, Action::Log, Action::Trap, Action::Errno(7), Action::KillThread];
        Rule { calls, conditions, action: actions[self.below(5)] }
    }
}

#[test]
fn the_default_profile_call_by_call() {
    let program = compile(&everywhere(default_profile(default_set())));
    let namespaces = |flag: i32| [flag as u64 | libc::SIGCHLD as u64, 0, 0, 0, 0, 0];
    let first = |value: u64| [value, 0, 0, 0, 0, 0];
    let second = |value: u64| [0, value, 0, 0, 0, 0];
    let cases: &[(&str, [u64; 6], Action)] = &[
        ("read", first(0), Action::Allow),
        ("execve", first(0), Action::Allow),
        ("chroot", first(0), Action::Allow),
        ("mount", first(0), EPERM),
        ("umount2", first(0), EPERM),
        ("unshare", first(libc::CLONE_NEWUSER as u64), EPERM),
        ("setns", first(0), EPERM),
        ("keyctl", first(0), EPERM),
        ("add_key", first(0), EPERM),
        ("bpf", first(0), EPERM),
        ("io_uring_setup", first(0), EPERM),
        ("userfaultfd", first(0), EPERM),
        ("init_module", first(0), EPERM),
        ("reboot", first(0), EPERM),
        ("ptrace", first(0), Action::Allow),
        ("clone", namespaces(0), Action::Allow),
        ("clone", namespaces(libc::CLONE_NEWUSER), EPERM),
        ("clone", namespaces(libc::CLONE_NEWPID), EPERM),
        ("clone", namespaces(libc::CLONE_THREAD | libc::CLONE_VM), Action::Allow),
        ("clone3", first(0), ENOSYS),
        ("personality", first(0xffff_ffff), Action::Allow),
        ("personality", first(0x2_0000), Action::Allow),
        ("personality", first(0x4_0000), EPERM),
        ("socket", first(libc::AF_INET as u64), Action::Allow),
        ("socket", first(libc::AF_VSOCK as u64), EPERM),
        ("socket", first(libc::AF_VSOCK as u64 | 1 << 32), EPERM),
        ("socket", first(libc::AF_ALG as u64), EPERM),
        ("ioctl", second(libc::TIOCGWINSZ), Action::Allow),
        ("ioctl", second(libc::TIOCSTI), EPERM),
        ("ioctl", second(libc::TIOCSTI | 1 << 32), EPERM),
        ("ioctl", second(0x541c), EPERM),
        ("file_setattr", first(0), ENOSYS),
    ];
    for arch in ARCHES {
        for (name, arguments, action) in cases {
            let answer = run(&program, arch.audit(), number(arch, name), *arguments).0;
            assert_eq!(answer, action.answer(), "{arch:?} {name}({arguments:x?}): {answer:#x}");
        }
    }
    let read = run(&program, Arch::X86_64.audit(), 0x4000_0000, [0; 6]).0;
    assert_eq!(read, ENOSYS.answer(), "x32 is a door that is closed");
    assert_eq!(run(&program, 0x28, 3, [0; 6]).0, Action::KillProcess.answer(), "no other door is open");
}

#[test]
fn a_capability_brings_its_calls() {
    let all = compile(&everywhere(default_profile(u64::MAX)));
    let few = compile(&everywhere(default_profile(0)));
    for name in ["mount", "unshare", "clone3", "reboot", "bpf", "chroot", "setns", "finit_module"] {
        let answer = |program| run(program, Arch::X86_64.audit(), number(Arch::X86_64, name), [1 << 28; 6]).0;
        assert_eq!(answer(&all), Action::Allow.answer(), "{name}");
        assert_ne!(answer(&few), Action::Allow.answer(), "{name}");
    }
}

#[test]
fn programs_do_what_profiles_say() {
    let mut dice = Dice(0x5eed);
    let mut profiles = [default_set(), 0, u64::MAX].map(|set| everywhere(default_profile(set))).to_vec();
    for _ in 0..60 {
        let newer = [None, Some(ENOSYS)][dice.below(2)];
        let rules = (0..dice.below(40)).map(|_| dice.rule()).collect();
        profiles.push(Profile {
            otherwise: [EPERM, Action::Allow][dice.below(2)],
            newer,
            rules,
            ..everywhere(Profile::default())
        });
    }
    for (index, profile) in profiles.iter().enumerate() {
        let program = compile(profile);
        for _ in 0..400 {
            let arch = ARCHES[dice.below(3)];
            let number = match dice.below(20) {
                0 => dice.roll() as u32,
                1 => 0x4000_0000 + dice.below(500) as u32,
                _ => dice.below(500) as u32,
            };
            let arguments = dice.arguments();
            let answer = run(&program, arch.audit(), number, arguments).0;
            let wanted = decide(profile, arch, number, arguments);
            let name = arch.name(number).unwrap_or("?");
            let call = format!("profile {index}, {arch:?} {name} ({number}) {arguments:x?}");
            assert_eq!(answer, wanted.answer(), "{call}: {answer:#x}, not {wanted:?}");
        }
    }
}

#[test]
fn the_default_program_is_short() {
    let program = compile(&default_profile(default_set()));
    assert!(program.len() < MOST / 4, "{} instructions", program.len());
    let arch = Arch::OURS[0];
    let most = (0..arch.end()).map(|number| run(&program, arch.audit(), number, [0; 6]).1).max();
    let began = std::time::Instant::now();
    for _ in 0..100 {
        std::hint::black_box(compile(&default_profile(default_set())));
    }
    let micros = began.elapsed().as_micros() / 100;
    println!("{} instructions, at most {most:?} of them for a call, made in {micros} us", program.len());
    assert!(most < Some(40), "{most:?} instructions for one call");
}

#[test]
fn every_error_has_a_hint() {
    use stepbox::kernel::{Errno, Op, hint::hint};
    let filter = Op::Seccomp { program: Vec::new(), flags: 0 };
    for (op, errno, word) in [
        (&filter, Errno::ACCESS, "no-new-privileges"),
        (&filter, Errno::INVAL, "seccomp=unconfined"),
        (&filter, Errno::NOSYS, "seccomp=unconfined"),
        (&Op::capset(u64::MAX), Errno::PERM, "--cap-add"),
    ] {
        let said = hint(op, errno).unwrap_or("NO HINT");
        assert!(said.contains(word), "{op} {errno}: {said}");
    }
}
