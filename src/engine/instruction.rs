//! Instructions: the lines of a Dockerfile that change what an image says of its program.
//!
//! ```text
//!   "ENV A=b"  ─ lines ─> "ENV" "A=b"  ─ parse ─> Instruction::Env  ─ apply ─> ImageConfig
//!                                        quotes, JSON    │          $A, ${A:-b}
//!   commit -c, import -c: one instruction each ──────────┘
//! ```
//!
//! What Docker accepts is accepted, with Docker's words where it is not. See the Dockerfile reference. Lab 14-commit,
//! tutorials/14-commit.md.

mod apply;
mod error;
mod health;
mod lines;
mod parse;
mod words;

pub use apply::Changes;
pub use error::{ChangeError, InstructionError};
pub use health::{Health, duration};
pub use parse::{Command, Instruction};
pub use words::{expand, expand_words};

use super::config::ImageConfig;

/// What `commit -c` and `import -c` take; Docker's list.
const CHANGES: [&str; 11] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Changes a config as the options `-c` say, which Docker reads as one small Dockerfile.
///
/// # Errors
/// [`ChangeError`], with the line; the config is then half changed, and the caller's to throw away.
pub fn change(config: &mut ImageConfig, changes: &[String]) -> Result<(), ChangeError> {
    let mut state = Changes::default();
    for line in lines::logical(&changes.join("\n")) {
        let wrong = |source| ChangeError { line: line.clone(), source };
        let instruction = Instruction::parse(&line).map_err(wrong)?;
        if !CHANGES.contains(&instruction.name()) {
            return Err(wrong(InstructionError::NoChange(instruction.name().to_owned())));
        }
        state.apply(&instruction, config).map_err(wrong)?;
    }
    Ok(())
}
