//! Options: the words of a mount, each a flag that is set or cleared; what no table knows is the file system's own.
//!
//! ```text
//!   ro nosuid noatime …    this mount                  mount(2), mount_setattr(2)
//!   rro rnosuid …          and all that lie below it   mount_setattr(2) with AT_RECURSIVE
//!   shared rslave …        how mounts travel           mount_namespaces(7)
//!   size=64m mode=1777     data for the file system    tmpfs(5)
//! ```
//!
//! See config.md, "Linux mount options", and mount(8).

use libc::{
    MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY, MOUNT_ATTR_STRICTATIME, MS_BIND,
    MS_DIRSYNC, MS_I_VERSION, MS_LAZYTIME, MS_MANDLOCK, MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC,
    MS_NOSUID, MS_NOSYMFOLLOW, MS_PRIVATE, MS_RDONLY, MS_REC, MS_RELATIME, MS_REMOUNT, MS_SHARED, MS_SILENT,
    MS_SLAVE, MS_STRICTATIME, MS_SYNCHRONOUS, MS_UNBINDABLE,
};

/// Flags of mount(2) that a word sets.
const SET: [(&str, u64); 20] = [
    ("bind", MS_BIND),
    ("defaults", 0),
    ("dirsync", MS_DIRSYNC),
    ("iversion", MS_I_VERSION),
    ("lazytime", MS_LAZYTIME),
    ("mand", MS_MANDLOCK),
    ("noatime", MS_NOATIME),
    ("nodev", MS_NODEV),
    ("nodiratime", MS_NODIRATIME),
    ("noexec", MS_NOEXEC),
    ("nosuid", MS_NOSUID),
    ("nosymfollow", MS_NOSYMFOLLOW),
    ("rbind", MS_BIND | MS_REC),
    ("relatime", MS_RELATIME),
    ("remount", MS_REMOUNT),
    ("ro", MS_RDONLY),
    ("silent", MS_SILENT),
    ("strictatime", MS_STRICTATIME),
    ("sync", MS_SYNCHRONOUS),
    ("", 0),
];

/// Flags of mount(2) that a word clears.
const CLEAR: [(&str, u64); 15] = [
    ("async", MS_SYNCHRONOUS),
    ("atime", MS_NOATIME),
    ("dev", MS_NODEV),
    ("diratime", MS_NODIRATIME),
    ("exec", MS_NOEXEC),
    ("loud", MS_SILENT),
    ("noiversion", MS_I_VERSION),
    ("nolazytime", MS_LAZYTIME),
    ("nomand", MS_MANDLOCK),
    ("norelatime", MS_RELATIME),
    ("nostrictatime", MS_STRICTATIME),
    ("rw", MS_RDONLY),
    ("suid", MS_NOSUID),
    ("symfollow", MS_NOSYMFOLLOW),
    ("", 0),
];

/// Attributes of mount_setattr(2) for the whole tree: the word, the attribute, whether it is set.
const RECURSIVE: [(&str, u64, bool); 18] = [
    ("ratime", MOUNT_ATTR_NOATIME, false),
    ("rdev", MOUNT_ATTR_NODEV, false),
    ("rdiratime", MOUNT_ATTR_NODIRATIME, false),
    ("rexec", MOUNT_ATTR_NOEXEC, false),
    ("rnoatime", MOUNT_ATTR_NOATIME, true),
    ("rnodev", MOUNT_ATTR_NODEV, true),
    ("rnodiratime", MOUNT_ATTR_NODIRATIME, true),
    ("rnoexec", MOUNT_ATTR_NOEXEC, true),
    ("rnorelatime", RELATIME, false),
    ("rnostrictatime", MOUNT_ATTR_STRICTATIME, false),
    ("rnosuid", MOUNT_ATTR_NOSUID, true),
    ("rnosymfollow", MOUNT_ATTR_NOSYMFOLLOW, true),
    ("rrelatime", RELATIME, true),
    ("rro", MOUNT_ATTR_RDONLY, true),
    ("rrw", MOUNT_ATTR_RDONLY, false),
    ("rstrictatime", MOUNT_ATTR_STRICTATIME, true),
    ("rsuid", MOUNT_ATTR_NOSUID, false),
    ("rsymfollow", MOUNT_ATTR_NOSYMFOLLOW, false),
];

/// The default among the three ways of keeping access times: no bit at all.
const RELATIME: u64 = 0;

/// How mounts travel.
const PROPAGATION: [(&str, u64); 8] = [
    ("private", MS_PRIVATE),
    ("rprivate", MS_PRIVATE | MS_REC),
    ("rshared", MS_SHARED | MS_REC),
    ("rslave", MS_SLAVE | MS_REC),
    ("runbindable", MS_UNBINDABLE | MS_REC),
    ("shared", MS_SHARED),
    ("slave", MS_SLAVE),
    ("unbindable", MS_UNBINDABLE),
];

/// Words that are more than a flag.
const OTHER: [&str; 3] = ["idmap", "ridmap", "tmpcopyup"];

/// What the options of one mount come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// flags of mount(2)
    pub flags: u64,
    /// flags of mount(2) that shall not be set
    pub cleared: u64,
    /// attributes of mount_setattr(2) that the whole tree gets
    pub set_below: u64,
    /// and those that it loses
    pub clear_below: u64,
    /// how it travels, in order
    pub propagation: Vec<u64>,
    /// it begins with a copy of what it hides
    pub copy_up: bool,
    /// its owners have other numbers; `true` for all mounts below it too
    pub idmap: Option<bool>,
    /// for the file system
    pub data: Vec<String>,
}

