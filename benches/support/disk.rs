//! A new disk for each turn: an ext4 in a file.
//!
//! ext4 gives nobody the number of a file that was deleted within the last minute, and looks at all of them before it
//! takes the next one. On one disk for all, everybody would pay for what the one before has taken away.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where the contenders write.
pub struct Disk {
    file: PathBuf,
    at: PathBuf,
    bytes: u64,
}

impl Disk {
    /// A disk of this size below this directory; nothing is there before [`Disk::renew`].
    pub fn new(scratch: &Path, bytes: u64) -> Disk {
        Disk { file: scratch.join("disk.ext4"), at: scratch.join("disk"), bytes }
    }

    /// The directory that stands for the disk.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Takes everything away. Without root, who may not mount, it is a directory that is emptied.
    pub fn renew(&self) -> Result<(), String> {
        self.remove();
        std::fs::create_dir_all(&self.at).map_err(|error| error.to_string())?;
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let file = std::fs::File::create(&self.file).map_err(|error| error.to_string())?;
        file.set_len(self.bytes).map_err(|error| error.to_string())?;
        let mut make = Command::new("mkfs.ext4");
        // a file that was never written is zero already
        done(make.args(["-q", "-F", "-E", "assume_storage_prezeroed=1"]).arg(&self.file))?;
        done(Command::new("mount").args(["-o", "loop"]).arg(&self.file).arg(&self.at))
    }

    fn mounted(&self) -> bool {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        mounts.contains(&format!(" {} ", self.at.display()))
    }

    /// A service that was killed holds on to it for another moment.
    fn remove(&self) {
        for _ in 0..50 {
            if !self.mounted() || done(Command::new("umount").arg(&self.at)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        if self.mounted() {
            let _ = done(Command::new("umount").arg("--lazy").arg(&self.at));
        }
        let _ = stepbox::layers::remove(&self.at);
        let _ = std::fs::remove_file(&self.file);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.remove();
    }
}

fn done(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
