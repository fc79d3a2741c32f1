//! Sparse files: an archive may leave out the holes and list where the data goes.
//!
//! ```text
//!   file      [hole    ][data A][hole        ][data B]      size = real size
//!   archive   map: (8, 8) (28, 8)   then  [data A][data B]
//!   the map stands: old GNU   in the header, type S, and in blocks after it
//!                   PAX 0.0   in repeated records  GNU.sparse.offset, GNU.sparse.numbytes
//!                   PAX 0.1   in one record        GNU.sparse.map
//!                   PAX 1.0   at the head of the data, as lines of text
//! ```
//!
//! See GNU tar's manual, "Storing Sparse Files". Lab 13-union-image, tutorials/13-union-image.md.

use super::{numbers, pax};

/// Where data goes in a sparse file: offset and length.
pub(super) type Extents = Vec<(u64, u64)>;

/// The extents of one old GNU table; the second is false where the table has no further one.
pub(super) fn table(slots: &[tar::GnuSparseHeader], into: &mut Extents) -> Option<()> {
    for slot in slots.iter().filter(|slot| slot.offset[0] != 0 && slot.numbytes[0] != 0) {
        into.push((numbers::unsigned(&slot.offset)?, numbers::unsigned(&slot.numbytes)?));
    }
    Some(())
}

/// The extents of a PAX 0.1 map: `offset,length,offset,length`.
pub(super) fn commas(map: &[u8]) -> Option<Extents> {
    let numbers: Option<Vec<u64>> = map.split(|byte| *byte == b',').map(pax::number).collect();
    let numbers = numbers?;
    (numbers.len() % 2 == 0).then(|| numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// The extents of a PAX 1.0 map, as far as it is there: a count, then offset and length, a number a line.
pub(super) fn lines(map: &[u8]) -> Lines {
    let mut numbers =
        map.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").map(pax::number));
    let count = match numbers.next() {
        Some(Some(Some(count))) => count,
        Some(Some(None)) => return Lines::Broken,
        Some(None) | None => return Lines::More,
    };
    let there = map.iter().filter(|byte| **byte == b'\n').count() as u64;
    if there.saturating_sub(1) / 2 < count {
        return Lines::More;
    }
    let mut extents = Extents::new();
    for _ in 0..count {
        match (numbers.next(), numbers.next()) {
            (Some(Some(None)), _) | (_, Some(Some(None))) => return Lines::Broken,
            (Some(Some(Some(offset))), Some(Some(Some(length)))) => extents.push((offset, length)),
            _ => return Lines::More,
        }
    }
    Lines::Whole(extents)
}

/// How far a PAX 1.0 map was read.
pub(super) enum Lines {
    /// all of it
    Whole(Extents),
    /// another block is needed
    More,
    /// it is no map
    Broken,
}

/// Whether the extents are in order, inside the file, and as long as the data that follows.
pub(super) fn fits(extents: &[(u64, u64)], real: u64, data: u64) -> bool {
    let mut at = 0_u64;
    let mut sum = 0_u64;
    for (offset, length) in extents {
        let end = offset.checked_add(*length);
        match (end, sum.checked_add(*length)) {
            (Some(end), Some(total)) if *offset >= at && end <= real => (at, sum) = (end, total),
            _ => return false,
        }
    }
    sum == data
}
