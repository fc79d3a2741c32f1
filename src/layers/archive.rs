//! Reading a layer archive entry by entry, in one pass, with limits.
//!
//! ```text
//!   512 bytes   header        ─┐
//!   n × 512     data, padded   ├─ an entry; L, K and x entries speak of the one that follows
//!   …                         ─┘
//!   512 zeros   end; what follows is hashed, not read
//! ```
//!
//! The tar crate knows the format's structures; the loop over them is here, because a hostile archive must not
//! choose how much memory a name takes, and because an attribute's value may hold the newline at which that crate
//! cuts. See tar(5). Lab 13-union-image, tutorials/13-union-image.md.

use super::error::{LayerError, Limits};
use super::header::{self, Draft, Extensions, Storage};
use super::sparse::{self, Lines};
use super::stream::{Bytes, Fault, Sums, Tarball, stream};
use super::{Entry, printable};
use std::io;
use tar::Header;

const BLOCK: u64 = 512;

/// Reads an archive, plain or compressed, in one pass: `work` is called once, in a thread of its own, and takes the entries.
///
/// # Errors
/// What `work` answers, and where the archive is broken.
pub fn read<T: Send, E: From<LayerError> + Send>(
    archive: impl io::Read,
    limits: Limits,
    work: impl FnOnce(&mut Archive) -> Result<T, E> + Send,
) -> Result<T, E> {
    summed(archive, limits, work).map(|(done, _)| done)
}

