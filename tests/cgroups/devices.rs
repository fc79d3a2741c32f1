//! Lists of devices: what rules come to, how one list becomes another, and that a program says the same as its list.

use stepbox::cgroups::device_filter;
use stepbox::cgroups::devices::{self, List, Rule};
use stepbox::kernel::ebpf::{self, Instruction};

fn list(json: &str) -> List {
    let rules: Vec<Rule> = serde_json::from_str(json).expect("rules as config.json has them");
    List::of(&rules).expect("rules that can be had")
}

fn changes(from: &List, to: &List) -> String {
    let line = |(allow, what): &(bool, String)| format!("{} {what}\n", if *allow { "allow" } else { "deny" });
    from.towards(to).iter().map(line).collect()
}

#[test]
fn the_default() {
    let fresh = List::parse("a *:* rwm\n");
    insta::assert_snapshot!(changes(&fresh, &List::of(&devices::default()).expect("the default")), @r"
    deny a *:* rwm
    allow b *:* m
    allow c *:* m
    allow c 1:3 rwm
    allow c 1:5 rwm
    allow c 1:7 rwm
    allow c 1:8 rwm
    allow c 1:9 rwm
    allow c 5:0 rwm
    allow c 5:1 rwm
    allow c 5:2 rwm
    allow c 136:* rwm
    ");
    assert_eq!(changes(&fresh, &List::of(&devices::all()).expect("everything")), "allow a *:* rwm\n");
}

#[test]
fn rules_for_everything_start_afresh_and_others_add_up() {
    let come_to = |json| changes(&List::parse("a *:* rwm"), &list(json));
    let again = r#"[{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "r"},
                    {"allow": true, "access": "rwm"}, {"allow": false, "access": "rwm"},
                    {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "m"},
                    {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "wr"}]"#;
    assert_eq!(come_to(again), "deny a *:* rwm\nallow c 1:3 rwm\n");
    let taken_back = r#"[{"allow": true, "type": "b", "major": 8, "minor": 0, "access": "rwm"},
                         {"allow": false, "type": "b", "major": 8, "minor": 0, "access": "w"},
                         {"allow": false, "type": "b", "major": 9, "minor": 0, "access": "w"}]"#;
    assert_eq!(come_to(taken_back), "deny a *:* rwm\nallow b 8:0 rm\n");
    let all_but = r#"[{"allow": true, "access": "rwm"}, {"allow": false, "type": "b", "access": "w"}]"#;
    assert_eq!(come_to(all_but), "allow a *:* rwm\ndeny b *:* w\n");
}

#[test]
fn a_change_disturbs_as_little_as_it_can() {
    let before = List::parse("c 1:3 rwm\nc 5:* rw\nb 8:0 r\n");
    let after = list(
        r#"[{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rw"},
            {"allow": true, "type": "c", "major": 5, "access": "rw"},
            {"allow": true, "type": "b", "major": 8, "minor": 0, "access": "rw"}]"#,
    );
    assert_eq!(changes(&before, &after), "deny c 1:3 m\nallow b 8:0 w\n");
    assert_eq!(changes(&after, &after), "");
}

/// The kernel's machine, as far as such a program uses it.
fn run(program: &[Instruction], question: [u32; 3]) -> u32 {
    let mut registers = [0u32; 11];
    let mut at = 0;
    loop {
        let Instruction { code, registers: both, offset, value } = program[at];
        let (to, with) = (usize::from(both & 15), usize::from(both >> 4));
        at += 1;
        let jump = match code {
            ebpf::LOAD => {
                registers[to] = question[usize::try_from(offset).expect("within the question") / 4];
                false
            }
            ebpf::MOVE => {
                registers[to] = value.cast_unsigned();
                false
            }
            ebpf::COPY => {
                registers[to] = registers[with];
                false
            }
            ebpf::AND => {
                registers[to] &= value.cast_unsigned();
                false
            }
            ebpf::SHIFT => {
                registers[to] >>= value;
                false
            }
            ebpf::UNLESS => registers[to] != value.cast_unsigned(),
            ebpf::UNLESS_SAME => registers[to] != registers[with],
            ebpf::EXIT => return registers[0],
            other => panic!("no such instruction: {other:#x}"),
        };
        if jump {
            at += usize::try_from(offset).expect("jumps go forward");
        }
    }
}

/// What devices.rst says of a list: an exception that holds all of the access decides.
fn decide(lines: &str, kind: char, major: u32, minor: u32, access: &str) -> bool {
    let (mut rest, mut answer) = (false, false);
    for line in lines.lines() {
        let fields: Vec<&str> = line.split([' ', ':']).collect();
        let [verb, its_kind, its_major, its_minor, its_access] = fields[..] else { panic!("{line}") };
        if its_kind == "a" {
            (rest, answer) = (verb == "allow", verb == "allow");
            continue;
        }
        let same = |pattern: &str, number: u32| pattern == "*" || pattern == number.to_string();
        let holds = access.chars().all(|letter| its_access.contains(letter));
        if its_kind.starts_with(kind) && same(its_major, major) && same(its_minor, minor) && holds {
            answer = !rest;
        }
    }
    answer
}

#[test]
fn a_program_says_what_its_list_says() {
    let lists = [
        devices::default(),
        devices::all(),
        Vec::new(),
        serde_json::from_str(
            r#"[{"allow": true, "access": "rwm"}, {"allow": false, "type": "b", "access": "w"},
                {"allow": false, "type": "c", "major": 1, "access": "rwm"},
                {"allow": false, "type": "b", "major": 4294967295, "minor": 7, "access": "m"}]"#,
        )
        .expect("rules"),
    ];
    let letters = [("r", 2), ("w", 4), ("m", 1), ("rw", 6), ("rwm", 7)];
    for rules in lists {
        let list = List::of(&rules).expect("rules that can be had");
        let text = changes(&List::parse("a *:* rwm"), &list);
        let program = device_filter(&list);
        for kind in ['b', 'c'] {
            for (major, minor) in [(1, 3), (1, 11), (5, 0), (5, 1), (8, 0), (136, 0), (136, 9), (u32::MAX, 7)]
            {
                for (access, bits) in letters {
                    let question = [bits << 16 | if kind == 'b' { 1 } else { 2 }, major, minor];
                    let expected = decide(&text, kind, major, minor, access);
                    assert_eq!(
                        run(&program, question) == 1,
                        expected,
                        "{kind} {major}:{minor} {access} by\n{text}"
                    );
                }
            }
        }
    }
}
