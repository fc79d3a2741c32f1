//! Keys: those that detach a terminal from its container, among all that are typed.
//!
//! ```text
//!   typed    l s ↵ ^P          ^P ^Q
//!   sent     l s ↵    ^P held      ──> detached, nothing sent
//! ```
//!
//! See docs.docker.com, "docker attach", override the detach sequence.

use std::str::FromStr;

/// A sequence of keys, and how much of it was typed just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachKeys {
    keys: Vec<u8>,
    held: Vec<u8>,
}

/// What is said of the keys; nothing said leaves them as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted(pub Option<DetachKeys>);

impl FromStr for Wanted {
    type Err = InvalidKeys;

    fn from_str(text: &str) -> Result<Wanted, InvalidKeys> {
        Ok(Wanted(if text.is_empty() { None } else { Some(text.parse()?) }))
    }
}

/// No sequence of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Invalid detach keys ({0}) provided: keys with commas between them, each one character, DEL, or ctrl- and one of a-z @ [ \\ ] ^ _"
)]
pub struct InvalidKeys(String);

/// Ctrl-P Ctrl-Q.
impl Default for DetachKeys {
    fn default() -> DetachKeys {
        DetachKeys { keys: vec![16, 17], held: Vec::new() }
    }
}

impl FromStr for DetachKeys {
    type Err = InvalidKeys;

    fn from_str(text: &str) -> Result<DetachKeys, InvalidKeys> {
        let keys: Option<Vec<u8>> = text.split(',').map(key).collect();
        Ok(DetachKeys { keys: keys.ok_or_else(|| InvalidKeys(text.into()))?, held: Vec::new() })
    }
}

fn key(text: &str) -> Option<u8> {
    match (text.as_bytes(), text.strip_prefix("ctrl-").map(str::as_bytes)) {
        (b"DEL", _) => Some(127),
        ([one], _) => Some(*one),
        // a control character is its letter without the two highest bits: ascii(7)
        (_, Some([letter @ (b'a'..=b'z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_')])) => Some(letter & 31),
        _ => None,
    }
}

impl DetachKeys {
    /// Takes what was typed. What is to be sent comes back, and whether the last of the keys was among it.
    pub fn typed(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut send = Vec::new();
        for byte in bytes {
            self.held.push(*byte);
            while !self.keys.starts_with(&self.held) {
                send.push(self.held.remove(0));
            }
            if self.held == self.keys {
                self.held.clear();
                return (send, true);
            }
        }
        (send, false)
    }

    /// What was held and will not become the sequence any more.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_docker_reads_them() {
        for (text, keys) in [
            ("ctrl-p,ctrl-q", &[16, 17][..]),
            ("a", b"a"),
            ("ctrl-a,b", b"\x01b"),
            ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,ctrl-z,DEL", &[0, 27, 28, 29, 30, 31, 26, 127]),
        ] {
            assert_eq!(text.parse::<DetachKeys>().map(|found| found.keys), Ok(keys.to_vec()), "{text}");
        }
        assert_eq!("".parse(), Ok(Wanted(None)));
        for text in ["", "ab", "ctrl-A", "ctrl-", "ctrl-1", ",", "a,", "é"] {
            assert_eq!(text.parse::<DetachKeys>(), Err(InvalidKeys(text.into())));
        }
    }

    #[test]
    fn what_is_no_sequence_is_sent() {
        let mut keys = DetachKeys::default();
        assert_eq!(keys.typed(b"ls\n\x10"), (b"ls\n".to_vec(), false));
        assert_eq!(keys.typed(b"x"), (b"\x10x".to_vec(), false));
        assert_eq!(keys.typed(b"\x10\x10"), (b"\x10".to_vec(), false));
        assert_eq!(keys.typed(b"\x11never sent"), (Vec::new(), true));
        assert_eq!(keys.typed(b"\x10"), (Vec::new(), false));
        assert_eq!(keys.rest(), b"\x10");
        let mut keys: DetachKeys = "a,a,b".parse().expect("keys");
        assert_eq!(keys.typed(b"aaab"), (b"a".to_vec(), true));
    }
}
