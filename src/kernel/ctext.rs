//! Text as the kernel takes it: bytes that end in NUL, ready before the clone, so that the child need not allocate.

use std::ffi::{CStr, CString, OsStr};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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

    /// The text with [`BOX`] replaced by the box's process id.
    pub fn resolve(&self, box_pid: Option<i32>) -> std::borrow::Cow<'_, CText> {
        match (box_pid, self.0.to_str()) {
            (Some(pid), Ok(text)) if text.contains(BOX) => {
                std::borrow::Cow::Owned(text.replace(BOX, &pid.to_string()).into())
            }
            _ => std::borrow::Cow::Borrowed(self),
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
