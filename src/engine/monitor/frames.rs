//! Frames: what a monitor and those who are attached to its container say to each other.
//!
//! ```text
//!   client                                    monitor
//!   Hello { stdin, stdout, stderr } ───────>
//!   Stdin(bytes) ──────────────────────────>  to the program
//!   Resize { rows, columns }, Signal(n) ───>
//!                    <────────────────────── Stdout(bytes), Stderr(bytes)
//!                    <────────────────────── Exit(code)      the last one
//! ```
//!
//! A frame has the header of Docker's attach stream: a kind, three zeros, the length of what follows as 32 bits, the
//! highest first. See "Attach to a container" of Docker's Engine API.

/// The longest frame that is accepted, in bytes.
pub const LONGEST: usize = 64 * 1024;
const HEADER: usize = 8;

/// One thing that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// typed; empty at its end
    Stdin(Vec<u8>),
    /// printed
    Stdout(Vec<u8>),
    /// printed as an error
    Stderr(Vec<u8>),
    /// the program has ended with this code
    Exit(i32),
    /// what a client wants to be part of
    Hello {
        /// it types
        stdin: bool,
        /// it reads what is printed
        stdout: bool,
        /// it reads errors
        stderr: bool,
    },
    /// the client's window
    Resize {
        /// in characters
        rows: u16,
        /// in characters
        columns: u16,
    },
    /// a signal for the program
    Signal(i32),
}

/// Bytes that are no frame: the other side is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of kind {kind} and {length} bytes makes no sense")]
pub struct Garbled {
    /// its first byte
    pub kind: u8,
    /// its length
    pub length: usize,
}

impl Frame {
    /// Appends the frame to what is to be sent.
    pub fn put(&self, into: &mut impl Extend<u8>) {
        let numbers;
        let (kind, body): (u8, &[u8]) = match self {
            Frame::Stdin(bytes) => (0, bytes),
            Frame::Stdout(bytes) => (1, bytes),
            Frame::Stderr(bytes) => (2, bytes),
            Frame::Exit(code) => {
                numbers = code.to_be_bytes();
                (4, &numbers)
            }
            Frame::Hello { stdin, stdout, stderr } => {
                numbers = [u8::from(*stdin), u8::from(*stdout), u8::from(*stderr), 0];
                (5, &numbers)
            }
            Frame::Resize { rows, columns } => {
                let (rows, columns) = (rows.to_be_bytes(), columns.to_be_bytes());
                numbers = [rows[0], rows[1], columns[0], columns[1]];
                (6, &numbers)
            }
            Frame::Signal(signal) => {
                numbers = signal.to_be_bytes();
                (7, &numbers)
            }
        };
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        into.extend([kind, 0, 0, 0].into_iter().chain(length));
        into.extend(body.iter().copied());
    }

    /// Takes the first frame off what has come; none until it is whole.
    ///
    /// # Errors
    /// [`Garbled`].
    pub fn take(from: &mut Vec<u8>) -> Result<Option<Frame>, Garbled> {
        let Some(header) = from.get(..HEADER) else { return Ok(None) };
        let kind = header[0];
        let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let garbled = Garbled { kind, length };
        if length > LONGEST || kind > 7 || kind == 3 || kind > 3 && length != 4 {
            return Err(garbled);
        }
        if from.len() < HEADER + length {
            return Ok(None);
        }
        let body = from[HEADER..HEADER + length].to_vec();
        from.drain(..HEADER + length);
        let number = || body[..].try_into().map(i32::from_be_bytes).map_err(|_| garbled);
        Ok(Some(match kind {
            0 => Frame::Stdin(body),
            1 => Frame::Stdout(body),
            2 => Frame::Stderr(body),
            4 => Frame::Exit(number()?),
            5 => Frame::Hello { stdin: body[0] != 0, stdout: body[1] != 0, stderr: body[2] != 0 },
            6 => Frame::Resize {
                rows: u16::from_be_bytes([body[0], body[1]]),
                columns: u16::from_be_bytes([body[2], body[3]]),
            },
            _ => Frame::Signal(number()?),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_taken() {
        let frames = [
            Frame::Hello { stdin: true, stdout: false, stderr: true },
            Frame::Stdin(b"typed".to_vec()),
            Frame::Stdin(Vec::new()),
            Frame::Resize { rows: 300, columns: 80 },
            Frame::Signal(15),
            Frame::Stdout(vec![b'x'; LONGEST]),
            Frame::Stderr(b"oh".to_vec()),
            Frame::Exit(-1),
        ];
        let mut sent = Vec::new();
        frames.iter().for_each(|frame| frame.put(&mut sent));
        let (mut come, mut taken) = (Vec::new(), Vec::new());
        for byte in sent {
            come.push(byte);
            taken.extend(Frame::take(&mut come).expect("no garbage"));
        }
        assert_eq!((taken.as_slice(), come.len()), (&frames[..], 0));
    }

    #[test]
    fn garbage_is_refused_before_it_is_whole() {
        for (bytes, kind, length) in [
            ([9, 0, 0, 0, 0, 0, 0, 1], 9, 1),
            ([0, 0, 0, 0, 0xff, 0, 0, 0], 0, 0xff00_0000),
            ([7, 0, 0, 0, 0, 0, 0, 5], 7, 5),
            ([3, 0, 0, 0, 0, 0, 0, 0], 3, 0),
        ] {
            assert_eq!(Frame::take(&mut bytes.to_vec()), Err(Garbled { kind, length }));
        }
    }
}
