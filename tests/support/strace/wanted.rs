//! Wanted: what the trace says of one operation, and under which names strace sees it.

use super::log::{Call, flags, strings};
use super::text::same_strings;

/// How an operation is recognised.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// one of these calls: the same strings in the same order, the same flags
    Call(&'static [&'static str]),
    /// as `Call`, and the same numbers
    Numbers(&'static [&'static str]),
    /// the path is opened first; then one of these calls on its descriptor, with the other strings
    Opened(&'static [&'static str]),
    /// the directory of the path is opened first; then one of these calls on its descriptor, with the last name;
    /// or one of these calls on the path itself
    Below(&'static [&'static str]),
    /// the path is opened first; then this call, its descriptor among the arguments; or the call on the path itself
    Onto(&'static str),
    /// the path and everything below it
    Tree(&'static [&'static str]),
    /// what is read from the second path is written to the first, unless something is there already
    Inherited,
    /// the program, found under one of several paths
    Exec,
    /// a message to the kernel, and its acknowledgement
    Netlink,
}

/// As the trace prints it, as strace sees it.
const TABLE: &[(&str, Rule)] = &[
    ("mkdir", Rule::Below(&["mkdir", "mkdirat"])),
    ("mknod", Rule::Below(&["mknod", "mknodat"])),
    ("chmod", Rule::Call(&["chmod", "fchmodat", "fchmodat2"])),
    ("rmdir", Rule::Call(&["rmdir", "unlinkat"])),
    ("unlink", Rule::Call(&["unlink", "unlinkat"])),
    ("unlinkat", Rule::Tree(&["unlinkat", "rmdir", "unlink"])),
    ("symlink", Rule::Below(&["symlink", "symlinkat"])),
    ("link", Rule::Call(&["link", "linkat"])),
    ("rename", Rule::Call(&["rename", "renameat", "renameat2"])),
    ("move_mount", Rule::Onto("move_mount")),
    ("openat", Rule::Call(&["open", "openat", "openat2"])),
    ("write", Rule::Opened(&["write", "pwrite64"])),
    ("read", Rule::Opened(&["read"])),
    ("setns", Rule::Opened(&["setns"])),
    ("dup2", Rule::Opened(&["dup3", "dup2"])),
    ("copy_file_range", Rule::Opened(&["copy_file_range", "sendfile"])),
    ("pidfd_open", Rule::Numbers(&["pidfd_open"])),
    ("clone3", Rule::Call(&["clone3", "clone"])),
    ("clone", Rule::Call(&["clone", "clone3", "fork", "vfork"])),
    ("clock_nanosleep", Rule::Call(&["clock_nanosleep", "nanosleep"])),
    ("exit_group", Rule::Numbers(&["exit_group"])),
    ("setresuid", Rule::Numbers(&["setresuid"])),
    ("setresgid", Rule::Numbers(&["setresgid"])),
    ("umask", Rule::Numbers(&["umask"])),
    ("capset", Rule::Call(&["capset"])),
    ("execve", Rule::Exec),
    ("sendto", Rule::Netlink),
];

/// What the trace says of one operation, taken apart.
pub struct Wanted<'a> {
    /// all of it
    pub call: &'a str,
    pub name: &'a str,
    pub arguments: &'a str,
    pub strings: Vec<Vec<u8>>,
    pub flags: Vec<&'a str>,
    /// the errors that are meant; empty for success
    pub errors: Vec<&'a str>,
    /// an undo that found its work done counts as success: see `launch::perform_undo`
    pub forgiving: bool,
    pub rule: Rule,
}

impl<'a> Wanted<'a> {
    pub fn new(call: &'a str, result: &'a str, is_undo: bool) -> Wanted<'a> {
        let (name, rest) = call.split_once('(').unwrap_or((call, ""));
        let arguments = rest.rsplit_once(')').map_or(rest, |(arguments, _)| arguments);
        // the set that is kept is not named by the kernel: each of the others is dropped by a call of its own
        let arguments = arguments.split(", all but ").next().unwrap_or_default();
        let error = result.strip_prefix("-1 ").and_then(|error| error.split(' ').next());
        let rule = TABLE.iter().find(|(known, _)| *known == name).map(|(_, rule)| *rule);
        let forgiving = is_undo && error.is_none();
        // one call for each that is dropped; those that are kept are named by none of them
        let named = arguments.split(" all but ").next().unwrap_or_default();
        let (strings, flags) = (strings(arguments), flags(named));
        let rule = match rule.unwrap_or(Rule::Call(&[])) {
            // namespaces that are named by a process: nothing is opened
            Rule::Opened(_) if name == "setns" && strings.is_empty() => Rule::Call(&[]),
            Rule::Opened(_) if name == "write" && arguments.contains(", read(") => Rule::Inherited,
            rule => rule,
        };
        Wanted { call, name, arguments, strings, flags, errors: error.into_iter().collect(), forgiving, rule }
    }

    pub fn answered(&self, call: &Call) -> bool {
        let error = call.result.strip_prefix("-1 ").and_then(|error| error.split(' ').next());
        match error {
            None => self.errors.is_empty(),
            Some(error) if self.forgiving => ["ENOENT", "ENODEV", "ESRCH", "EINVAL"].contains(&error),
            Some(error) => self.errors.contains(&error),
        }
    }

    pub fn named(&self, call: &Call, names: &[&str]) -> bool {
        if names.is_empty() { call.name == self.name } else { names.contains(&call.name.as_str()) }
    }

    pub fn same(&self, call: &Call) -> bool {
        same_strings(&self.strings, &strings(&call.arguments))
            && self.flags.iter().all(|flag| match *flag {
                // open(2) is openat(2) from the working directory
                "AT_FDCWD" => true,
                // a mask of three bits, which strace names by some of them
                "MOUNT_ATTR__ATIME" => call.arguments.contains("MOUNT_ATTR_STRICTATIME"),
                flag => call.arguments.contains(flag),
            })
            && port(self.arguments) == port(&call.arguments)
            && self.answered(call)
    }
}

/// The port of an address: `sin_port=htons(8080)`.
fn port(arguments: &str) -> Option<&str> {
    arguments.split_once("htons(")?.1.split(')').next()
}
