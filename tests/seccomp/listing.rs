//! The disassembler: what it prints can be read back, and says of each call what the program does with it.

use stepbox::kernel::bpf::{AND, AT_LEAST, EQUAL, GREATER, Instruction, JUMP, LOAD, RETURN};
use stepbox::privilege::default_set;
use stepbox::privilege::seccomp::{
    Action, Arch, Compare, Condition, Profile, Rule, compile, default_profile, disassemble,
};

use super::{Dice, everywhere};

/// A number as the listing has it.
fn number(text: &str) -> u32 {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).expect("a number"),
        None => text.parse().expect("a number"),
    }
}

/// The second column, read as an assembler would.
fn assemble(line: &str) -> Instruction {
    let (at, rest) = line.split_once(": ").expect("a label");
    let at =
        number(at.trim_start_matches('0').split(' ').next().filter(|text| !text.is_empty()).unwrap_or("0"));
    let mut words = rest.split([' ', ',']).filter(|word| !word.is_empty());
    let name = words.next().expect("a name");
    let mut operand = || words.next().expect("an operand").trim_matches(['#', '[', ']']);
    let k = match name {
        "ja" => number(operand().trim_start_matches('0')) - at - 1,
        _ => number(operand()),
    };
    let code = match name {
        "ld" => LOAD,
        "and" => AND,
        "ja" => JUMP,
        "jeq" => EQUAL,
        "jgt" => GREATER,
        "jge" => AT_LEAST,
        "ret" => RETURN,
        other => panic!("{other} in {line}"),
    };
    let mut jump = || (number(operand().trim_start_matches('0')) - at - 1) as u8;
    let (jt, jf) = if name.starts_with('j') && name != "ja" { (jump(), jump()) } else { (0, 0) };
    Instruction { code, jt, jf, k }
}

#[test]
fn what_is_printed_can_be_read_back() {
    let mut dice = Dice(0xd15a);
    let mut profiles = [0, default_set(), u64::MAX].map(|set| everywhere(default_profile(set))).to_vec();
    for _ in 0..20 {
        let rules = (0..dice.below(30)).map(|_| dice.rule()).collect();
        profiles.push(everywhere(Profile { rules, ..Profile::default() }));
    }
    for profile in profiles {
        let program = compile(&profile);
        let lines = disassemble(&program);
        let again: Vec<Instruction> = lines.iter().map(|line| assemble(line)).collect();
        assert_eq!(again, program);
        for line in &lines {
            assert!(!line.contains("no instruction") && !line.contains("never reached"), "{line}");
        }
    }
}

#[test]
fn each_line_says_what_it_asks() {
    let rule = |call: &'static str, conditions, action| Rule { calls: vec![call.into()], conditions, action };
    let user = Condition { argument: 0, compare: Compare::MaskedEq { mask: 1 << 28, value: 1 << 28 } };
    let profile = Profile {
        rules: vec![
            rule("mount", Vec::new(), Action::Errno(libc::EPERM as u16)),
            rule("unshare", vec![user], Action::KillProcess),
        ],
        arches: vec![Arch::X86_64],
        ..Profile::default()
    };
    let listing = disassemble(&compile(&profile)).join("\n");
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("seccomp__listing", listing);
    });
}
