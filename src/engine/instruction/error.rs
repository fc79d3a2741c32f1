//! What can be wrong with an instruction, in Docker's words where Docker has some.

/// Why an instruction is none, or cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstructionError {
    /// no instruction of this name
    #[error("unknown instruction: {0}")]
    Unknown(String),
    /// an instruction that `commit -c` and `import -c` do not take
    #[error("{0} is not a valid change command")]
    NoChange(String),
    /// nothing after the name
    #[error("{0} requires at least one argument")]
    NoArgument(&'static str),
    /// none or several where there must be one
    #[error("{0} requires exactly one argument")]
    ExactlyOne(&'static str),
    /// `ENV A` without a value
    #[error("{0} must have two arguments")]
    TwoArguments(&'static str),
    /// a name is missing before `=`
    #[error("{0} names can not be blank")]
    BlankName(&'static str),
    /// a word without `=` among others that have one
    #[error("Syntax error - can't find = in {0:?}. Must be of the form: name=value")]
    NoEquals(String),
    /// a JSON list that holds something else
    #[error("when using JSON array syntax, arrays must be comprised of strings only")]
    NotStrings,
    /// `SHELL sh`
    #[error("{0} requires the arguments to be in JSON form")]
    NotJson(&'static str),
    /// `VOLUME ""`
    #[error("VOLUME specified can not be an empty string")]
    EmptyVolume,
    /// a flag that this instruction does not have
    #[error("unknown flag: {0}")]
    Flag(String),
    /// a flag without a value
    #[error("missing a value on flag: {0}")]
    FlagValue(String),
    /// `ONBUILD ONBUILD …`
    #[error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")]
    Chained,
    /// `ONBUILD FROM …`
    #[error("{0} isn't allowed as an ONBUILD trigger")]
    Trigger(String),
    /// not the number or name of a signal
    #[error("invalid signal: {0}")]
    Signal(String),
    /// not a port or a range of them
    #[error("invalid containerPort: {0}")]
    Port(String),
    /// something else than TCP, UDP and SCTP
    #[error("invalid proto: {0}")]
    Protocol(String),
    /// a health check of unknown form
    #[error("Unknown type in HEALTHCHECK (try CMD): {0}")]
    HealthType(String),
    /// `HEALTHCHECK CMD` and nothing after it
    #[error("Missing command after HEALTHCHECK CMD")]
    HealthCommand,
    /// `HEALTHCHECK NONE x`
    #[error("HEALTHCHECK NONE takes no arguments")]
    HealthNone,
    /// a flag's value that is no time, or too short a one
    #[error("--{flag}={value} is not a time of at least 1ms, such as 30s or 1m30s")]
    Duration {
        /// the flag
        flag: &'static str,
        /// what was given
        value: String,
    },
    /// a number of retries that is none
    #[error("--retries must be at least 1 (not {0})")]
    Retries(String),
    /// a quote that does not end
    #[error("unexpected end of statement while looking for matching {0}-quote")]
    Quote(&'static str),
    /// `${` that is not well formed
    #[error("bad substitution in {0:?}")]
    Substitution(String),
    /// `${A:?why}` and A is not set
    #[error("{name}: {why}")]
    Unset {
        /// the variable
        name: String,
        /// what the author wrote
        why: String,
    },
    /// a NUL byte, which no environment and no argument can hold
    #[error("{0} holds a NUL byte")]
    Nul(&'static str),
}

/// A change that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("change {line:?}: {source}")]
pub struct ChangeError {
    /// the line
    pub line: String,
    /// what is wrong with it
    pub source: InstructionError,
}
