//! Archives: the base image of labs 13 and 14, layer archives of names and texts, and what is in one.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use stepbox::layers::{Compression, Entry, Kind, OPAQUE_MARKER, Ownership, Pack, Packed, Tape, apply};
use stepbox::trace::Fact;

const BIG: &[u8] = &[b'x'; 65536];
/// A name that ends in / is a directory.
pub const BASE: &[(&str, &[u8])] = &[
    ("data/", b""),
    ("data/big", BIG),
    ("etc/", b""),
    ("etc/motd", b"Hello"),
    ("etc/old/", b""),
    ("etc/old/a", b"aged"),
];

// ANCHOR: archive
/// The archive of these names and texts: root's, as old as 1970, so that it is the same in every year and for everybody.
pub fn archive(contents: &[(&str, &[u8])], compression: Compression) -> (Packed, Vec<u8>) {
    let mut tape = Tape::new(Pack::new(Vec::new(), compression));
    for (name, text) in contents {
        let entry = match *name {
            name if name.ends_with('/') => Entry::new(name, Kind::Directory, 0o755),
            name if name.contains(".wh.") => Entry::new(name, Kind::File, 0),
            name => Entry::new(name, Kind::File, 0o644).sized(text.len() as u64),
        };
        tape.append(&entry, *text).expect("memory takes every write");
    }
    tape.finish().and_then(Pack::finish).expect("memory takes every write")
}
// ANCHOR_END: archive

/// Makes a directory of a layer.
pub fn unpack(bytes: &[u8], to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let directory = File::open(to)?;
    apply(bytes, directory.as_fd(), Ownership::User).map_err(io::Error::other)?;
    Ok(())
}

/// What a reader of archives that is not ours finds in it.
pub fn listed(file: &Path) -> io::Result<Vec<Fact>> {
    let mut facts = Vec::new();
    for entry in tar::Archive::new(File::open(file)?).entries()? {
        let entry = entry?;
        let path = entry.path()?.display().to_string();
        let meaning = match path.rsplit('/').next().unwrap_or_default() {
            "" => "directory".into(),
            OPAQUE_MARKER => "nothing from below shows in this directory".into(),
            name if name.starts_with(".wh.") => format!("{} is gone", &name[4..]),
            _ if entry.header().entry_type().is_symlink() => "link".into(),
            _ => format!("{} bytes", entry.size()),
        };
        facts.push(Fact::new(path, meaning));
    }
    Ok(facts)
}
