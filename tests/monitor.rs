//! What a monitor carries: nothing is lost, nobody waits for one side alone, and the log has every line once.

#[path = "monitor/log.rs"]
mod log;

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFlags, Timespec, poll};
use stepbox::engine::log::{Follower, Line, Log, Rotation, Stream, Wanted, file, read};
use stepbox::engine::monitor::carrier::{Asked, Carrier, Ends};
use stepbox::engine::monitor::frames::Frame;

const NOW: &str = "2026-11-21T10:00:00.123456789Z";

/// A carrier whose program is played by the test.
struct Stage {
    directory: tempfile::TempDir,
    listener: UnixListener,
    carrier: Carrier,
    stdin: Option<fs::File>,
    stdout: Option<fs::File>,
    stderr: Option<fs::File>,
}

impl Stage {
    fn new(rotation: Rotation, stdin_once: bool) -> Stage {
        let directory = tempfile::tempdir().expect("a directory");
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
        let ((stdin, in_end), (out_end, stdout), (err_end, stderr)) = (pipe(), pipe(), pipe());
        let ends = Ends::Pipes { stdin: Some(in_end), stdout: Some(out_end), stderr: Some(err_end) };
        let log = Log::open(&file(directory.path(), "id"), rotation).expect("a log");
        let listener = UnixListener::bind(directory.path().join("socket")).expect("a socket");
        listener.set_nonblocking(true).expect("set");
        let carrier = Carrier::new(ends, Some(log), stdin_once).expect("a carrier");
        let own = |fd: OwnedFd| Some(fs::File::from(fd));
        Stage { directory, listener, carrier, stdin: own(stdin), stdout: own(stdout), stderr: own(stderr) }
    }

    fn log(&self) -> PathBuf {
        file(self.directory.path(), "id")
    }

    /// One that has said which parts it takes.
    fn client(&mut self, stdin: bool) -> UnixStream {
        let mut client = UnixStream::connect(self.directory.path().join("socket")).expect("connected");
        send(&mut client, &Frame::Hello { stdin, stdout: true, stderr: true });
        self.carrier.attach(&self.listener).expect("accepted");
        self.turns();
        client
    }

    /// Carries until there is nothing to carry.
    fn turns(&mut self) -> Vec<Asked> {
        let mut asked = Vec::new();
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < Duration::from_secs(20), "it never comes to rest");
            let mut fds = self.carrier.wait_for();
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            let count = poll(&mut fds, Some(&now)).expect("polled");
            let found: Vec<PollFlags> = fds.iter().map(|fd| fd.revents()).collect();
            if count == 0 {
                return asked;
            }
            asked.extend(self.carrier.carry(&found, NOW));
        }
    }

    fn print(&mut self, text: &[u8]) {
        self.stdout.as_mut().expect("open").write_all(text).expect("printed");
    }
}

fn send(client: &mut UnixStream, frame: &Frame) {
    let mut bytes = Vec::new();
    frame.put(&mut bytes);
    client.write_all(&bytes).expect("sent");
}

/// What has come to a client up to now.
fn heard(client: &mut UnixStream, come: &mut Vec<u8>) -> Vec<Frame> {
    client.set_nonblocking(true).expect("set");
    let mut piece = [0; 65536];
    while let Ok(count @ 1..) = client.read(&mut piece) {
        come.extend_from_slice(&piece[..count]);
    }
    client.set_nonblocking(false).expect("set");
    std::iter::from_fn(|| Frame::take(come).expect("no garbage")).collect()
}

fn lines(path: &Path, wanted: Wanted) -> Vec<Line> {
    let mut lines = Vec::new();
    read(path, None, wanted, |line| {
        lines.push(line);
        Ok(())
    })
    .expect("read");
    lines
}

