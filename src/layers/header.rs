//! From a tar header and its extensions to an entry.
//!
//! ```text
//!   header     name   link   size   uid gid   mode mtime device type
//!   L, K       name   link                                               GNU long names win over both
//!   x (PAX)    name   link   size   uid gid        mtime         xattrs  win over the header
//! ```
//!
//! Where readers of tar disagree (which of two sizes counts, whether a directory has data), this one decides as
//! Docker's does: an archive must not mean one thing to a scanner and another to the engine.
//!
//! See tar(5). Lab 13-union-image, tutorials/13-union-image.md.

use super::entry::{Entry, Kind, Stamp};
use super::error::Refusal;
use super::{numbers, pax, printable, sparse};
use tar::Header;

/// What came before a header and speaks of it.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    /// GNU long name
    pub(super) name: Option<Vec<u8>>,
    /// GNU long link target
    pub(super) link: Option<Vec<u8>>,
    /// the data of a PAX extension
    pub(super) pax: Vec<u8>,
}

impl Extensions {
    /// Whether anything was announced.
    pub(super) fn any(&self) -> bool {
        self.name.is_some() || self.link.is_some() || !self.pax.is_empty()
    }
}

/// How the data of an entry is stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// from the first byte to the last
    Whole,
    /// old GNU: the map is in the header and in the blocks that follow it
    Gnu,
    /// PAX 0.x: the map was in the records
    Mapped(sparse::Extents),
    /// PAX 1.0: the map is at the head of the data
    Lines,
}

/// An entry, and what is stored for it in the archive.
pub(super) struct Draft {
    pub(super) entry: Entry,
    /// bytes of data behind the header
    pub(super) stored: u64,
    pub(super) storage: Storage,
}

/// The data size that the header itself claims.
pub(super) fn size(header: &Header) -> Option<u64> {
    numbers::unsigned(&header.as_old().size)
}

/// Whether the header's checksum is right, summed unsigned or, as some old writers did, signed.
pub(super) fn checksum_holds(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let blank = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { b' ' } else { *byte };
    let (unsigned, signed) =
        bytes.iter().enumerate().map(blank).fold((0_i64, 0_i64), |(plain, signed), byte| {
            (plain + i64::from(byte), signed + i64::from(byte as i8))
        });
    numbers::field(&header.as_old().cksum).is_some_and(|sum| sum == unsigned || sum == signed)
}

impl Draft {
    /// Reads the header, then lets the extensions overrule it.
    pub(super) fn read(header: &Header, extensions: &Extensions) -> Result<Draft, (Vec<u8>, Refusal)> {
        let mut draft = Draft::plain(header);
        let records = pax::parse(&extensions.pax);
        let name = |draft: &Draft, refusal| (draft.entry.name.clone(), refusal);
        draft.entry.name = extensions.name.clone().unwrap_or_else(|| header.path_bytes().into_owned());
        let read = match &records {
            None => Err(Refusal::Field("PAX extension")),
            Some(records) => draft.overrule(records),
        };
        if let Some(long) = &extensions.name {
            draft.entry.name.clone_from(long);
        }
        if let Some(long) = &extensions.link {
            draft.entry.link.clone_from(long);
        }
        read.and_then(|()| draft.numbers(header)).map_err(|why| name(&draft, why))?;
        draft.kind(header).map_err(|why| name(&draft, why))?;
        Ok(draft)
    }

    fn plain(header: &Header) -> Draft {
        let mut entry = Entry::new(Vec::new(), Kind::File, 0);
        entry.link = header.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default();
        // filled from the header later, where no record has: a field that a record replaces may hold rubbish
        (entry.uid, entry.gid, entry.mtime) = (u32::MAX, u32::MAX, Stamp { seconds: 0, nanos: u32::MAX });
        Draft { entry, stored: u64::MAX, storage: Storage::Whole }
    }

