//! Text: the few forms in which the files of a cgroup hold numbers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{BlkioEntry, Pressure, Waiting};

/// The files of one cgroup; what is not there, or not readable any more, is empty.
pub(super) struct Files(pub(super) PathBuf);

impl Files {
    pub(super) fn text(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.0.join(file)).ok()
    }

    /// One number; `max` is the largest.
    pub(super) fn number(&self, file: &str) -> Option<u64> {
        let text = self.text(file)?;
        if text.trim() == "max" { Some(u64::MAX) } else { text.trim().parse().ok() }
    }

    /// The same; 0 where there is none.
    pub(super) fn count(&self, file: &str) -> u64 {
        self.number(file).unwrap_or(0)
    }

    /// Lines of a word and a number.
    pub(super) fn words(&self, file: &str) -> BTreeMap<String, u64> {
        let text = self.text(file).unwrap_or_default();
        let line = |line: &str| {
            let (word, number) = line.split_once(' ')?;
            Some((word.to_string(), number.trim().parse().ok()?))
        };
        text.lines().filter_map(line).collect()
    }

    /// `8:0 Read 1282048`, or without the word. The sum of all disks is left out.
    pub(super) fn disks(&self, file: &str) -> Vec<BlkioEntry> {
        let text = self.text(file).unwrap_or_default();
        let line = |line: &str| {
            let fields: Vec<&str> = line.split([' ', ':']).collect();
            let (major, minor, op, value) = match fields[..] {
                [major, minor, value] => (major, minor, "", value),
                [major, minor, op, value] => (major, minor, op, value),
                _ => return None,
            };
            let number = |text: &str| text.parse().ok();
            let (major, minor, value) = (number(major)?, number(minor)?, number(value)?);
            Some(BlkioEntry { major, minor, op: op.into(), value })
        };
        text.lines().filter_map(line).collect()
    }

    /// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same for `full`.
    pub(super) fn pressure(&self, file: &str) -> Option<Pressure> {
        let text = self.text(file)?;
        let mut pressure = Pressure::default();
        for line in text.lines() {
            let (word, rest) = line.split_once(' ')?;
            let value =
                |name: &str| rest.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            let average = |name| value(name).and_then(|text| text.parse().ok()).unwrap_or(0.0);
            let waiting = Waiting {
                avg10: average("avg10"),
                avg60: average("avg60"),
                avg300: average("avg300"),
                total: value("total").and_then(|text| text.parse().ok()).unwrap_or(0),
            };
            if word == "some" {
                pressure.some = waiting;
            } else {
                pressure.full = waiting;
            }
        }
        Some(pressure)
    }

    /// The sizes of huge pages that this kernel counts, as `2MB`.
    pub(super) fn page_sizes(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.0).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let size = |name: std::ffi::OsString| {
            let size = name.to_str()?.strip_prefix("hugetlb.")?.split_once('.')?.0.to_string();
            Some(size)
        };
        let mut sizes: Vec<String> = names.filter_map(size).collect();
        sizes.sort();
        sizes.dedup();
        sizes
    }
}