#[test]
fn what_is_printed_reaches_the_log_and_everybody() {
    let mut stage = Stage::new(Rotation::default(), false);
    let (mut one, mut other) = (stage.client(false), stage.client(false));
    stage.print(b"a line\nhalf");
    stage.stderr.as_mut().expect("open").write_all(b"oh\n").expect("printed");
    stage.turns();
    stage.print(b" a line\nno end");
    stage.turns();
    stage.stdout = None;
    stage.turns();
    stage.carrier.end(3, NOW);
    stage.turns();
    for client in [&mut one, &mut other] {
        let frames = heard(client, &mut Vec::new());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        for frame in &frames {
            match frame {
                Frame::Stdout(bytes) => out.extend_from_slice(bytes),
                Frame::Stderr(bytes) => err.extend_from_slice(bytes),
                _ => {}
            }
        }
        assert_eq!((out.as_slice(), err.as_slice()), (&b"a line\nhalf a line\nno end"[..], &b"oh\n"[..]));
        assert_eq!(frames.last(), Some(&Frame::Exit(3)));
    }
    let text = fs::read_to_string(stage.log()).expect("there");
    let mut found: Vec<&str> = text.lines().collect();
    found.sort_unstable();
    let line = |log: &str, stream: &str| format!(r#"{{"log":"{log}","stream":"{stream}","time":"{NOW}"}}"#);
    let expected = [
        line(r"a line\n", "stdout"),
        line(r"half a line\n", "stdout"),
        line("no end", "stdout"),
        line(r"oh\n", "stderr"),
    ];
    assert_eq!(found, expected);
    assert!(!stage.carrier.owes());
}

#[test]
fn a_slow_reader_holds_the_program_up_and_loses_nothing() {
    let mut stage = Stage::new(Rotation::default(), false);
    let mut client = stage.client(false);
    let mut stdout = stage.stdout.take().expect("open");
    let line = format!("{}\n", "x".repeat(99));
    let text = line.repeat(20_000);
    let printer = std::thread::spawn(move || stdout.write_all(text.as_bytes()).expect("printed"));
    std::thread::sleep(Duration::from_millis(50));
    stage.turns();
    assert!(!printer.is_finished(), "2 MB are more than queue, socket and pipe together hold");
    let (mut come, mut bytes) = (Vec::new(), 0);
    let began = Instant::now();
    while bytes < 2_000_000 {
        assert!(began.elapsed() < Duration::from_secs(20), "{bytes} bytes have come");
        for frame in heard(&mut client, &mut come) {
            let Frame::Stdout(piece) = frame else { panic!("{frame:?}") };
            bytes += piece.len();
        }
        stage.turns();
    }
    printer.join().expect("it ends");
    assert_eq!(bytes, 2_000_000);
    stage.turns();
    stage.carrier.end(0, NOW);
    assert_eq!(lines(&stage.log(), Wanted::default()).len(), 20_000);
    // one that goes away without reading holds nobody up
    let mut stage = Stage::new(Rotation::default(), false);
    drop(stage.client(false));
    stage.print(b"on\n");
    stage.turns();
    assert_eq!(stage.carrier.clients(), 0);
}

#[test]
fn what_is_typed_reaches_the_program_and_its_end_too() {
    let mut stage = Stage::new(Rotation::default(), true);
    let (mut client, mut deaf) = (stage.client(true), stage.client(false));
    send(&mut client, &Frame::Stdin(b"typed".to_vec()));
    send(&mut client, &Frame::Resize { rows: 5, columns: 9 });
    send(&mut deaf, &Frame::Signal(15));
    assert_eq!(stage.turns(), [Asked::Resize { rows: 5, columns: 9 }, Asked::Signal(15)]);
    send(&mut client, &Frame::Stdin(Vec::new()));
    stage.turns();
    let mut read = String::new();
    stage.stdin.take().expect("open").read_to_string(&mut read).expect("ended");
    assert_eq!(read, "typed");
    send(&mut client, &Frame::Stdin(b"too late".to_vec()));
    send(&mut deaf, &Frame::Stdin(b"not asked for".to_vec()));
    stage.turns();
    assert_eq!(stage.carrier.clients(), 1, "who says what makes no sense is let go");
    // where the input outlives a client, another one goes on
    let mut stage = Stage::new(Rotation::default(), false);
    for word in ["one ", "two"] {
        let mut client = stage.client(true);
        send(&mut client, &Frame::Stdin(word.into()));
        drop(client);
        stage.turns();
    }
    let mut read = [0; 7];
    stage.stdin.as_mut().expect("open").read_exact(&mut read).expect("there");
    assert_eq!(&read, b"one two");
}

#[test]
fn logs_rotate_and_are_followed_over_it() {
    let mut stage = Stage::new(Rotation { size: Some(1000), files: 3 }, false);
    let path = stage.log();
    let mut follower = Follower::from_end(&path).expect("followed");
    let mut followed = Vec::new();
    for number in 0..100 {
        stage.print(format!("line {number}\n").as_bytes());
        stage.turns();
        if number % 7 == 0 {
            follower
                .look(|line| {
                    followed.push(line.text);
                    Ok(())
                })
                .expect("looked");
        }
    }
    follower
        .look(|line| {
            followed.push(line.text);
            Ok(())
        })
        .expect("looked");
    let expected: Vec<String> = (0..100).map(|number| format!("line {number}\n")).collect();
    assert_eq!(followed, expected, "each line once");
    let size = |name: &str| fs::metadata(stage.directory.path().join(name)).map(|stat| stat.len());
    for name in ["id-json.log", "id-json.log.1", "id-json.log.2"] {
        assert!(size(name).expect("there") <= 1000, "{name}");
    }
    assert!(size("id-json.log.3").is_err());
    let kept: Vec<String> = lines(&path, Wanted::default()).into_iter().map(|line| line.text).collect();
    assert_eq!(kept, expected[100 - kept.len()..], "the last ones, in order");
    assert!(kept.len() > 20);
    let tail = Wanted { tail: Some(2), ..Wanted::default() };
    let last: Vec<String> = lines(&path, tail).into_iter().map(|line| line.text).collect();
    assert_eq!(last, ["line 98\n", "line 99\n"]);
}

#[test]
fn a_line_without_end_is_cut_and_a_damaged_one_passed_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(directory.path(), "id");
    let mut log = Log::open(&path, Rotation::default()).expect("a log");
    log.take(Stream::Stdout, &[b'x'; 40_000], NOW);
    log.take(Stream::Stdout, b"\n\xff\x00\n", NOW);
    let found: Vec<usize> = lines(&path, Wanted::default()).iter().map(|line| line.text.len()).collect();
    assert_eq!(found, [16384, 16384, 7233, 5], "and what is no UTF-8 is shown as such");
    fs::write(&path, format!("{}\n{{\"log\":\"half", fs::read_to_string(&path).expect("there").trim_end()))
        .expect("written");
    assert_eq!(lines(&path, Wanted::default()).len(), 4);
    let since = |time: &str| Wanted { since: Some(time.parse().expect("a time")), ..Wanted::default() };
    assert_eq!(lines(&path, since("2026-11-21T10:00:00Z")).len(), 4);
    assert_eq!(lines(&path, since("2026-11-21T10:00:01Z")).len(), 0);
    let until = Wanted { until: Some("2026-11-21T10:00:00Z".parse().expect("a time")), ..Wanted::default() };
    assert_eq!(lines(&path, until).len(), 0);
    assert_eq!(lines(&directory.path().join("none"), Wanted::default()), []);
}

/// As with `--pid host`: somebody has the program's pipe, too, and prints without end.
#[test]
fn the_end_is_not_waited_for_of_one_who_outlives_the_program() {
    let mut stage = Stage::new(Rotation { size: Some(10_000), files: 2 }, false);
    let mut stdout = stage.stdout.take().expect("open");
    let printer = std::thread::spawn(move || while stdout.write_all(b"y\n").is_ok() {});
    std::thread::sleep(Duration::from_millis(20));
    stage.carrier.end(0, NOW);
    drop(stage);
    printer.join().expect("nobody reads it any more");
}
