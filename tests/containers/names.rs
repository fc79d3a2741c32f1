//! A name is one container's, however many ask for it at the same moment.

use support::site::Site;

/// One command gets the name, whatever it is; the others are told who has it, with the exit code of each.
#[test]
fn one_of_many_gets_the_name() {
    for site in [Site::ours(), Site::nobody()] {
        site.says("$S run --rm stepbox/base true");
        let run = "$S run --name red --network none stepbox/base true";
        let all_run = [run; 4].map(|command| (command, 125));
        let mixed = [
            (run, 125),
            ("$S run -d --name red --network none stepbox/base true", 125),
            ("$S create --name red stepbox/base true", 1),
            ("$S rename blue red", 1),
        ];
        for commands in [all_run, mixed, all_run, mixed, all_run] {
            let begin: String = (0..4)
                .map(|number| {
                    let command = commands[number].0;
                    format!(
                        "{{ {command} >/dev/null 2>$D/state/said.{number}; echo $? >$D/state/code.{number}; }} & "
                    )
                })
                .collect();
            let out = site.says(&format!(
                "$S create --name blue stepbox/base true >/dev/null; {begin} wait; \
                 for n in 0 1 2 3; do echo $(cat $D/state/code.$n) \
                     $(grep -c 'Conflict. The container name \"/red\" is already in use by container \"[0-9a-f]*\"' \
                       $D/state/said.$n); done; \
                 $S ps -a --format '{{{{.Names}}}}' | grep -cx red; ls $D/state/run/names | wc -l; \
                 $S rm -f red >/dev/null; $S rm blue >/dev/null 2>&1; rm $D/state/said.* $D/state/code.*"
            ));
            let lines: Vec<&str> = out.lines().collect();
            let won = |line: &&&str| **line == "0 0";
            assert_eq!(lines[..4].iter().filter(won).count(), 1, "{commands:?}: {out}");
            for (line, (command, code)) in lines.iter().zip(commands) {
                assert!(won(&line) || **line == format!("{code} 1"), "{command}: {out}");
            }
            assert_eq!(lines[4..], ["1", "0"], "{out}");
        }
        site.assert_clean();
    }
}

/// Begins a run that is told what it does into a pipe that is full, and so stands before its first step; `$run` is its
/// number.
const BEFORE_ITS_FIRST_STEP: &str = "mkfifo $D/state/told; exec 3<>$D/state/told; \
     dd if=/dev/zero bs=4096 count=16 >&3 2>/dev/null; \
     $S run --explain --rm --name red --network none stepbox/base echo first 2>$D/state/told 3>&- & run=$!; \
     until ls $D/state/run/journal/*.journal >/dev/null 2>&1; do sleep 0.02; done;";

#[test]
fn a_run_that_has_not_begun_has_its_name() {
    for site in [Site::ours(), Site::nobody()] {
        site.says("$S run --rm stepbox/base true");
        let out = site.says(&format!(
            "{BEFORE_ITS_FIRST_STEP} ls $D/state/containers | wc -l; id=$(ls $D/state/run/names); \
             for verb in run create; do $S $verb --name red stepbox/base echo second 2>&1 >/dev/null | \
                 grep -c \"name .*/red.* by container .*$id\"; done; \
             cat <&3 >/dev/null & wait $run; ls $D/state/run/names | wc -l; kill $!; rm $D/state/told; \
             $S run --rm --name red --network none stepbox/base echo third"
        ));
        assert_eq!(out, "0\n1\n1\nfirst\n0\nthird\n");
        site.assert_clean();
    }
}

/// The name is free in the moment of the kill, and what is left of it goes with whoever comes next.
#[test]
fn a_name_does_not_outlive_whoever_reserved_it() {
    for site in [Site::ours(), Site::nobody()] {
        site.says("$S run --rm stepbox/base true");
        for (next, said) in [
            ("$S run --rm --name red --network none stepbox/base echo second", "second\n"),
            ("$S clean >/dev/null", ""),
            (
                "$S system check | grep -o 'reserved this name'; $S system check --repair >/dev/null",
                "reserved this name\n",
            ),
        ] {
            let out = site.says(&format!(
                "{BEFORE_ITS_FIRST_STEP} kill -9 $run; wait $run 2>/dev/null; rm $D/state/told; \
                 ls $D/state/run/names | wc -l; {next}; ls $D/state/run/names | wc -l; $S clean >/dev/null"
            ));
            assert_eq!(out, format!("1\n{said}0\n"), "{next}");
            site.assert_clean();
        }
    }
}
