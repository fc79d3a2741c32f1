//! A log of `strace -f -o FILE`, line by line, and the parts of an argument list.

/// One system call of a log.
#[derive(Debug, Clone)]
pub struct Call {
    /// the process, as strace numbers it
    pub pid: u32,
    /// the call's name
    pub name: String,
    /// everything between its parentheses
    pub arguments: String,
    /// what follows the equals sign; `?` where it never returned
    pub result: String,
}

/// Reads a log of `strace -f -o`. A call that others interrupted stands where it began.
pub fn read(log: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for line in log.lines() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let (Ok(pid), rest) = (pid.parse::<u32>(), rest.trim_start()) else { continue };
        if let Some(rest) = rest.strip_prefix("<... ") {
            let Some((name, rest)) = rest.split_once(" resumed>") else { continue };
            let open = |call: &&mut Call| call.pid == pid && call.name == name && call.result == "?";
            if let Some(call) = calls.iter_mut().rev().find(open) {
                let (arguments, result) = answer(rest);
                call.arguments.push_str(arguments);
                call.result = result.into();
            }
            continue;
        }
        let Some((name, rest)) = rest.split_once('(') else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let (arguments, result) = match rest.strip_suffix(" <unfinished ...>") {
            Some(arguments) => (arguments, "?"),
            None => answer(rest),
        };
        calls.push(Call { pid, name: name.into(), arguments: arguments.into(), result: result.into() });
    }
    calls
}

/// `…)   = 0` into what stands before the parenthesis and what follows the equals sign.
fn answer(text: &str) -> (&str, &str) {
    let Some((arguments, result)) = text.rsplit_once(" = ") else { return (text, "?") };
    let arguments = arguments.trim_end();
    (arguments.strip_suffix(')').unwrap_or(arguments), result)
}

/// The quoted strings of an argument list, their escapes undone. One that was cut short ends in `\0...`.
pub fn strings(arguments: &str) -> Vec<Vec<u8>> {
    let (mut found, mut bytes) = (Vec::new(), arguments.bytes().peekable());
    while let Some(byte) = bytes.next() {
        if byte != b'"' {
            continue;
        }
        let mut text = Vec::new();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => break,
                b'\\' => match bytes.next() {
                    Some(b'n') => text.push(b'\n'),
                    Some(b't') => text.push(b'\t'),
                    Some(b'r') => text.push(b'\r'),
                    Some(b'v') => text.push(0x0b),
                    Some(b'f') => text.push(0x0c),
                    Some(b'x') => {
                        let digit =
                            |byte: Option<u8>| (byte.unwrap_or(b'0') as char).to_digit(16).unwrap_or(0);
                        let (high, low) = (digit(bytes.next()), digit(bytes.next()));
                        text.push((high * 16 + low) as u8);
                    }
                    Some(first @ b'0'..=b'7') => {
                        let mut number = u32::from(first - b'0');
                        for _ in 0..2 {
                            let Some(digit) = bytes.next_if(|byte| (b'0'..=b'7').contains(byte)) else {
                                break;
                            };
                            number = number * 8 + u32::from(digit - b'0');
                        }
                        text.push(number as u8);
                    }
                    Some(other) => text.push(other),
                    None => {}
                },
                byte => text.push(byte),
            }
        }
        if bytes.peek() == Some(&b'.') {
            text.extend(b"\0...");
        }
        found.push(text);
    }
    found
}

/// The words in capitals outside quotation marks: flags, as strace decodes them.
pub fn flags(arguments: &str) -> Vec<&str> {
    let outside = arguments.split('"').step_by(2);
    let words = outside.flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    let is_flag = |word: &&str| {
        word.len() > 3
            // strace prints it only for the calls that begin at a descriptor
            && *word != "AT_FDCWD"
            && word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.bytes().all(|byte| !byte.is_ascii_lowercase())
    };
    words.filter(is_flag).collect()
}

/// The numbers outside quotation marks.
pub fn numbers(arguments: &str) -> Vec<&str> {
    let words = arguments.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).collect()
}
