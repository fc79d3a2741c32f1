//! Lab 00: the machine itself, one question to the kernel at a time. Chapter: tutorials/00-doctor.md.

use std::convert::Infallible;
use std::process::ExitCode;

use stepbox::doctor::{COMMAND, Check, Finding, Machine, Report, Status, Way, examinations};
use stepbox::lab::{self, LabError, Stage};
use stepbox::launch::LaunchError;
use stepbox::trace::{Change, Fact};

fn main() -> ExitCode {
    lab::main_on_machine("00-doctor", |stage| {
        let machine = Machine::read("/".as_ref());
        let mut checks = Vec::new();
        for examination in examinations(&machine) {
            let finding = match &examination.way {
                Way::Try(plan) => match stage.run(plan) {
                    Ok(()) => (examination.judge)(&machine, Ok(())),
                    Err(LabError::Launch(LaunchError::Step(error))) => {
                        (examination.judge)(&machine, Err(&error))
                    }
                    Err(other) => return Err(other),
                },
                Way::Look(_) if stage.dry() => Finding::works(""),
                Way::Look(look) => {
                    stage.act(examination.name, examination.why);
                    look(&machine)
                }
            };
            let why = "what the kernel's answer means, and the remedy";
            tell(stage, examination.name, why, [(examination.name, &finding)].into_iter())?;
            checks.push(Check { name: examination.name.into(), finding });
        }
        let report = Report::new(machine, checks);
        stage.act("lab by lab", "Each lab is worth as much as the least of what it stands on.");
        let rows = report.labs.iter().map(|row| (row.name.as_str(), &row.finding));
        tell(stage, "weigh the findings", "stepbox doctor prints the same as a table", rows)
    })
}

/// Findings as evidence, which is how a trace keeps them.
fn tell<'a>(
    stage: &mut Stage,
    name: &str,
    why: &str,
    findings: impl Iterator<Item = (&'a str, &'a Finding)>,
) -> Result<(), LabError> {
    let mut after = Vec::new();
    for (name, finding) in findings {
        let word = match finding.status {
            Status::Works => "works",
            Status::Reduced => "reduced",
            Status::Blocked => "blocked",
        };
        let colon = if finding.reason.is_empty() { "" } else { ": " };
        after.push(Fact::new(name, format!("{word}{colon}{}", finding.reason)));
        let fix = finding.fix.iter().map(|fix| fix.replace(COMMAND, "stepbox doctor"));
        after.extend(fix.map(|value| Fact::new(format!("{name} fix"), value)));
    }
    let change = Change {
        kind: "file".into(),
        subject: "host".into(),
        source: "doctor".into(),
        before: Vec::new(),
        after,
    };
    stage.scope(name, why, &[], || Ok::<_, Infallible>(vec![change]))
}
