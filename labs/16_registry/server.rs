//! The other side: `stepbox registry serve` and a door, as a process of its own, which ends when the lab does.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use stepbox::api::registry::{Settings, serve};
use stepbox::engine::shelf::{Allowed, Shelf};
use stepbox::engine::store::Store;

use super::door;

/// Where it listens: all of 127.0.0.0/8 is loopback, and on a real host the port 5000 of 127.0.0.1 may be taken.
pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 16)), 5000);

/// The registry's process.
pub struct Server {
    child: Child,
}

impl Server {
    /// Starts it, with its images in DIR/registry and its log in DIR/registry.log, and waits until it listens.
    pub fn start(dir: &Path) -> io::Result<Server> {
        let log = dir.join("registry.log");
        let mut command = Command::new("/proc/self/exe");
        command
            .arg("serve")
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?);
        let mut server = Server { child: command.spawn()? };
        let mut ready = String::new();
        BufReader::new(server.child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?).read_line(&mut ready)?;
        match ready.is_empty() {
            true => Err(io::Error::other(fs::read_to_string(log)?)),
            false => Ok(server),
        }
    }

    /// Ends it in order, so that its log is whole.
    pub fn stop(&mut self) -> io::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.child.wait().map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // one that has ended already is not killed: it was waited for
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process does.
pub fn main(dir: &OsStr) -> ExitCode {
    // the lab holds the other end for as long as it lives
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    match offer(Path::new(dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

// ANCHOR: serve
fn offer(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let allowed = Allowed { push: true, delete: false };
    let door = TcpListener::bind(door::address())?;
    std::thread::spawn(move || door::keep(&door));
    let shelf = Shelf::new(Store::open(dir.join("registry"))?, None, allowed)?;
    let settings = Settings {
        listen: ADDRESS,
        insecure: false,
        passwords: Some(dir.join("htpasswd")),
        tls: None,
        hosts: Vec::new(),
        patience: Duration::from_secs(30),
    };
    serve(shelf, &settings, Arc::new(|line: &str| eprintln!("{line}")), |address| println!("{address}"))?;
    Ok(())
}
// ANCHOR_END: serve
