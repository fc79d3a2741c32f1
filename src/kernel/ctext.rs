//! Text as the kernel takes it: bytes that end in NUL, ready before the clone, so that the child need not allocate.

use std::ffi::{CStr, CString, OsStr};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Stands for the box's process id wherever a path or a text is written before the box exists.
pub const BOX: &str = "[BOX]";

/// A NUL-terminated path, name or argument.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct CText(CString);

impl CText {
    /// The text with its NUL, as system calls take it.
    pub fn as_c_str(&self) -> &CStr {
        &self.0
    }

    /// The text as a path.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.0.as_bytes()))
    }

    /// The text with [`BOX`] replaced by the box's process id, in a room on the stack: the box may not allocate.
    /// ENAMETOOLONG where the room is too small.
    pub fn resolve<'a>(&'a self, box_pid: Option<i32>, room: &'a mut Room) -> rustix::io::Result<&'a CStr> {
        let text = self.0.as_bytes();
        match box_pid {
            Some(pid) if next_box(text).is_some() => {
                let mut length = 0;
                for_each_piece(text, pid, |piece| {
                    let place = room.0.get_mut(length..length + piece.len()).ok_or(Errno::NAMETOOLONG)?;
                    place.copy_from_slice(piece);
                    length += piece.len();
                    Ok(())
                })?;
                *room.0.get_mut(length).ok_or(Errno::NAMETOOLONG)? = 0;
                CStr::from_bytes_until_nul(&room.0).map_err(|_| Errno::INVAL)
            }
            _ => Ok(&self.0),
        }
    }

    /// The text piece by piece, this process id where [`BOX`] stands. Allocates nothing, however long the text.
    pub(super) fn pieces(
        &self,
        pid: i32,
        take: impl FnMut(&[u8]) -> rustix::io::Result<()>,
    ) -> rustix::io::Result<()> {
        for_each_piece(self.0.as_bytes(), pid, take)
    }
}

/// Where a text is resolved: a path, or a value for a file of /proc.
pub struct Room([u8; ROOM]);

/// The longest path that the kernel takes.
const ROOM: usize = libc::PATH_MAX as usize;

impl Default for Room {
    fn default() -> Room {
        Room([0; ROOM])
    }
}

fn next_box(text: &[u8]) -> Option<usize> {
    text.windows(BOX.len()).position(|window| window == BOX.as_bytes())
}

fn for_each_piece(
    mut text: &[u8],
    pid: i32,
    mut take: impl FnMut(&[u8]) -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    let mut room = [0u8; 10];
    while let Some(at) = next_box(text) {
        take(&text[..at])?;
        take(digits(pid.unsigned_abs(), &mut room))?;
        text = &text[at + BOX.len()..];
    }
    take(text)
}

/// A number in decimal, written where there is no heap to format on.
pub(crate) fn digits(mut number: u32, room: &mut [u8; 10]) -> &[u8] {
    let mut first = room.len();
    loop {
        first -= 1;
        room[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &room[first..];
        }
    }
}

/// # Panics
/// If the text holds a NUL byte. Arguments of a process cannot hold one, and what comes out of files is checked
/// where it is read, so this is a mistake in our code.
impl<T: AsRef<OsStr>> From<T> for CText {
    fn from(text: T) -> CText {
        CText(CString::new(text.as_ref().as_bytes()).expect("text for the kernel holds no NUL byte"))
    }
}

/// Quoted and escaped as strace does it.
impl fmt::Display for CText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        quote(f, self.0.as_bytes())
    }
}

impl fmt::Debug for CText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes bytes between quotation marks, control characters and quotation marks escaped.
pub fn quote(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str("\"")?;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_control() => write!(f, "\\{:o}", c as u32)?,
                c => write!(f, "{c}")?,
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\{byte:o}")?;
        }
    }
    f.write_str("\"")
}

/// A JSON string where the text is UTF-8, else an array of bytes: a journal must give back every path exactly.
impl Serialize for CText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => self.0.as_bytes().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for CText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CText, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Bytes(Vec<u8>),
        }
        let bytes = match Either::deserialize(deserializer)? {
            Either::Text(text) => text.into_bytes(),
            Either::Bytes(bytes) => bytes,
        };
        CString::new(bytes).map(CText).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_is_named_where_its_mark_stands() {
        let mut room = Room::default();
        let text = CText::from("/proc/[BOX]/ns/[BOX]");
        assert_eq!(text.resolve(Some(4711), &mut room), Ok(c"/proc/4711/ns/4711"));
        assert_eq!(text.resolve(None, &mut room), Ok(c"/proc/[BOX]/ns/[BOX]"));
        let long = CText::from(format!("{}[BOX]", "x".repeat(ROOM - 2)));
        assert_eq!(long.resolve(Some(12), &mut room), Err(Errno::NAMETOOLONG));
        let mut whole = Vec::new();
        let taken = long.pieces(0, |piece| {
            whole.extend_from_slice(piece);
            Ok(())
        });
        assert!(taken.is_ok() && whole.ends_with(b"x0") && whole.len() == ROOM - 1);
    }
}