/// The same, and the sums over every byte.
pub(super) fn summed<T: Send, E: From<LayerError> + Send>(
    archive: impl io::Read,
    limits: Limits,
    work: impl FnOnce(&mut Archive) -> Result<T, E> + Send,
) -> Result<(T, Sums), E> {
    let (pump, tarball) = stream(limits);
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().name("archive".to_owned());
        let reader = reader.spawn_scoped(scope, move || {
            let mut archive = Archive::new(tarball, limits);
            let done = work(&mut archive)?;
            Ok((done, archive.finish()?))
        });
        let start = |source| LayerError::Create { entry: ".".to_owned(), call: "clone", source };
        let reader = reader.map_err(start)?;
        pump.run(archive);
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// An archive that is being read.
pub struct Archive<B = Tarball> {
    bytes: B,
    limits: Limits,
    /// the last entry that was read to its end
    good: Option<Vec<u8>>,
    /// the entry whose data is being read
    current: Option<Vec<u8>>,
    /// bytes of its data still to come
    data: u64,
    /// and of its padding
    padding: u64,
    headers: u64,
    total: u64,
}

impl Archive<Tarball> {
    /// Reads to the very end and returns the sums over every byte.
    pub(super) fn finish(mut self) -> Result<Sums, LayerError> {
        self.skip()?;
        self.bytes.finish().map_err(|fault| explain(fault, (None, self.good.as_deref())))
    }
}

impl<B: Bytes> Archive<B> {
    /// Reads these bytes.
    pub(super) fn new(bytes: B, limits: Limits) -> Archive<B> {
        Archive { bytes, limits, good: None, current: None, data: 0, padding: 0, headers: 0, total: 0 }
    }

    /// The next entry; its data is read with [`Archive::piece`].
    ///
    /// # Errors
    /// [`LayerError`], with where in the archive.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, LayerError> {
        self.skip()?;
        let mut extensions = Extensions::default();
        while let Some(header) = self.header()? {
            match header.as_old().linkflag[0] {
                b'L' => extensions.name = Some(until_nul(self.extension(&header)?)),
                b'K' => extensions.link = Some(until_nul(self.extension(&header)?)),
                b'x' | b'X' => extensions.pax = self.extension(&header)?,
                // global records and volume labels say nothing about a layer
                b'g' | b'V' => {
                    let size = self.size(&header)?;
                    self.expect(size)?;
                    self.skip_current()?;
                }
                _ => return self.entry(&header, &extensions).map(Some),
            }
        }
        if extensions.any() { Err(self.broken("an extension has no entry to speak of")) } else { Ok(None) }
    }

    /// The next bytes of the current entry's data; empty at its end.
    ///
    /// # Errors
    /// [`LayerError`], with the entry.
    pub fn piece(&mut self) -> Result<&[u8], LayerError> {
        if self.data == 0 {
            return Ok(&[]);
        }
        let most = usize::try_from(self.data).unwrap_or(usize::MAX);
        let place = (self.current.as_deref(), self.good.as_deref());
        let bytes = self.bytes.fill().map_err(|fault| explain(fault, place))?;
        if bytes.is_empty() {
            return Err(broken(place, io::Error::from(io::ErrorKind::UnexpectedEof)));
        }
        Ok(&bytes[..most.min(bytes.len())])
    }

    /// Marks bytes of the current entry's data as used.
    pub fn consume(&mut self, count: usize) {
        self.bytes.consume(count);
        self.data -= count as u64;
    }

    /// Where its bytes come from; the data of the current entry is next.
    pub(super) fn bytes(&self) -> &B {
        &self.bytes
    }

    fn entry(&mut self, header: &Header, extensions: &Extensions) -> Result<Entry, LayerError> {
        let draft = Draft::read(header, extensions)
            .map_err(|(name, why)| LayerError::Refused { entry: printable(&name), why })?;
        let Draft { mut entry, stored, storage } = draft;
        let length = entry.name.len();
        if length > self.limits.path {
            return Err(over(&entry.name, format!("a name of {length} bytes"), self.limits.path as u64));
        }
        self.current = Some(entry.name.clone());
        self.total = self.total.saturating_add(entry.size);
        if self.total > self.limits.total {
            return Err(over(&entry.name, format!("{} bytes of files", self.total), self.limits.total));
        }
        let gnu = if storage == Storage::Gnu { Some(self.gnu_map(header)?) } else { None };
        self.expect(stored)?;
        entry.extents = match storage {
            Storage::Whole => None,
            Storage::Mapped(extents) => Some(extents),
            Storage::Gnu => gnu,
            Storage::Lines => Some(self.line_map()?),
        };
        match &entry.extents {
            Some(extents) if !sparse::fits(extents, entry.size, self.data) => {
                Err(self.broken("the map of a sparse file does not fit its data"))
            }
            _ => Ok(entry),
        }
    }

    /// The map of an old GNU sparse file: four slots in the header, 21 in each block after it.
    fn gnu_map(&mut self, header: &Header) -> Result<sparse::Extents, LayerError> {
        let mut extents = sparse::Extents::new();
        let gnu = header.as_gnu().filter(|gnu| sparse::table(&gnu.sparse, &mut extents).is_some());
        let mut more =
            gnu.ok_or_else(|| self.broken("the map of a sparse file cannot be read"))?.is_extended();
        while more {
            let mut table = tar::GnuExtSparseHeader::new();
            let block = self.block()?.ok_or_else(|| self.cut())?;
            table.as_mut_bytes().copy_from_slice(&block);
            sparse::table(&table.sparse, &mut extents)
                .ok_or_else(|| self.broken("the map of a sparse file cannot be read"))?;
            self.extensible(extents.len() as u64)?;
            more = table.is_extended();
        }
        Ok(extents)
    }

    /// The map of a PAX 1.0 sparse file, whole blocks at the head of its data.
    fn line_map(&mut self) -> Result<sparse::Extents, LayerError> {
        let mut map = Vec::new();
        loop {
            if self.data < BLOCK {
                return Err(self.broken("the map of a sparse file does not end"));
            }
            self.extensible(map.len() as u64)?;
            map.extend_from_slice(&self.block()?.ok_or_else(|| self.cut())?);
            self.data -= BLOCK;
            match sparse::lines(&map) {
                Lines::Whole(extents) => return Ok(extents),
                Lines::More => {}
                Lines::Broken => return Err(self.broken("the map of a sparse file cannot be read")),
            }
        }
    }

    /// The next header; none at the end marker, or where there is no archive at all.
    fn header(&mut self) -> Result<Option<Header>, LayerError> {
        let Some(block) = self.block()? else {
            // Docker, too, takes nothing at all for an empty layer
            return if self.headers == 0 {
                Ok(None)
            } else {
                Err(self.broken("it ends without its end marker"))
            };
        };
        self.headers += 1;
        if self.headers > self.limits.entries {
            let name = self.good.clone().unwrap_or_default();
            return Err(over(&name, "the number of entries".to_owned(), self.limits.entries));
        }
        let header = Header::from_byte_slice(&block).clone();
        if block.iter().all(|byte| *byte == 0) {
            Ok(None)
        } else if header::checksum_holds(&header) {
            Ok(Some(header))
        } else {
            Err(self.broken("the checksum of a header is wrong"))
        }
    }

    /// The data of an extension, whole.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, LayerError> {
        let size = self.size(header)?;
        self.extensible(size)?;
        self.expect(size)?;
        let mut data = Vec::new();
        while self.data > 0 {
            let piece = self.piece()?;
            let count = piece.len();
            data.extend_from_slice(piece);
            self.consume(count);
        }
        self.skip_current()?;
        Ok(data)
    }

    fn size(&self, header: &Header) -> Result<u64, LayerError> {
        header::size(header).ok_or_else(|| self.broken("the size of a header cannot be read"))
    }

    fn extensible(&self, size: u64) -> Result<(), LayerError> {
        let name = self.current.as_ref().or(self.good.as_ref()).cloned().unwrap_or_default();
        let limit = self.limits.extension;
        if size > limit { Err(over(&name, format!("an extension of {size}"), limit)) } else { Ok(()) }
    }

    /// Says how much data comes next.
    fn expect(&mut self, size: u64) -> Result<(), LayerError> {
        if size > i64::MAX as u64 {
            return Err(self.broken("a size is too large to be one"));
        }
        self.data = size;
        self.padding = size.next_multiple_of(BLOCK) - size;
        Ok(())
    }

    fn skip(&mut self) -> Result<(), LayerError> {
        self.skip_current()?;
        if let Some(name) = self.current.take() {
            self.good = Some(name);
        }
        Ok(())
    }

    fn skip_current(&mut self) -> Result<(), LayerError> {
        let passed = self.bytes.pass(self.data + self.padding);
        let data = self.data.min(passed);
        (self.data, self.padding) = (self.data - data, self.padding - (passed - data));
        while self.data + self.padding > 0 {
            let place = (self.current.as_deref(), self.good.as_deref());
            let available = self.bytes.fill().map_err(|fault| explain(fault, place))?.len() as u64;
            if available == 0 {
                return Err(self.cut());
            }
            let data = self.data.min(available);
            let padding = self.padding.min(available - data);
            self.bytes.consume((data + padding) as usize);
            (self.data, self.padding) = (self.data - data, self.padding - padding);
        }
        Ok(())
    }

    fn block(&mut self) -> Result<Option<[u8; 512]>, LayerError> {
        let mut block = [0; 512];
        let mut have = 0;
        while have < block.len() {
            let place = (self.current.as_deref(), self.good.as_deref());
            let bytes = self.bytes.fill().map_err(|fault| explain(fault, place))?;
            let count = bytes.len().min(block.len() - have);
            if count == 0 {
                return if have == 0 { Ok(None) } else { Err(self.cut()) };
            }
            block[have..have + count].copy_from_slice(&bytes[..count]);
            self.bytes.consume(count);
            have += count;
        }
        Ok(Some(block))
    }

    fn cut(&self) -> LayerError {
        broken((self.current.as_deref(), self.good.as_deref()), io::Error::from(io::ErrorKind::UnexpectedEof))
    }

    fn broken(&self, what: &'static str) -> LayerError {
        let place = (self.current.as_deref(), self.good.as_deref());
        broken(place, io::Error::new(io::ErrorKind::InvalidData, what))
    }
}

/// The entry that is being read, and the last one that was read whole.
type Place<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

fn broken((current, good): Place<'_>, source: io::Error) -> LayerError {
    let place = match (current.map(printable), good.map(printable)) {
        (Some(current), Some(good)) => format!("in entry '{current}', after entry '{good}'"),
        (Some(current), None) => format!("in its first entry '{current}'"),
        (None, Some(good)) => format!("after entry '{good}'"),
        (None, None) => "before its first entry".to_owned(),
    };
    LayerError::Broken { place, source }
}

fn explain(fault: Fault, place: Place<'_>) -> LayerError {
    match fault {
        Fault::Io(source) => broken(place, source),
        Fault::Compression(name) => LayerError::Compression(name),
        Fault::Ratio(limit) => over(
            place.0.or(place.1).unwrap_or_default(),
            "the ratio of inflated to compressed size".into(),
            limit,
        ),
    }
}

fn over(name: &[u8], what: String, limit: u64) -> LayerError {
    LayerError::Limit { entry: printable(name), what, limit }
}

fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}
