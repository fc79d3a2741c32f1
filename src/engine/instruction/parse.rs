//! Parsing: one line becomes an instruction; variables stay as they are written.
//!
//! ```text
//!   CMD ["a", "b"]     the JSON form: a program with its arguments
//!   CMD a b            the shell form: a line for /bin/sh -c
//!   ENV A=b C="d e"    words with =, quotes kept until variables are known
//!   ENV A b c          the old form: one name, the rest is its value
//! ```
//!
//! See the Dockerfile reference. Lab 14-commit, tutorials/14-commit.md.

use super::{Health, InstructionError};

type Result<T> = std::result::Result<T, InstructionError>;

/// Words that begin with `--`, before the arguments: name and value.
pub(super) type Flags = Vec<(String, String)>;

/// A program to run, in one of the two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// with its arguments, as they are
    Exec(Vec<String>),
    /// a line for the image's shell
    Shell(String),
}

/// An instruction that changes the config and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub enum Instruction {
    /// CMD: arguments, or the program where there is no entrypoint
    Cmd(Command),
    /// ENTRYPOINT: the program
    Entrypoint(Command),
    /// ENV: names and values
    Env(Vec<(String, String)>),
    /// EXPOSE: ports
    Expose(String),
    /// HEALTHCHECK
    Healthcheck(Health),
    /// LABEL: names and values
    Label(Vec<(String, String)>),
    /// ONBUILD: an instruction for the images built on this one
    Onbuild(String),
    /// SHELL: what runs the shell form from here on
    Shell(Vec<String>),
    /// STOPSIGNAL
    Stopsignal(String),
    /// USER: name or uid, with an optional group
    User(String),
    /// VOLUME: directories
    Volume(Vec<String>),
    /// WORKDIR: a directory, from the one before where it is relative
    Workdir(String),
}

impl Instruction {
    /// Reads a logical line.
    ///
    /// # Errors
    /// [`InstructionError`], in Docker's words.
    pub fn parse(line: &str) -> Result<Instruction> {
        let line = line.trim();
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let (flags, rest) = flags(rest.trim())?;
        let upper = name.to_ascii_uppercase();
        if upper != "HEALTHCHECK"
            && let Some((flag, _)) = flags.first()
        {
            return Err(InstructionError::Flag(flag.clone()));
        }
        if line.contains('\0') {
            return Err(InstructionError::Nul("an instruction"));
        }
        Ok(match upper.as_str() {
            "CMD" => Instruction::Cmd(Command::parse(rest)?),
            "ENTRYPOINT" => Instruction::Entrypoint(Command::parse(rest)?),
            "ENV" => Instruction::Env(pairs("ENV", rest)?),
            "EXPOSE" => Instruction::Expose(some("EXPOSE", rest)?),
            "HEALTHCHECK" => Instruction::Healthcheck(Health::parse(rest, flags)?),
            "LABEL" => Instruction::Label(pairs("LABEL", rest)?),
            "ONBUILD" => Instruction::Onbuild(trigger(rest)?),
            "SHELL" => match json(rest)? {
                Some(words) if !words.is_empty() => Instruction::Shell(words),
                Some(_) => return Err(InstructionError::NoArgument("SHELL")),
                None => return Err(InstructionError::NotJson("SHELL")),
            },
            "STOPSIGNAL" => Instruction::Stopsignal(one("STOPSIGNAL", rest)?),
            "USER" => Instruction::User(one("USER", rest)?),
            "VOLUME" => {
                some("VOLUME", rest)?;
                let plain = || rest.split_whitespace().map(str::to_owned).collect();
                Instruction::Volume(json(rest)?.unwrap_or_else(plain))
            }
            "WORKDIR" => Instruction::Workdir(one("WORKDIR", rest)?),
            // the builder's own: known, but not one of these
            "ADD" | "ARG" | "COPY" | "FROM" | "MAINTAINER" | "RUN" => {
                return Err(InstructionError::NoChange(upper));
            }
            _ => return Err(InstructionError::Unknown(name.to_owned())),
        })
    }

