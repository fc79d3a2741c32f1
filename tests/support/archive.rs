//! Archives made byte by byte, so that tests can write what no honest tool writes, and a place to apply them to.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use stepbox::layers::{Applied, LayerError, Ownership, apply};

/// A tar archive that is being written.
#[derive(Clone, Default)]
pub struct Raw(pub Vec<u8>);

impl Raw {
    /// Appends a header of this type, and data padded to whole blocks.
    pub fn entry(self, name: &[u8], kind: u8, link: &[u8], data: &[u8]) -> Raw {
        self.sized(name, kind, link, data, data.len() as u64, 0o644)
    }

    /// The same, claiming another size.
    pub fn sized(mut self, name: &[u8], kind: u8, link: &[u8], data: &[u8], size: u64, mode: u32) -> Raw {
        let mut header = tar::Header::new_gnu();
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name);
        old.linkname[..link.len()].copy_from_slice(link);
        old.linkflag[0] = kind;
        header.set_mode(mode);
        header.set_uid(rustix::process::getuid().as_raw().into());
        header.set_gid(rustix::process::getgid().as_raw().into());
        header.set_mtime(1_600_000_000);
        header.set_size(size);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.data(data)
    }

    /// Appends data padded to whole blocks.
    pub fn data(mut self, data: &[u8]) -> Raw {
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, data: &str) -> Raw {
        self.entry(name.as_bytes(), b'0', b"", data.as_bytes())
    }

    pub fn directory(self, name: &str, mode: u32) -> Raw {
        self.sized(name.as_bytes(), b'5', b"", b"", 0, mode)
    }

    pub fn symlink(self, name: &str, target: &str) -> Raw {
        self.entry(name.as_bytes(), b'2', target.as_bytes(), b"")
    }

    pub fn hard_link(self, name: &str, target: &str) -> Raw {
        self.entry(name.as_bytes(), b'1', target.as_bytes(), b"")
    }

    /// PAX records for the next entry.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Raw {
        let mut data = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length += 1;
            }
            data.extend_from_slice(format!("{length} {key}=").as_bytes());
            data.extend_from_slice(value);
            data.push(b'\n');
        }
        self.entry(b"pax", b'x', b"", &data)
    }

    /// A GNU long name for the next entry.
    pub fn long_name(self, name: &[u8]) -> Raw {
        self.entry(b"././@LongLink", b'L', b"", &[name, b"\0"].concat())
    }

    /// The archive with its end marker.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

/// Who we can be here: root makes devices and owners, others do what others can.
pub fn ownership() -> Ownership {
    Ownership::of_this_process()
}

/// A directory to apply layers to, and things beside it that no layer may touch.
pub struct Place {
    directory: tempfile::TempDir,
    before: BTreeMap<PathBuf, String>,
}

impl Place {
    pub fn new() -> Place {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let outside = directory.path().join("outside");
        fs::create_dir_all(outside.join("etc")).expect("a directory can be made");
        fs::write(outside.join("etc/secret"), "untouched").expect("a file can be written");
        fs::create_dir(directory.path().join("root")).expect("a directory can be made");
        let before = listing(&outside);
        assert_eq!(before.len(), 3);
        Place { directory, before }
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    /// Applies an archive, checks that nothing beside the root changed, and says what came of it.
    pub fn apply(&self, archive: &[u8]) -> Result<Applied, LayerError> {
        let root = fs::File::open(self.root()).expect("the root can be opened");
        let applied = apply(archive, root.as_fd(), ownership());
        assert_eq!(listing(&self.outside()), self.before, "something outside the root changed");
        let names: Vec<_> = fs::read_dir(self.directory.path()).expect("readable").flatten().collect();
        assert_eq!(names.len(), 2, "something was made beside the root: {names:?}");
        applied
    }

    /// Applies an archive that must be refused; the message must hold these words. What was made can be removed.
    pub fn refuse(&self, archive: &[u8], words: &[&str]) -> String {
        let error = self.apply(archive).expect_err("a hostile archive was applied");
        let message = error.to_string();
        for word in words {
            assert!(message.contains(word), "{message:?} does not say {word:?}");
        }
        stepbox::layers::remove(&self.root()).expect("what was made can be removed");
        assert!(!self.root().exists());
        fs::create_dir(self.root()).expect("a directory can be made");
        message
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn stat(&self, name: &str) -> fs::Metadata {
        fs::symlink_metadata(self.root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn exists(&self, name: &str) -> bool {
        fs::symlink_metadata(self.root().join(name)).is_ok()
    }

    pub fn is_whiteout(&self, name: &str) -> bool {
        let stat = self.stat(name);
        stat.mode() & 0o170000 == 0o020000 && stat.rdev() == 0
    }

    pub fn is_opaque(&self, name: &str) -> bool {
        let mut value = [0; 8];
        match rustix::fs::lgetxattr(self.root().join(name), ownership().opaque(), &mut value[..]) {
            Ok(size) => &value[..size] == b"y",
            Err(_) => false,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // closed directories, which the temporary directory itself could not remove without root
        let _ = stepbox::layers::remove(&self.root());
    }
}

/// Everything under a directory: type and mode, owner, times, size, links, content.
pub fn listing(top: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![top.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let stat = fs::symlink_metadata(&path).expect("listed files are there");
        let mut line = format!(
            "{:o} {}:{} {} {}.{} {}",
            stat.mode(),
            stat.uid(),
            stat.gid(),
            if stat.is_dir() { 0 } else { stat.size() },
            stat.mtime(),
            stat.mtime_nsec(),
            if stat.is_dir() { 0 } else { stat.nlink() }
        );
        if stat.is_dir() {
            waiting.extend(fs::read_dir(&path).expect("readable").flatten().map(|entry| entry.path()));
        } else if stat.is_symlink() {
            let target = fs::read_link(&path).expect("links can be read");
            line += &String::from_utf8_lossy(target.as_os_str().as_bytes());
        } else if stat.is_file() {
            line += &String::from_utf8_lossy(&fs::read(&path).expect("readable"));
        }
        found.insert(path, line);
    }
    found
}

/// Gzip with the default settings.
pub fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("memory can be written")
}
