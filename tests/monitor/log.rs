//! A log whose writer is killed, finds no room, or begins new files while it is read and followed.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use stepbox::engine::log::{Follower, Log, Rotation, Stream, Wanted, file};

use super::{NOW, lines};

fn texts(path: &Path) -> Vec<String> {
    lines(path, Wanted::default()).into_iter().map(|line| line.text).collect()
}

fn looked(follower: &mut Follower) -> Vec<String> {
    let mut found = Vec::new();
    follower
        .look(|line| {
            found.push(line.text);
            Ok(())
        })
        .expect("looked");
    found
}

#[test]
fn half_a_line_of_one_who_was_killed_spoils_no_other() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(directory.path(), "id");
    let mut follower = Follower::from_end(&path).expect("followed");
    Log::open(&path, Rotation::default()).expect("a log").take(Stream::Stdout, b"one\n", NOW);
    let mut killed = File::options().append(true).open(&path).expect("there");
    killed.write_all(b"{\"log\":\"ha").expect("written");
    assert_eq!(looked(&mut follower), ["one\n"]);
    let mut log = Log::open(&path, Rotation::default()).expect("a log");
    log.take(Stream::Stdout, b"two\nthree\n", NOW);
    assert_eq!(texts(&path), ["one\n", "two\n", "three\n"]);
    assert_eq!(looked(&mut follower), ["two\n", "three\n"]);
}

#[test]
fn what_is_taken_back_is_not_said_twice() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(directory.path(), "id");
    let mut log = Log::open(&path, Rotation::default()).expect("a log");
    let mut follower = Follower::from_end(&path).expect("followed");
    log.take(Stream::Stdout, b"one\n", NOW);
    let whole = fs::metadata(&path).expect("there").len();
    // as a full disk has it: the beginning of a line, seen by who follows, and taken back
    let file = File::options().append(true).open(&path).expect("there");
    (&file).write_all(b"{\"log\":\"tw").expect("written");
    assert_eq!(looked(&mut follower), ["one\n"]);
    file.set_len(whole).expect("shortened");
    assert_eq!(looked(&mut follower), [""; 0]);
    log.take(Stream::Stdout, b"two\n", NOW);
    assert_eq!(looked(&mut follower), ["two\n"]);
}

#[test]
fn whoever_follows_or_reads_a_flood_misses_no_line() {
    const LINES: usize = 1200;
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(directory.path(), "id");
    // some thirty lines a file: the writer begins new ones all the time, and keeps them all
    let rotation = Rotation { size: Some(2000), files: 60 };
    let mut log = Log::open(&path, rotation).expect("a log");
    let mut follower = Follower::from_end(&path).expect("followed");
    let over = AtomicBool::new(false);
    let mut followed = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..LINES {
                log.take(Stream::Stdout, format!("{number}\n").as_bytes(), NOW);
            }
            over.store(true, Ordering::Release);
        });
        scope.spawn(|| {
            let mut before = 0;
            while !over.load(Ordering::Acquire) {
                let read = texts(&path);
                let expected: Vec<String> = (0..read.len()).map(|number| format!("{number}\n")).collect();
                assert_eq!(read, expected, "from the first to the last, without a gap");
                assert!(read.len() >= before, "what was read once can be read again");
                before = read.len();
            }
        });
        loop {
            let last = over.load(Ordering::Acquire);
            followed.append(&mut looked(&mut follower));
            if last {
                break;
            }
        }
    });
    let expected: Vec<String> = (0..LINES).map(|number| format!("{number}\n")).collect();
    assert_eq!(followed, expected);
    assert_eq!(texts(&path), expected);
}
