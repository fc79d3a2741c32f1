//! Docker's own answers, recorded: tests/images/templates.txt.

use serde_json::{Value, json};

use super::{Template, TemplateError, Types};

const IMAGE: Types = Types {
    name: None,
    maps: &["Labels", "ExposedPorts", "Volumes"],
    lists: &["Entrypoint", "Env", "Cmd"],
    marshals: false,
    headings: false,
};

fn image() -> Value {
    json!({
        "RepoTags": ["box:1"], "Os": "linux", "Architecture": "amd64", "Size": 6,
        "Config": {
            "User": "", "Tty": false, "Env": ["A=b", "PATH=/bin:/usr/bin"], "Cmd": ["sh"], "Volumes": null,
            "Entrypoint": null, "Labels": {"html": "<a>&b", "num": "42", "x": "y"}, "ExposedPorts": {"80/tcp": {}},
        },
        "RootFS": {"Type": "layers", "Layers": ["sha256:66bb"]},
        "Metadata": {"LastTagTime": "2026-11-21T12:08:20Z"},
    })
}

/// What the template says, with the letters and the exit code of the recording.
fn answer(text: &str) -> String {
    let lines =
        |mark: &str, text: &str| text.lines().map(|line| format!("{mark} {line}\n")).collect::<String>();
    match Template::parse(text).and_then(|template| template.run(&image(), IMAGE)) {
        Ok(out) => lines("O", &(out + "\n")),
        Err(error) => {
            let code = if matches!(error, TemplateError::Parse { .. }) { 64 } else { 1 };
            format!("{}C {code}\n", lines("E", &error.to_string()))
        }
    }
}

#[test]
fn templates_say_what_dockers_say() {
    let recorded = include_str!("../../../tests/images/templates.txt");
    let mut blocks: Vec<(&str, String)> = Vec::new();
    for line in recorded.lines().filter(|line| !line.starts_with('#')) {
        match (line.strip_prefix("T "), blocks.last_mut()) {
            (Some(template), _) => blocks.push((template, String::new())),
            (None, Some((_, wanted))) => *wanted += &format!("{line}\n"),
            (None, None) => panic!("{line} belongs to no template"),
        }
    }
    assert!(blocks.len() > 120, "{}", blocks.len());
    let differs = |(template, wanted): &(&str, String)| {
        let said = answer(template);
        (said != *wanted).then(|| format!("{template}\n- {wanted}+ {said}"))
    };
    let wrong: Vec<String> = blocks.iter().filter_map(differs).collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn lines_and_columns_of_later_lines_are_told() {
    let said = answer("a\nb {{.Os}}\n  {{.NoSuch}}");
    assert!(
        said.starts_with("E template parsing error: template: :3:4: executing \"\" at <.NoSuch>"),
        "{said}"
    );
    assert!(answer("a\n{{if}}").starts_with("E template parsing error: template: :2: missing value"));
}

/// Docker's Go has a stack that grows, and memory that it is refused by an error; this program would be aborted.
#[test]
fn no_template_takes_the_program_down() {
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        answer(&format!("{}{inner}{}", open.repeat(times), close.repeat(times)))
    };
    let within = |times| nested("{{if true}}", "x", "{{end}}", times);
    assert_eq!(within(200), "O x\n");
    let too_deep = "E template parsing error: template: :1: max expression depth exceeded: 200\nC 64\n";
    assert_eq!(within(201), too_deep);
    assert_eq!(nested("{{if false}}{{else}}", "x", "{{end}}", 10_000), too_deep);
    assert_eq!(answer(&format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(10_000))), too_deep);
    assert_eq!(answer(&format!("{{{{{}1{}}}}}", "(".repeat(10_000), ")".repeat(10_000))), too_deep);
    for blanks in ["1000001", "99999999999", "9223372036854775807"] {
        let said = answer(&format!("{{{{pad \"x\" {blanks} 0}}}}"));
        assert!(
            said.contains(&format!("error calling pad: {blanks} blanks are more than 1000000")),
            "{said}"
        );
    }
}

#[test]
fn what_is_left_out_is_refused_by_name() {
    for word in ["define \"x\"", "template \"x\"", "block \"x\" ."] {
        let said = answer(&format!("{{{{{word}}}}}x{{{{end}}}}"));
        assert!(said.contains("is not part of this --format"), "{said}");
    }
    assert!(answer("{{call .Os}}").contains("function \"call\" not defined"));
}

/// No text makes it panic or run without end.
#[test]
fn pieces_of_templates_in_any_order() {
    let pieces = [
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        ".",
        "$x",
        ":=",
        "=",
        "|",
        "(",
        ")",
        "\"a\"",
        "`",
        "'",
        "1",
        "-",
        "0x",
        "range",
        "if",
        "else",
        "end",
        "with",
        "index",
        "printf",
        "\"%d%*[3]s\"",
        ",",
        "\\",
        "é",
        "/*",
        "*/",
        ".Config",
        "nil",
        "\n",
        "%",
    ];
    let mut seed: u64 = 42;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text += pieces[(seed >> 33) as usize % pieces.len()];
        }
        answer(&text);
        answer(&format!("{{{{{text}}}}}"));
    }
}
