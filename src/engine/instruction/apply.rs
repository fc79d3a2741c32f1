//! Applying: an instruction changes the config, with the variables that the config has by then.
//!
//! See the Dockerfile reference. Lab 14-commit, tutorials/14-commit.md.

use super::parse::Command;
use super::words::{expand, expand_words};
use super::{Instruction, InstructionError};
use crate::engine::config::ImageConfig;
use crate::engine::ports::{self, Wrong};
use std::path::{Component, Path, PathBuf};

type Result<T> = std::result::Result<T, InstructionError>;

/// What earlier instructions mean for later ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct Changes {
    /// a CMD was among them: one that the image below has does not outlive a new ENTRYPOINT
    cmd: bool,
}

impl Changes {
    /// Follows one instruction.
    ///
    /// # Errors
    /// [`InstructionError`], where a variable, port, signal or directory is wrong.
    pub fn apply(&mut self, instruction: &Instruction, config: &mut ImageConfig) -> Result<()> {
        let env = config.env.clone();
        let variable = |name: &str| {
            env.iter()
                .find_map(|entry| Some(entry.split_once('=')?).filter(|(key, _)| *key == name))
                .map(|(_, value)| value.to_owned())
        };
        let value = |text: &str| expand(text, variable);
        match instruction {
            Instruction::Cmd(command) => {
                config.cmd = Some(with_shell(command, config));
                self.cmd = true;
            }
            Instruction::Entrypoint(command) => {
                config.entrypoint = Some(with_shell(command, config)).filter(|words| !words.is_empty());
                if !self.cmd {
                    config.cmd = None;
                }
            }
            Instruction::Env(pairs) => {
                for (name, text) in pairs {
                    set(&mut config.env, named("ENV", value(name)?)?, value(text)?);
                }
            }
            Instruction::Expose(text) => {
                let ports = config.exposed_ports.get_or_insert_default();
                for word in expand_words(text, variable)? {
                    ports.extend(offered(&word)?.into_iter().map(|port| (port, serde_json::Map::new())));
                }
            }
            Instruction::Healthcheck(health) => config.healthcheck = serde_json::to_value(health).ok(),
            Instruction::Label(pairs) => {
                for (name, text) in pairs {
                    let name = named("LABEL", value(name)?)?;
                    config.labels.get_or_insert_default().insert(name, value(text)?);
                }
            }
            Instruction::Onbuild(line) => config.on_build.get_or_insert_default().push(line.clone()),
            Instruction::Shell(words) => config.shell = Some(words.clone()),
            Instruction::Stopsignal(text) => config.stop_signal = signal(value(text)?)?,
            Instruction::User(text) => config.user = value(text)?,
            Instruction::Volume(paths) => {
                for path in paths {
                    let path = value(path)?.trim().to_owned();
                    if path.is_empty() {
                        return Err(InstructionError::EmptyVolume);
                    }
                    config.volumes.get_or_insert_default().insert(path, serde_json::Map::new());
                }
            }
            Instruction::Workdir(text) => {
                config.working_dir = below(&config.working_dir, &value(text)?)
                    .ok_or(InstructionError::ExactlyOne("WORKDIR"))?;
            }
        }
        Ok(())
    }
}

fn with_shell(command: &Command, config: &ImageConfig) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(line) => {
            let default = || vec!["/bin/sh".to_owned(), "-c".to_owned()];
            let mut words = config.shell.clone().unwrap_or_else(default);
            words.push(line.clone());
            words
        }
    }
}

fn named(instruction: &'static str, name: String) -> Result<String> {
    if name.is_empty() { Err(InstructionError::BlankName(instruction)) } else { Ok(name) }
}

/// Sets a variable where it stands, or at the end.
fn set(env: &mut Vec<String>, name: String, value: String) {
    let same = |entry: &&mut String| entry.split('=').next() == Some(&name);
    let entry = format!("{name}={value}");
    match env.iter_mut().find(same) {
        Some(known) => *known = entry,
        None => env.push(entry),
    }
}

/// `80`, `80/udp`, `8000-8002/tcp`; of `127.0.0.1:80:8080` the last counts. Each port with its protocol.
fn offered(word: &str) -> Result<Vec<String>> {
    let (numbers, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let numbers = numbers.rsplit(':').next().unwrap_or_default();
    let wrong = || InstructionError::Port(numbers.to_owned());
    match ports::range(&format!("{numbers}/{protocol}")) {
        _ if numbers == "0-65535" => Err(wrong()),
        Err(Wrong::Protocol(protocol)) => Err(InstructionError::Protocol(protocol)),
        ports => ports.map_err(|_| wrong()),
    }
}

/// A signal by number or by name, with `SIG` or without; it stays as it was written.
fn signal(text: String) -> Result<String> {
    let known = match text.parse::<i32>() {
        Ok(number) => (1..=64).contains(&number),
        Err(_) => {
            let upper = text.to_ascii_uppercase();
            let name = upper.strip_prefix("SIG").unwrap_or(&upper);
            let number = |text: &str| text.parse::<i32>().is_ok_and(|number| (0..=30).contains(&number));
            let real_time =
                |prefix| name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || number(rest));
            SIGNALS.contains(&name)
                || real_time("RTMIN+")
                || real_time("RTMAX-")
                || ["RTMIN", "RTMAX"].contains(&name)
        }
    };
    if known { Ok(text) } else { Err(InstructionError::Signal(text)) }
}

