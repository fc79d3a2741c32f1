//! The `stepbox` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    stepbox::cli::main()
}
