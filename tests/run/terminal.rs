//! -t on a real terminal, and `--step` with a reader: driven through tmux.

use std::time::{Duration, Instant};

use crate::site::Site;

/// A tmux server of the test's own with one window, 90 columns and 30 lines.
struct Terminal<'s> {
    site: &'s Site,
    socket: String,
    child: std::process::Child,
}

impl<'s> Terminal<'s> {
    /// None, with the reason said, where there is no tmux.
    fn open(test: &str, site: &'s Site) -> Option<Terminal<'s>> {
        if std::process::Command::new("tmux").arg("-V").output().is_err() {
            crate::support::skip(test, "there is no tmux");
            return None;
        }
        let socket = site.root_directory().join("tmux").display().to_string();
        let script = "tmux -S $D/state/tmux -f /dev/null new-session -d -x 90 -y 30 'PS1=\"% \" sh -i' && \
                      sleep 38";
        let mut command = site.script(script);
        // tmux gives its command to SHELL; without one to the user's own, which for nobody is nologin
        command.env("SHELL", "/bin/sh").env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        let child = command.spawn().expect("tmux starts");
        let terminal = Terminal { site, socket, child };
        terminal.shows("%");
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = std::process::Command::new("tmux");
        command.args(["-S", &self.socket]).args(arguments);
        let output = command.output().expect("tmux answers");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types a line.
    fn types(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.press("Enter");
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Waits until the screen shows this.
    fn shows(&self, wanted: &str) -> String {
        let began = Instant::now();
        loop {
            let screen = self.tmux(&["capture-pane", "-p", "-J", "-S", "-200"]);
            if screen.contains(wanted) {
                return screen;
            }
            assert!(began.elapsed() < Duration::from_secs(12), "no {wanted:?} in:\n{screen}");
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

#[test]
fn a_terminal_has_a_size_takes_keys_and_is_given_back() {
    let site = Site::ours();
    site.says("$S run --rm stepbox/base true");
    let Some(terminal) = Terminal::open("a_terminal_has_a_size_takes_keys_and_is_given_back", &site) else {
        return;
    };
    terminal.types("stty -g >$D/state/before; $S run --rm -it stepbox/base sh; echo code $?");
    terminal.shows("/ #");
    terminal.types("stty size; tty");
    terminal.shows("30 90");
    terminal.shows("/dev/pts/0");
    terminal.tmux(&["resize-window", "-x", "77", "-y", "22"]);
    std::thread::sleep(Duration::from_millis(300));
    terminal.types("stty size");
    terminal.shows("22 77");
    terminal.types("trap 'echo inter''rupted' INT; sleep 30");
    std::thread::sleep(Duration::from_millis(300));
    terminal.press("C-c");
    terminal.shows("interrupted");
    terminal.types("exit 9");
    terminal.shows("\ncode 9");
    terminal.types("stty -g | diff - $D/state/before && echo restored as it was");
    terminal.shows("\nrestored as it was");
    drop(terminal);
    site.assert_clean();
}

#[test]
fn a_reader_who_stops_leaves_nothing() {
    let site = Site::ours();
    site.says("$S run --rm stepbox/base true");
    let Some(terminal) = Terminal::open("a_reader_who_stops_leaves_nothing", &site) else { return };
    for enters in [0, 3, 25, 45] {
        terminal.types("clear; tmux clear-history; $S run --rm --step stepbox/base true; echo left with $?");
        terminal.shows("next 1 host");
        for step in 0..enters {
            terminal.press("Enter");
            terminal.shows(&format!("next {} ", step + 2));
        }
        terminal.press("q");
        terminal.shows("\nleft with 0");
        site.assert_clean();
    }
}
