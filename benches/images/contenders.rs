//! Who loads and unpacks: stepbox and its peers, each on a disk that has nothing of the image.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::disk::Disk;
use crate::docker::Docker;
use crate::synthetic::Synthetic;

/// One way to bring the image in.
pub struct Contender {
    pub name: &'static str,
    pub what: &'static str,
    disk: Rc<Disk>,
    /// a service that runs on the disk while it is its turn
    service: Option<RefCell<Option<Docker>>>,
    command: Box<dyn Fn() -> Command>,
}

impl Contender {
    /// One turn; the new disk, and a service's start and end, are not counted.
    pub fn once(&mut self) -> Result<Duration, String> {
        self.disk.renew()?;
        if let Some(service) = &self.service {
            *service.borrow_mut() = Some(Docker::start(self.disk.path())?);
        }
        rustix::fs::sync();
        let began = Instant::now();
        let output = (self.command)().stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        let took = began.elapsed();
        if let Some(service) = &self.service {
            service.borrow_mut().take();
        }
        match output.status.success() {
            true => Ok(took),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }
}

fn contender(
    (name, what): (&'static str, &'static str),
    disk: &Rc<Disk>,
    command: impl Fn() -> Command + 'static,
) -> Contender {
    Contender { name, what, disk: disk.clone(), service: None, command: Box::new(command) }
}

/// stepbox with its state on the disk, by a shell in which `$S` is stepbox and `$A` an archive.
fn ours(
    names: (&'static str, &'static str),
    stepbox: &Path,
    disk: &Rc<Disk>,
    archive: &Path,
    script: &'static str,
) -> Contender {
    let (stepbox, archive, state) = (stepbox.to_owned(), archive.to_owned(), disk.path().join("stepbox"));
    contender(names, disk, move || {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        command.env("STEPBOX_ROOT", &state).env("S", &stepbox).env("A", &archive);
        command
    })
}

/// The whole way, from an archive of plain layers to an image that can be run.
pub fn load(disk: &Rc<Disk>, stepbox: &Path, image: &Synthetic) -> Vec<Contender> {
    let file = ("stepbox load -i", "blobs kept, layers unpacked, all synced");
    let pipe = ("stepbox load, from a pipe", "the same, the archive spooled first");
    let (out, plain) = (disk.path().join("skopeo"), image.plain.clone());
    let skopeo = ("skopeo copy docker-archive: oci:", "gzip blobs made, nothing unpacked");
    let docker = ("docker load -i", "layers unpacked, overlay2");
    vec![
        ours(file, stepbox, disk, &image.plain, "exec $S load -q -i $A"),
        ours(pipe, stepbox, disk, &image.plain, "cat $A | $S load -q"),
        contender(skopeo, disk, move || {
            let mut command = Command::new("skopeo");
            command.args(["--insecure-policy", "copy"]).arg(format!("docker-archive:{}", plain.display()));
            command.arg(format!("oci:{}:bench", out.display()));
            command
        }),
        Contender {
            service: Some(RefCell::default()),
            ..contender(docker, disk, docker_load(disk, &image.plain))
        },
    ]
}

fn docker_load(disk: &Disk, archive: &Path) -> impl Fn() -> Command + use<> {
    let (socket, archive) = (Docker::socket(disk.path()), archive.to_owned());
    move || {
        let mut command = Command::new("docker");
        command.args(["-H", &socket, "load", "-q", "-i"]).arg(&archive);
        command
    }
}

/// From gzip layers to a tree.
pub fn unpack(scratch: &Path, disk: &Rc<Disk>, stepbox: &Path, image: &Synthetic) -> Vec<Contender> {
    let file = ("stepbox load -i", "blobs kept, layers unpacked side by side, all synced");
    let layout = scratch.join("layout");
    let unpacked = std::fs::create_dir(&layout)
        .and_then(|()| Command::new("tar").arg("-C").arg(&layout).arg("-xf").arg(&image.gzip).status());
    assert!(unpacked.is_ok_and(|status| status.success()), "tar failed");
    let bundle: PathBuf = disk.path().join("bundle");
    let root = rustix::process::geteuid().is_root();
    vec![
        ours(file, stepbox, disk, &image.gzip, "exec $S load -q -i $A"),
        contender(("umoci unpack", "one tree, and a record of it"), disk, move || {
            let mut command = Command::new("umoci");
            command.arg("unpack").args((!root).then_some("--rootless"));
            command.arg("--image").arg(format!("{}:bench", layout.display())).arg(&bundle);
            command
        }),
    ]
}