    /// Its name, in capitals.
    pub fn name(&self) -> &'static str {
        match self {
            Instruction::Cmd(_) => "CMD",
            Instruction::Entrypoint(_) => "ENTRYPOINT",
            Instruction::Env(_) => "ENV",
            Instruction::Expose(_) => "EXPOSE",
            Instruction::Healthcheck(_) => "HEALTHCHECK",
            Instruction::Label(_) => "LABEL",
            Instruction::Onbuild(_) => "ONBUILD",
            Instruction::Shell(_) => "SHELL",
            Instruction::Stopsignal(_) => "STOPSIGNAL",
            Instruction::User(_) => "USER",
            Instruction::Volume(_) => "VOLUME",
            Instruction::Workdir(_) => "WORKDIR",
        }
    }
}

impl Command {
    /// Reads the arguments of CMD and its like.
    pub(super) fn parse(rest: &str) -> Result<Command> {
        Ok(json(rest)?.map_or_else(|| Command::Shell(rest.trim().to_owned()), Command::Exec))
    }
}

/// A JSON list of strings; none where it is no JSON list at all, which is then the other form.
fn json(rest: &str) -> Result<Option<Vec<String>>> {
    if !rest.starts_with('[') {
        return Ok(None);
    }
    match serde_json::from_str::<Vec<serde_json::Value>>(rest) {
        Err(_) => Ok(None),
        Ok(values) => {
            let text = |value: serde_json::Value| match value {
                serde_json::Value::String(text) if text.contains('\0') => {
                    Err(InstructionError::Nul("an argument"))
                }
                serde_json::Value::String(text) => Ok(text),
                _ => Err(InstructionError::NotStrings),
            };
            values.into_iter().map(text).collect::<Result<_>>().map(Some)
        }
    }
}

fn some(name: &'static str, rest: &str) -> Result<String> {
    if rest.is_empty() { Err(InstructionError::NoArgument(name)) } else { Ok(rest.to_owned()) }
}

fn one(name: &'static str, rest: &str) -> Result<String> {
    if rest.is_empty() { Err(InstructionError::ExactlyOne(name)) } else { Ok(rest.to_owned()) }
}

/// Takes the flags from the beginning; `--` alone ends them.
fn flags(mut rest: &str) -> Result<(Flags, &str)> {
    let mut found = Flags::new();
    while let Some(word) = rest.strip_prefix("--") {
        let (word, after) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
        rest = after.trim_start();
        if word.is_empty() {
            break;
        }
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        if value.is_empty() {
            return Err(InstructionError::FlagValue(name.to_owned()));
        }
        found.push((name.to_owned(), value.to_owned()));
    }
    Ok((found, rest))
}

fn trigger(rest: &str) -> Result<String> {
    let line = some("ONBUILD", rest)?;
    let first = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    match first.as_str() {
        "ONBUILD" => return Err(InstructionError::Chained),
        "FROM" | "MAINTAINER" => return Err(InstructionError::Trigger(first)),
        "ADD" | "ARG" | "COPY" | "RUN" => {}
        _ => drop(Instruction::parse(&line)?),
    }
    Ok(line)
}

/// `A=b C=d`, or `A b` in the old form; quotes stay.
fn pairs(name: &'static str, rest: &str) -> Result<Vec<(String, String)>> {
    let words = raw_words(&some(name, rest)?);
    if !words.first().is_some_and(|word| word.contains('=')) {
        let (key, value) =
            rest.split_once(char::is_whitespace).ok_or(InstructionError::TwoArguments(name))?;
        return Ok(vec![(key.to_owned(), value.trim_start().to_owned())]);
    }
    let pair = |word: &String| {
        let (key, value) = word.split_once('=').ok_or_else(|| InstructionError::NoEquals(word.clone()))?;
        match key.is_empty() {
            true => Err(InstructionError::BlankName(name)),
            false => Ok((key.to_owned(), value.to_owned())),
        }
    };
    words.iter().map(pair).collect()
}

/// Words that blanks part, but for blanks in quotes and after a backslash; nothing is taken away.
fn raw_words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            blank if blank.is_whitespace() && quote.is_none() => {
                words.push(std::mem::take(&mut word));
                continue;
            }
            '\\' if quote != Some('\'') => {
                word.push(letter);
                word.extend(letters.next());
                continue;
            }
            '\'' | '"' if quote.is_none() => quote = Some(letter),
            letter if quote == Some(letter) => quote = None,
            _ => {}
        }
        word.push(letter);
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}
