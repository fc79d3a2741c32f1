//! Who loads and unpacks: stepbox and its peers, each with a way back to where it began.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::docker::Docker;
use crate::synthetic::Synthetic;

/// One way to bring the image in.
pub struct Contender {
    pub name: &'static str,
    pub what: &'static str,
    /// takes away what the last turn has brought
    reset: Box<dyn Fn()>,
    command: Box<dyn Fn() -> Command>,
}

impl Contender {
    /// One turn; the way back is not counted.
    pub fn once(&mut self) -> Result<Duration, String> {
        (self.reset)();
        rustix::fs::sync();
        let began = Instant::now();
        let output = (self.command)().stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        let took = began.elapsed();
        (self.reset)();
        match output.status.success() {
            true => Ok(took),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }
}

fn contender(
    name: &'static str,
    what: &'static str,
    reset: impl Fn() + 'static,
    command: impl Fn() -> Command + 'static,
) -> Contender {
    Contender { name, what, reset: Box::new(reset), command: Box::new(command) }
}

/// stepbox with a state of its own, by a shell in which `$S` is stepbox and `$A` an archive.
fn ours(
    (name, what): (&'static str, &'static str),
    stepbox: &Path,
    state: PathBuf,
    archive: &Path,
    script: &'static str,
) -> Contender {
    let (stepbox, archive, old) = (stepbox.to_owned(), archive.to_owned(), state.clone());
    let forget = move || {
        let _ = stepbox::layers::remove(&old);
        let _ = std::fs::create_dir_all(&old);
    };
    contender(name, what, forget, move || {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        command.env("STEPBOX_ROOT", &state).env("S", &stepbox).env("A", &archive);
        command
    })
}

/// The whole way, from an archive of plain layers to an image that can be run.
pub fn load(scratch: &Path, stepbox: &Path, image: &Synthetic, docker: Option<&Docker>) -> Vec<Contender> {
    let state = |name: &str| scratch.join(name);
    let file = ("stepbox load -i", "blobs kept, layers unpacked, all synced");
    let pipe = ("stepbox load, from a pipe", "the same, the archive spooled first");
    let mut contenders = vec![
        ours(file, stepbox, state("file"), &image.plain, "exec $S load -q -i $A"),
        ours(pipe, stepbox, state("pipe"), &image.plain, "cat $A | $S load -q"),
    ];
    let (out, archive) = (scratch.join("skopeo"), image.plain.clone());
    let old = out.clone();
    let forget = move || drop(stepbox::layers::remove(&old));
    let skopeo = "gzip blobs made, nothing unpacked";
    contenders.push(contender("skopeo copy docker-archive: oci:", skopeo, forget, move || {
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", "copy"]).arg(format!("docker-archive:{}", archive.display()));
        command.arg(format!("oci:{}:bench", out.display()));
        command
    }));
    if let Some(docker) = docker {
        let (socket, archive) = (docker.socket.clone(), image.plain.clone());
        let client = |socket: &str| {
            let mut command = Command::new("docker");
            command.args(["-H", socket]);
            command
        };
        let from = socket.clone();
        let forget = move || drop(client(&from).args(["rmi", "-f", "bench:latest"]).output());
        contenders.push(contender("docker load -i", "layers unpacked, overlay2", forget, move || {
            let mut command = client(&socket);
            command.args(["load", "-q", "-i"]).arg(&archive);
            command
        }));
    }
    contenders
}

/// From gzip layers to a tree.
pub fn unpack(scratch: &Path, stepbox: &Path, image: &Synthetic) -> Vec<Contender> {
    let file = ("stepbox load -i", "blobs kept, layers unpacked side by side, all synced");
    let mut contenders =
        vec![ours(file, stepbox, scratch.join("gzip"), &image.gzip, "exec $S load -q -i $A")];
    let layout = scratch.join("layout");
    let unpacked = std::fs::create_dir(&layout)
        .and_then(|()| Command::new("tar").arg("-C").arg(&layout).arg("-xf").arg(&image.gzip).status());
    assert!(unpacked.is_ok_and(|status| status.success()), "tar failed");
    let bundle = scratch.join("bundle");
    let old = bundle.clone();
    let forget = move || drop(stepbox::layers::remove(&old));
    let root = rustix::process::geteuid().is_root();
    contenders.push(contender("umoci unpack", "one tree, and a record of it", forget, move || {
        let mut command = Command::new("umoci");
        command.arg("unpack").args((!root).then_some("--rootless"));
        command.arg("--image").arg(format!("{}:bench", layout.display())).arg(&bundle);
        command
    }));
    contenders
}