/// The names of signal(7), without `SIG`.
const SIGNALS: [&str; 35] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "UNUSED", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// A directory from another one, without `.`, `..` and doubled slashes; none for nothing.
fn below(from: &str, path: &str) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    let mut clean = PathBuf::from("/");
    for part in Path::new("/").join(from).join(path).components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::Normal(name) => clean.push(name),
            _ => {}
        }
    }
    clean.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::change;
    use super::*;
    use serde_json::json;

    fn changed(changes: &[&str]) -> serde_json::Value {
        let mut config = ImageConfig { cmd: Some(vec!["below".into()]), ..ImageConfig::default() };
        config.env = vec!["A=old".to_owned(), "B=b".to_owned()];
        let changes: Vec<String> = changes.iter().map(|line| (*line).to_owned()).collect();
        change(&mut config, &changes).unwrap_or_else(|error| panic!("{error}"));
        serde_json::to_value(config).expect("JSON")
    }

    #[test]
    fn each_instruction_changes_its_field() {
        for (line, field, wanted) in [
            ("CMD [\"a\", \"b c\"]", "Cmd", json!(["a", "b c"])),
            ("cmd a  b", "Cmd", json!(["/bin/sh", "-c", "a  b"])),
            ("CMD [a]", "Cmd", json!(["/bin/sh", "-c", "[a]"])),
            ("CMD []", "Cmd", json!([])),
            ("ENTRYPOINT [\"x\"]", "Entrypoint", json!(["x"])),
            ("ENTRYPOINT [\"x\"]", "Cmd", json!(null)),
            ("ENV A=new C='c d'", "Env", json!(["A=new", "B=b", "C=c d"])),
            ("ENV A=$B-$A", "Env", json!(["A=b-old", "B=b"])),
            ("ENV C c  \"d\" ", "Env", json!(["A=old", "B=b", "C=c  d"])),
            (
                "EXPOSE 80 53/UDP 7000-7002 $C",
                "ExposedPorts",
                json!({"80/tcp": {}, "53/udp": {}, "7000/tcp": {}, "7001/tcp": {}, "7002/tcp": {}}),
            ),
            ("LABEL a=b \"c d\"=\"e $B\" f=", "Labels", json!({"a": "b", "c d": "e b", "f": ""})),
            ("ONBUILD  RUN x  y", "OnBuild", json!(["RUN x  y"])),
            ("USER www:$B", "User", json!("www:b")),
            ("VOLUME /a /$B", "Volumes", json!({"/a": {}, "/b": {}})),
            ("VOLUME [\"/a b\"]", "Volumes", json!({"/a b": {}})),
            ("WORKDIR a/../$B", "WorkingDir", json!("/b")),
            ("STOPSIGNAL SIGRTMIN+3", "StopSignal", json!("SIGRTMIN+3")),
            ("STOPSIGNAL 9", "StopSignal", json!("9")),
            ("HEALTHCHECK NONE", "Healthcheck", json!({"Test": ["NONE"]})),
            (
                "HEALTHCHECK --interval=1m --retries=3 CMD a || b",
                "Healthcheck",
                json!({"Test": ["CMD-SHELL", "a || b"], "Interval": 60_000_000_000_i64, "Retries": 3}),
            ),
            ("HEALTHCHECK CMD [\"a\"]", "Healthcheck", json!({"Test": ["CMD", "a"]})),
        ] {
            assert_eq!(changed(&[line])[field], wanted, "{line}");
        }
        let both = changed(&["CMD x", "ENTRYPOINT [\"y\"]"]);
        assert_eq!((&both["Cmd"][2], &both["Entrypoint"][0]), (&json!("x"), &json!("y")));
        assert_eq!(changed(&["WORKDIR /a", "WORKDIR b/./c", "WORKDIR .."])["WorkingDir"], "/a/b");
        assert_eq!(changed(&["ENV X=1 \\", "# no", " Y=2"])["Env"], json!(["A=old", "B=b", "X=1", "Y=2"]));
    }

    #[test]
    fn what_docker_refuses_is_refused_in_its_words() {
        for (line, words) in [
            ("RUN x", "RUN is not a valid change command"),
            ("SHELL [\"x\"]", "SHELL is not a valid change command"),
            ("NOPE x", "unknown instruction: NOPE"),
            ("ENV", "ENV requires at least one argument"),
            ("ENV A", "ENV must have two arguments"),
            ("ENV A=b c", "can't find = in \"c\""),
            ("ENV =b", "ENV names can not be blank"),
            ("ENV A='b", "looking for matching single-quote"),
            ("USER", "USER requires exactly one argument"),
            ("WORKDIR", "WORKDIR requires exactly one argument"),
            ("CMD [\"a\", 1]", "arrays must be comprised of strings only"),
            ("CMD --x a", "missing a value on flag: x"),
            ("CMD --x=y a", "unknown flag: x"),
            ("EXPOSE 99999", "invalid containerPort: 99999"),
            ("EXPOSE 8-7", "invalid containerPort: 8-7"),
            ("EXPOSE 8/icmp", "invalid proto: icmp"),
            ("STOPSIGNAL SIGNO", "invalid signal: SIGNO"),
            ("VOLUME [\"\"]", "VOLUME specified can not be an empty string"),
            ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD"),
            ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
            ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
            ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
            ("HEALTHCHECK NONE x", "takes no arguments"),
            ("HEALTHCHECK RUN x", "(try CMD): RUN"),
            ("HEALTHCHECK --interval=5 CMD x", "--interval=5 is not a time"),
            ("HEALTHCHECK --retries=0 CMD x", "--retries must be at least 1 (not 0)"),
        ] {
            let error = change(&mut ImageConfig::default(), &[line.to_owned()]).expect_err(line).to_string();
            assert!(error.contains(words) && error.starts_with("change \""), "{line}: {error}");
        }
    }
}
