//! Writing a layer archive: entries in, tar bytes out, the same bytes for the same entries.
//!
//! ```text
//!   Entry ─> does all of it fit a ustar header?  yes ─> [header] data
//!                                                no  ─> [x header: only what does not fit, keys sorted] [header] data
//! ```
//!
//! See POSIX pax and tar(5). Labs 13-union-image and 14-commit, tutorials/14-commit.md.

use super::entry::{Entry, Kind};
use super::{numbers, pax};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use tar::Header;

const BLOCK: usize = 512;
const NAME: usize = 100;
const BUFFER: usize = 128 * 1024;

/// A tar archive that is being written.
pub struct Tape<W: Write> {
    out: W,
    buffer: Box<[u8]>,
}

impl<W: Write> Tape<W> {
    /// Writes to this writer.
    pub fn new(out: W) -> Tape<W> {
        Tape { out, buffer: vec![0; BUFFER].into_boxed_slice() }
    }

    /// Writes an entry; of a regular file exactly [`Entry::size`] bytes are taken from `data`.
    ///
    /// # Errors
    /// What the writer or the data answers; `UnexpectedEof` where the data is too short.
    pub fn append(&mut self, entry: &Entry, data: impl Read) -> io::Result<()> {
        let mut header = Header::new_ustar();
        let records = fill(&mut header, entry);
        if !records.is_empty() {
            self.extension(&records)?;
        }
        header.set_cksum();
        self.out.write_all(header.as_bytes())?;
        if entry.kind == Kind::File {
            self.data(entry.size, data)?;
        }
        Ok(())
    }

    /// Writes the end marker and gives the writer back.
    ///
    /// # Errors
    /// What the writer answers.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }

    fn extension(&mut self, records: &BTreeMap<Vec<u8>, Vec<u8>>) -> io::Result<()> {
        let mut data = Vec::new();
        for (key, value) in records {
            pax::push(&mut data, key, value);
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        put_name(&mut header, b"pax");
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.out.write_all(header.as_bytes())?;
        self.data(data.len() as u64, data.as_slice())
    }

    fn data(&mut self, size: u64, data: impl Read) -> io::Result<()> {
        let mut data = data.take(size);
        let mut left = size;
        while left > 0 {
            match data.read(&mut self.buffer) {
                Ok(0) => {
                    let found = format!("{} bytes of {size}", size - left);
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, found));
                }
                Ok(count) => {
                    self.out.write_all(&self.buffer[..count])?;
                    left -= count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        self.out.write_all(&[0; BLOCK][..padding as usize])
    }
}

/// Fills the header; returns the records for what does not fit.
fn fill(header: &mut Header, entry: &Entry) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut records = BTreeMap::new();
    let mut name = entry.name.clone();
    if entry.kind == Kind::Directory && !name.ends_with(b"/") {
        name.push(b'/');
    }
    if name.len() > NAME {
        records.insert(b"path".to_vec(), name.clone());
    }
    if entry.link.len() > NAME {
        records.insert(b"linkpath".to_vec(), entry.link.clone());
    }
    put_name(header, &name);
    let old = header.as_old_mut();
    let fits = entry.link.len().min(NAME);
    old.linkname[..fits].copy_from_slice(&entry.link[..fits]);
    old.linkflag[0] = match entry.kind {
        Kind::File => b'0',
        Kind::HardLink => b'1',
        Kind::Symlink => b'2',
        Kind::Character => b'3',
        Kind::Block => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    };
    let size = if entry.kind == Kind::File { entry.size } else { 0 };
    let seconds = u64::try_from(entry.mtime.seconds).ok();
    let mut number = |key: &[u8], field: &mut [u8], number: u64| {
        if !numbers::put(field, number) {
            records.insert(key.to_vec(), number.to_string().into_bytes());
        }
    };
    number(b"size", &mut old.size, size);
    number(b"uid", &mut old.uid, u64::from(entry.uid));
    number(b"gid", &mut old.gid, u64::from(entry.gid));
    number(b"mtime", &mut old.mtime, seconds.unwrap_or(u64::MAX));
    numbers::put(&mut old.mode, u64::from(entry.mode & 0o7777));
    if records.contains_key(&b"mtime"[..]) || entry.mtime.nanos != 0 {
        records.insert(b"mtime".to_vec(), pax::stamp_text(entry.mtime).into_bytes());
    }
    if let Some(ustar) = header.as_ustar_mut() {
        numbers::put(&mut ustar.dev_major, u64::from(entry.device.0));
        numbers::put(&mut ustar.dev_minor, u64::from(entry.device.1));
    }
    for (name, value) in &entry.xattrs {
        records.insert([pax::XATTR, name].concat(), value.clone());
    }
    records
}

fn put_name(header: &mut Header, name: &[u8]) {
    let fits = name.len().min(NAME);
    header.as_old_mut().name[..fits].copy_from_slice(&name[..fits]);
}
