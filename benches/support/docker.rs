//! A dockerd of our own: what it makes lies below one directory, and all its processes end with it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A dockerd of our own, which ends with us.
pub struct Docker {
    daemon: Child,
    /// where it listens
    pub socket: String,
}

impl Docker {
    /// Starts it, with everything below this directory.
    pub fn start(scratch: &Path) -> Result<Docker, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("it needs root".to_owned());
        }
        let home = scratch.join("docker");
        let place = |name: &str| home.join(name).display().to_string();
        std::fs::create_dir(&home).map_err(|error| error.to_string())?;
        std::fs::write(place("config"), "{}").map_err(|error| error.to_string())?;
        let socket = Docker::socket(scratch);
        let log = std::fs::File::create(place("log")).map_err(|error| error.to_string())?;
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "dockerd",
            "--bridge",
            "none",
        ]);
        command.args(["--iptables=false", "-H", &socket, "--config-file", &place("config")]);
        command.args([
            "--data-root",
            &place("data"),
            "--exec-root",
            &place("exec"),
            "--pidfile",
            &place("pid"),
        ]);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let docker = Docker { daemon: spawned.map_err(|error| error.to_string())?, socket };
        for _ in 0..200 {
            if docker.client().arg("version").output().is_ok_and(|output| output.status.success()) {
                return Ok(docker);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let log = std::fs::read_to_string(place("log")).unwrap_or_default();
        Err(log.lines().last().unwrap_or("dockerd does not answer").to_owned())
    }

    /// Where one that is started below this directory listens.
    pub fn socket(scratch: &Path) -> String {
        format!("unix://{}", scratch.join("docker/socket").display())
    }

    /// A command that it is to do.
    pub fn client(&self) -> Command {
        let mut command = Command::new("docker");
        command.args(["-H", &self.socket]);
        command
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // the namespace of processes ends with its first one, and everything in it
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