    fn overrule(&mut self, records: &[(&[u8], &[u8])]) -> Result<(), Refusal> {
        let id = |value: &[u8]| pax::number(value).and_then(|id| u32::try_from(id).ok());
        let (mut offset, mut pairs, mut real, mut major) = (None, Vec::new(), None, false);
        let mut name = None;
        // an empty value means "no such record", but for attributes, which may be empty
        let meant = |(key, value): &&(&[u8], &[u8])| !value.is_empty() || key.starts_with(pax::XATTR);
        for (key, value) in records.iter().filter(meant) {
            let number = || pax::number(value).ok_or(Refusal::Field("sparse map"));
            match *key {
                b"path" => self.entry.name = value.to_vec(),
                b"linkpath" => self.entry.link = value.to_vec(),
                b"size" => self.stored = pax::number(value).ok_or(Refusal::Field("PAX size"))?,
                b"uid" => self.entry.uid = id(value).ok_or(Refusal::Field("PAX uid"))?,
                b"gid" => self.entry.gid = id(value).ok_or(Refusal::Field("PAX gid"))?,
                b"mtime" => self.entry.mtime = pax::stamp(value).ok_or(Refusal::Field("PAX mtime"))?,
                b"GNU.sparse.name" => name = Some(value.to_vec()),
                b"GNU.sparse.realsize" | b"GNU.sparse.size" => real = Some(number()?),
                b"GNU.sparse.major" => major = *value == b"1",
                b"GNU.sparse.offset" => offset = Some(number()?),
                b"GNU.sparse.numbytes" => pairs.push((offset.take().unwrap_or(0), number()?)),
                b"GNU.sparse.map" => {
                    pairs = sparse::commas(value).ok_or(Refusal::Field("sparse map"))?;
                }
                _ => self.xattr(key, value)?,
            }
        }
        if let Some(real) = real {
            self.entry.size = real;
            self.entry.name = name.unwrap_or(std::mem::take(&mut self.entry.name));
            self.storage = if major { Storage::Lines } else { Storage::Mapped(pairs) };
        }
        Ok(())
    }

    fn xattr(&mut self, key: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let Some(name) = key.strip_prefix(pax::XATTR) else { return Ok(()) };
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
            return Err(Refusal::OverlayXattr(printable(name)));
        }
        if name.is_empty() || name.contains(&0) {
            return Err(Refusal::Field("attribute name"));
        }
        self.entry.xattrs.retain(|(known, _)| known != name);
        self.entry.xattrs.push((name.to_vec(), value.to_vec()));
        Ok(())
    }

    fn numbers(&mut self, header: &Header) -> Result<(), Refusal> {
        let old = header.as_old();
        let id = |known: u32, field: &[u8], what| match known {
            // the kernel reads an owner of -1 as "leave it"
            u32::MAX => numbers::unsigned(field)
                .and_then(|id| u32::try_from(id).ok())
                .filter(|id| *id != u32::MAX)
                .ok_or(Refusal::Field(what)),
            known => Ok(known),
        };
        self.entry.uid = id(self.entry.uid, &old.uid, "uid")?;
        self.entry.gid = id(self.entry.gid, &old.gid, "gid")?;
        let mode = numbers::unsigned(&old.mode).ok_or(Refusal::Field("mode"))?;
        self.entry.mode = (mode & 0o7777) as u32;
        if self.stored == u64::MAX {
            self.stored = size(header).ok_or(Refusal::Field("size"))?;
        }
        if self.entry.mtime.nanos == u32::MAX {
            let seconds = numbers::field(&old.mtime).ok_or(Refusal::Field("mtime"))?;
            self.entry.mtime = Stamp { seconds, nanos: 0 };
        }
        Ok(())
    }

    fn kind(&mut self, header: &Header) -> Result<(), Refusal> {
        self.entry.kind = match header.as_old().linkflag[0] {
            // before POSIX a directory was a file whose name ends in a slash
            b'0' | 0 | b'7' if self.entry.name.ends_with(b"/") => Kind::Directory,
            b'0' | 0 | b'7' => Kind::File,
            b'S' => {
                let real = header.as_gnu().and_then(|gnu| numbers::unsigned(&gnu.realsize));
                self.entry.size = real.ok_or(Refusal::Field("sparse size"))?;
                self.storage = Storage::Gnu;
                Kind::File
            }
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::Character,
            b'4' => Kind::Block,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => return Err(Refusal::Type(printable(&[other]))),
        };
        match (self.entry.kind, &self.storage) {
            (Kind::File, Storage::Whole) => self.entry.size = self.stored,
            (Kind::File, _) => {}
            // what is no file has no data, whatever its size claims
            _ => (self.stored, self.entry.size, self.storage) = (0, 0, Storage::Whole),
        }
        if matches!(self.entry.kind, Kind::Character | Kind::Block) {
            self.entry.device = device(header).ok_or(Refusal::Field("device number"))?;
        }
        let links = matches!(self.entry.kind, Kind::Symlink | Kind::HardLink);
        if links && self.entry.link.is_empty() {
            return Err(Refusal::NoTarget);
        }
        let nul = |name: &[u8]| name.contains(&0);
        if nul(&self.entry.name) || nul(&self.entry.link) { Err(Refusal::Nul) } else { Ok(()) }
    }
}

fn device(header: &Header) -> Option<(u32, u32)> {
    // the fields stand in the same place in both formats, and nowhere in the oldest
    let bytes = header.as_bytes();
    let number = |from: usize| numbers::unsigned(&bytes[from..from + 8]);
    let known = header.as_ustar().is_some() || header.as_gnu().is_some();
    let (major, minor) = if known { (number(329)?, number(337)?) } else { (0, 0) };
    // what mknod(2) can pass: 12 bits and 20 bits
    (major < 1 << 12 && minor < 1 << 20).then_some((major as u32, minor as u32))
}
