//! A screen: a real terminal, driven through tmux.

use std::time::{Duration, Instant};

use crate::site::Site;

/// A tmux server of the test's own with one window, 90 columns and 30 lines.
pub struct Terminal<'s> {
    site: &'s Site,
    socket: String,
    child: std::process::Child,
}

impl<'s> Terminal<'s> {
    /// None, with the reason said, where there is no tmux.
    pub fn open(test: &str, site: &'s Site) -> Option<Terminal<'s>> {
        if std::process::Command::new("tmux").arg("-V").output().is_err() {
            crate::skip(test, "there is no tmux");
            return None;
        }
        let socket = site.root_directory().join("tmux").display().to_string();
        let script = "tmux -S $D/state/tmux -f /dev/null new-session -d -x 90 -y 30 'PS1=\"% \" sh -i' && \
                      sleep 118";
        let mut command = site.script(script);
        // tmux gives its command to SHELL; without one to the user's own, which for nobody is nologin
        command.env("SHELL", "/bin/sh").env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        let child = command.spawn().expect("tmux starts");
        let terminal = Terminal { site, socket, child };
        terminal.shows("%");
        Some(terminal)
    }

    /// What tmux answers.
    pub fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = std::process::Command::new("tmux");
        command.args(["-S", &self.socket]).args(arguments);
        let output = command.output().expect("tmux answers");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types a line.
    pub fn types(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.press("Enter");
    }

    /// Presses a key.
    pub fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// A shell in a container has the window's size, hears of another one, and gets Ctrl-C; then it ends with code 9.
    pub fn is_the_shells(&self) {
        self.shows("/ #");
        self.types("stty size; tty; echo $TERM");
        self.shows("30 90");
        self.shows("/dev/pts/0");
        self.shows("xterm");
        self.tmux(&["resize-window", "-x", "77", "-y", "22"]);
        // the new size comes when tmux, the command and the kernel have passed it on
        self.types("until [ \"$(stty size)\" = 22\\ 77 ]; do sleep 0.1; done; stty size");
        self.shows("\n22 77");
        self.types(
            "trap 'got=1; echo inter''rupted' INT; echo wait''ing; while [ -z \"$got\" ]; do sleep 0.1; done",
        );
        self.shows("waiting");
        self.press("C-c");
        self.shows("interrupted");
        self.types("exit 9");
    }

    /// Waits until the screen shows this.
    pub fn shows(&self, wanted: &str) -> String {
        let began = Instant::now();
        loop {
            let screen = self.tmux(&["capture-pane", "-p", "-J", "-S", "-200"]);
            if screen.contains(wanted) {
                return screen;
            }
            assert!(began.elapsed() < Duration::from_secs(40), "no {wanted:?} in:\n{screen}");
            std::thread::sleep(Duration::from_millis(40));
        }
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.site;
    }
}