/// The propagation that a word of `linux.rootfsPropagation` or of a mount names.
pub fn propagation(word: &str) -> Option<u64> {
    PROPAGATION.iter().find(|(known, _)| *known == word).map(|(_, flags)| *flags)
}

/// Every word that is known, in order: `features` names them.
pub fn known() -> Vec<&'static str> {
    let flags = SET.iter().chain(&CLEAR).chain(&PROPAGATION).map(|(word, _)| *word);
    let recursive = RECURSIVE.iter().map(|(word, ..)| *word);
    let mut words: Vec<_> = flags.chain(recursive).chain(OTHER).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words
}

/// Reads the options of a mount. A later word wins over an earlier one.
pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Parsed {
    let mut parsed = Parsed::default();
    for word in words {
        parsed.take(word);
    }
    parsed
}

impl Parsed {
    fn take(&mut self, word: &str) {
        if let Some((_, flag)) = SET.iter().find(|(known, _)| *known == word) {
            self.flags |= flag;
            self.cleared &= !flag;
        } else if let Some((_, flag)) = CLEAR.iter().find(|(known, _)| *known == word) {
            self.flags &= !flag;
            self.cleared |= flag;
        } else if let Some((_, attribute, set)) = RECURSIVE.iter().find(|(known, ..)| *known == word) {
            self.recursive(*attribute, *set);
        } else if let Some(flags) = propagation(word) {
            self.propagation.push(flags);
        } else {
            match word {
                "idmap" => self.idmap = Some(false),
                "ridmap" => self.idmap = Some(true),
                "tmpcopyup" => self.copy_up = true,
                data => self.data.push(data.into()),
            }
        }
    }

    /// The three ways of keeping access times share a field, which is cleared as a whole before one is chosen:
    /// mount_setattr(2).
    fn recursive(&mut self, attribute: u64, set: bool) {
        if attribute & !MOUNT_ATTR__ATIME == 0 {
            self.clear_below |= MOUNT_ATTR__ATIME;
            match set {
                true => self.set_below = self.set_below & !MOUNT_ATTR__ATIME | attribute,
                false => self.set_below &= !attribute,
            }
        } else if set {
            self.set_below |= attribute;
            self.clear_below &= !attribute;
        } else {
            self.clear_below |= attribute;
            self.set_below &= !attribute;
        }
    }

    /// The flags, as attributes that a mount gets and loses. A bind is a second mount of a file system that somebody
    /// has mounted already: what concerns the whole file system (`sync`, `dirsync`, `mand`, `lazytime`) stays as it is.
    pub fn attributes(&self) -> (u64, u64) {
        const SAME: [(u64, u64); 6] = [
            (MS_RDONLY, MOUNT_ATTR_RDONLY),
            (MS_NOSUID, MOUNT_ATTR_NOSUID),
            (MS_NODEV, MOUNT_ATTR_NODEV),
            (MS_NOEXEC, MOUNT_ATTR_NOEXEC),
            (MS_NODIRATIME, MOUNT_ATTR_NODIRATIME),
            (MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW),
        ];
        let pick = |flags: u64| {
            SAME.iter().filter(|(flag, _)| flags & flag != 0).fold(0, |all, (_, attribute)| all | attribute)
        };
        let (mut set, mut clear) = (pick(self.flags), pick(self.cleared));
        if (self.flags | self.cleared) & (MS_NOATIME | MS_STRICTATIME | MS_RELATIME) != 0 {
            clear |= MOUNT_ATTR__ATIME;
            // mount(2): MS_STRICTATIME overrides the others
            set |= match self.flags {
                flags if flags & MS_STRICTATIME != 0 => MOUNT_ATTR_STRICTATIME,
                flags if flags & MS_NOATIME != 0 => MOUNT_ATTR_NOATIME,
                _ => RELATIME,
            };
        }
        (set, clear)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_specification_is_known() {
        let words = "async atime bind defaults dev diratime dirsync exec idmap iversion lazytime loud mand noatime \
                     nodev nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow \
                     private ratime rbind rdev rdiratime relatime remount rexec ridmap rnoatime rnodev rnodiratime \
                     rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared \
                     rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid \
                     symfollow sync tmpcopyup unbindable";
        assert_eq!(known(), words.split_whitespace().collect::<Vec<_>>());
        assert_eq!(parse(known()).data, Vec::<String>::new(), "none of them is data");
    }

    #[test]
    fn a_later_word_wins() {
        let parsed = parse(["ro", "nosuid", "rw", "size=1m", "mode=700"]);
        assert_eq!((parsed.flags, parsed.cleared), (MS_NOSUID, MS_RDONLY));
        assert_eq!(parsed.data, ["size=1m", "mode=700"]);
        assert_eq!(parse(["rw", "ro"]).cleared, 0);
        let parsed = parse(["rro", "rrw"]);
        assert_eq!((parsed.set_below, parsed.clear_below), (0, MOUNT_ATTR_RDONLY));
    }

    #[test]
    fn access_times_are_chosen_not_added() {
        let parsed = parse(["rnoatime", "rstrictatime"]);
        assert_eq!((parsed.set_below, parsed.clear_below), (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME));
        assert_eq!(parse(["noatime"]).attributes(), (MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME));
        assert_eq!(parse(["atime", "ro"]).attributes(), (MOUNT_ATTR_RDONLY, MOUNT_ATTR__ATIME));
        assert_eq!(parse(["exec", "ro"]).attributes(), (MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOEXEC));
    }

    #[test]
    fn propagation_keeps_its_order() {
        assert_eq!(parse(["rslave", "shared"]).propagation, [MS_SLAVE | MS_REC, MS_SHARED]);
        assert_eq!(propagation("shared"), Some(MS_SHARED));
        assert_eq!(propagation("ro"), None);
    }
}
