//! Spelling: Go's way of writing options, turned into ours before they are read.
//!
//! ```text
//!   -bundle DIR        --bundle DIR       one dash, where the name is longer than a letter
//!   --tty=true         --tty              a switch with a value
//!   --tty=false        (nothing)
//! ```
//!
//! Words behind the container of `exec` are the program's, and those behind that of `ps` are ps(1)'s: left alone.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Command};

/// Rewrites the words up to where a program's own words begin.
pub(super) fn go(global: &Command, args: Vec<OsString>) -> Vec<OsString> {
    let mut command = global;
    let (mut out, mut positionals) = (Vec::new(), 0);
    let mut words = args.into_iter();
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        if text == "--" {
            out.push(word);
            break;
        }
        if !text.starts_with('-') || text == "-" {
            match command.find_subcommand(text) {
                Some(found) if std::ptr::eq(command, global) => command = found,
                _ => positionals += 1,
            }
            out.push(word);
            // behind the container the words are the program's, or those of ps, whatever they look like
            if positionals > 0 && ["exec", "ps"].contains(&command.get_name()) {
                out.push("--".into());
                out.extend(words.next().filter(|word| word != "--"));
                break;
            }
            continue;
        }
        let name = text.trim_start_matches('-').split('=').next().unwrap_or_default();
        let Some(option) = find(command, global, name) else {
            out.push(word);
            continue;
        };
        let long = name.chars().count() > 1;
        let value = text.split_once('=').map(|(_, value)| value);
        match (option.get_action(), value) {
            (ArgAction::SetTrue, Some("false" | "0" | "f" | "F")) => continue,
            (ArgAction::SetTrue, Some("true" | "1" | "t" | "T")) => out.push(dashed(name, long)),
            (_, Some(value)) if long => out.push(format!("--{name}={value}").into()),
            (_, Some(_)) => out.push(word),
            (action, None) => {
                out.push(dashed(name, long));
                if !matches!(action, ArgAction::SetTrue | ArgAction::Help | ArgAction::Version) {
                    out.extend(words.next());
                }
            }
        }
    }
    out.extend(words);
    out
}

fn dashed(name: &str, long: bool) -> OsString {
    let mut word = OsString::from(if long { "--" } else { "-" });
    word.push(OsStr::new(name));
    word
}

/// The option of this name, the command's own or everybody's.
fn find<'c>(command: &'c Command, global: &'c Command, name: &str) -> Option<&'c Arg> {
    let named = |option: &&Arg| {
        let short = option.get_short().map(String::from);
        option.get_long() == Some(name) || short.as_deref() == Some(name)
    };
    command.get_arguments().find(named).or_else(|| global.get_arguments().find(named))
}
