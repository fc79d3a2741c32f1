//! The three renderers of one trace: text, JSON and the page.

#[path = "trace/browser.rs"]
mod browser;
#[path = "trace/sample.rs"]
mod sample;

use std::path::{Path, PathBuf};

use browser::Browser;
use stepbox::trace::stable::Labels;
use stepbox::trace::text::Text;
use stepbox::trace::text::terminal::escape;
use stepbox::trace::{Event, Lane, PlanLine, Trace, html, json};

fn narrated(events: &[Event], colour: bool, width: usize) -> String {
    let mut out = Vec::new();
    let mut text = Text::new(&mut out, colour).width(width);
    events.iter().for_each(|event| text.event(event).expect("a buffer takes every write"));
    String::from_utf8(out).expect("text is UTF-8")
}

fn page(trace: &Trace) -> String {
    let mut out = Vec::new();
    html::write(trace, &mut out).expect("a buffer takes every write");
    String::from_utf8(out).expect("the page is UTF-8")
}

#[test]
fn text_without_colour() {
    insta::assert_snapshot!(narrated(&sample::trace().events, false, 100));
}

#[test]
fn text_with_colour() {
    let text = narrated(&sample::trace().events[..6], true, 100);
    insta::assert_snapshot!(text.replace('\x1b', "\\e"));
}

#[test]
fn text_for_a_narrow_terminal() {
    let text = narrated(&sample::trace().events[..6], false, 60);
    assert!(text.lines().all(|line| line.chars().count() <= 60), "a line is too wide:\n{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn dry_run() {
    let line = |index, lane, name: &str, why: &str, call: &str, undo: Option<&str>| PlanLine {
        index,
        lane,
        name: name.into(),
        why: why.into(),
        call: call.into(),
        undo: undo.map(Into::into),
    };
    let lines = [
        line(1, Lane::Host, "make upper", "every write lands here", "mkdir(\"[LAB]/upper\", 0755)", None),
        line(
            2,
            Lane::Host,
            "mount proc",
            "",
            "mount(\"proc\", \"/proc\", \"proc\", 0, NULL)",
            Some("umount2(\"/proc\", 0)"),
        ),
        line(12, Lane::Container, "name the box", "", "sethostname(\"box\", 3)", None),
    ];
    let mut out = Vec::new();
    Text::new(&mut out, false).plan(&lines).expect("a buffer takes every write");
    insta::assert_snapshot!(String::from_utf8(out).expect("text is UTF-8"));
}

#[test]
fn long_evidence_is_cut_and_unchanged_evidence_is_shown_once() {
    let keys: Vec<String> = (1..=30).map(|n| format!("file{n}")).collect();
    let pairs: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "file 0")).collect();
    let look = |before, after| {
        let evidence = vec![sample::change("tree", "[LAB]", "[LAB]", before, after)];
        Event::Step(sample::step(Lane::Host, "look", "", "stat(\"[LAB]\")", "0", evidence))
    };
    let events = [look(&pairs, &pairs), look(&pairs, &pairs), look(&pairs, &[])];
    let text = narrated(&events, false, 100);
    let counts = text.lines().filter(|line| line.contains('…')).map(str::trim).collect::<Vec<_>>();
    assert_eq!(counts, ["… 18 more", "… 6 more"]);
    assert_eq!(text.matches("file12").count(), 2, "once at the first look, once when it is gone:\n{text}");
}

#[test]
fn no_escape_sequence_reaches_the_terminal() {
    assert_eq!(escape("a\x1b[2J\u{9b}b\r\n\t\u{202e}한"), "a\\x1b[2J\\x9bb\\r\\n\\t\\u{202e}한");
    let hostile = "\x1b]0;owned\x07";
    let evidence = vec![sample::change(hostile, hostile, hostile, &[(hostile, hostile)], &[])];
    let mut events = vec![Event::Act { title: hostile.into(), text: hostile.into() }];
    events.push(Event::Step(sample::step(Lane::Host, hostile, hostile, hostile, hostile, evidence.clone())));
    events.push(Event::Scope { name: hostile.into(), why: hostile.into(), evidence, micros: 0 });
    events.push(Event::Undo { index: 1, name: hostile.into(), call: hostile.into(), result: hostile.into() });
    events.push(Event::End { outcome: hostile.into(), exit_code: None });
    assert!(!narrated(&events, false, 100).contains(|c: char| c.is_control() && c != '\n'));
}

#[test]
fn labels_are_numbered_by_first_appearance() {
    let mut labels = Labels::default();
    assert_eq!(labels.apply("net:[4026531840] and pid:[4026531836]"), "net:[NS1] and pid:[NS2]");
    assert_eq!(labels.apply("…pid_for_children:[4026531836]"), "…pid_for_children:[NS2]");
    let others = "socket:[4026531840] pid:[] pid:[12 pid:[x] [4026531840]";
    assert_eq!(labels.apply(others), others);
    let legend = [("NS1", "4026531840"), ("NS2", "4026531836")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(labels.legend(), legend);
}

#[test]
fn ids_are_short_and_digests_are_whole() {
    let id = "0123456789abcdef".repeat(4);
    let call = format!("mkdir(\"/containers/{id}/upper\", \"sha256:{id}\", \"{id}0\")");
    let said = narrated(&[Event::Step(sample::step(Lane::Host, "s", "", &call, "0", vec![]))], false, 300);
    let short = format!("mkdir(\"/containers/0123456789ab\u{2026}/upper\", \"sha256:{id}\", \"{id}0\") = 0");
    assert!(said.contains(&short), "{said}");
}

#[test]
fn json_comes_back_as_it_went() {
    let trace = sample::trace();
    let mut file = Vec::new();
    json::write(&trace, &mut file).expect("a buffer takes every write");
    assert_eq!(json::read(&file[..]).expect("read what was written"), trace);
    insta::assert_json_snapshot!(serde_json::to_value(&trace.events[3]).expect("an event is JSON"));
}

#[test]
fn json_of_another_kind_is_refused() {
    let read = |text: &str| json::read(text.as_bytes()).expect_err("no trace").to_string();
    assert_eq!(read(r#"{"schema":"x","version":1}"#), "not a trace: schema is \"x\", not \"stepbox-trace\"");
    let newer = read(r#"{"schema":"stepbox-trace","version":99}"#);
    assert_eq!(newer, "trace version 99, but this stepbox reads version 1: write the trace again");
    assert!(read("[]").starts_with("not a trace: "));
}

#[test]
fn the_page_loads_nothing() {
    let page = page(&sample::trace());
    for needle in
        ["src=\"", "href=\"http", "@import", "url(", "fetch(", "XMLHttpRequest", "innerHTML", "import("]
    {
        assert!(!page.contains(needle), "the page holds {needle}");
    }
    let others = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!others.contains("http://") && !others.contains("https://"), "the page names another site");
    assert!(page.contains("default-src 'none'"), "no policy forbids it to load anything");
}

/// A trace whose every text tries to leave its place.
fn hostile() -> Trace {
    let evil = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">{{script}}\u{2028}";
    let mut trace = Trace::new(evil, evil, evil, evil);
    let evidence = ["tree", "namespaces", "links", "cgroup", "caps", "ids", "layers", evil]
        .map(|kind| sample::change(kind, evil, evil, &[], &[(evil, evil), ("upper/</script><b>", evil)]));
    let mut step = sample::step(Lane::Host, evil, evil, evil, evil, evidence.to_vec());
    step.index = 1;
    trace.events = vec![Event::Act { title: evil.into(), text: evil.into() }, Event::Step(step)];
    trace
}

#[test]
fn a_hostile_name_stays_text() {
    let page = page(&hostile());
    let data =
        page.split("id=\"trace\">").nth(1).and_then(|tail| tail.split("</script>").next()).expect("the data");
    let data: serde_json::Value = serde_json::from_str(data).expect("the data is whole");
    assert_eq!(data["trace"], serde_json::to_value(hostile()).expect("a trace is JSON"));
    assert_eq!(page.matches("<script").count(), 2, "the data and the viewer, nothing else");
    assert!(!page.contains("<img"));
}

/// A directory of this test's own, empty.
fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("make the test's directory");
    directory
}

/// Opens the trace's page in a browser, where one is installed.
fn opened(name: &str, trace: &Trace) -> Option<Browser> {
    let Some(program) = browser::installed() else {
        support::skip(name, "no chromium or google-chrome in PATH");
        return None;
    };
    let directory = scratch(name);
    let file = directory.join("page.html");
    std::fs::write(&file, page(trace)).expect("write the page");
    let mut browser = Browser::open(&program, &directory.join("profile"), &file, (1280, 800));
    browser.wait_for("!document.getElementById('app').hidden");
    Some(browser)
}

/// The step's heading, its call and which figure is marked as changed.
fn seen(browser: &mut Browser) -> [String; 4] {
    ["#card .count", "#card h2", "#card .call code", "#picture .hot figcaption"]
        .map(|part| browser.text(part))
}

#[test]
fn the_page_steps_forward_and_back() {
    let Some(mut browser) = opened("the_page_steps_forward_and_back", &sample::trace()) else { return };
    assert_eq!(browser.text("#card h2"), "What happens before a container's first instruction?");
    (0..4).for_each(|_| browser.press("ArrowRight"));
    let fourth = seen(&mut browser);
    let figure = "Files, layer on layerchanged here";
    assert_eq!(fourth, ["step 4 of 13", "delete fileA", "unlink(\"[LAB]/merged/fileA\")", figure]);
    assert_eq!(browser.count("#picture .file.whiteout"), 1, "upper holds a whiteout");
    assert_eq!(browser.text("#live"), "step 4: host, delete fileA. Result 0.");
    assert_eq!(browser.evaluate("location.hash"), "#4");

    browser.press("k");
    assert_eq!(seen(&mut browser)[..2], ["step 3 of 13", "append to fileA"]);
    assert_eq!(browser.count("#picture .file.whiteout"), 0, "the picture goes back too");
    browser.press("j");
    assert_eq!(seen(&mut browser), fourth, "the same step looks the same again");

    browser.press("End");
    assert_eq!(browser.text("#card h2"), "finished; everything undone");
    browser.press("ArrowLeft");
    assert_eq!(browser.text("#card h2"), "undo 1: make merged");
    browser.press("Home");
    assert_eq!(browser.count("#picture figure"), 0, "nothing was seen before the first step");
}

#[test]
fn the_page_takes_clicks_the_scrubber_and_addresses() {
    let Some(mut browser) = opened("the_page_takes_clicks_the_scrubber_and_addresses", &sample::trace())
    else {
        return;
    };
    browser.evaluate("location.hash = '#5'");
    browser.wait_for("document.querySelector('#card h2').textContent === 'clone the box'");
    assert_eq!(browser.text("#picture .hot figcaption"), "Namespaceschanged here");
    assert_eq!(browser.count("#picture .chip.box.own"), 5);
    assert_eq!(browser.count("#picture .chip.box.shared"), 3);
    let label =
        "[...document.querySelectorAll('#evidence .ns')].find((ns) => ns.textContent === 'pid:[NS10]').title";
    assert_eq!(browser.evaluate(label), "pid:[4026532203]");

    browser.evaluate("document.querySelector('.stop[data-at=\"8\"]').click()");
    assert_eq!(browser.text("#card h2"), "lay the cable");
    assert_eq!(browser.count("#picture g.cable"), 1, "one cable joins two ports");
    browser.evaluate(
        "{ const s = document.getElementById('scrub'); s.value = 11; s.dispatchEvent(new Event('input')); }",
    );
    assert_eq!(seen(&mut browser)[1..2], ["drop capabilities"]);
    assert_eq!(browser.count("#picture .cap.on"), 14);
    browser.evaluate("location.hash = '#@12'");
    browser.wait_for("document.querySelector('#card h2').textContent === 'hash the layer'");
}

#[test]
fn a_hostile_name_does_not_run() {
    let Some(mut browser) = opened("a_hostile_name_does_not_run", &hostile()) else { return };
    browser.press("ArrowRight");
    assert_eq!(browser.text("#card .count"), "step 1 of 1");
    assert_eq!(
        browser.count("#picture figure"),
        8,
        "every kind of figure stands a text that is not meant for it"
    );
    let size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight].join()";
    assert_eq!(browser.evaluate(size), "1280,800", "long words do not widen the page, and its panes scroll");
    browser.resize((390, 844));
    let wide = "document.documentElement.scrollWidth > innerWidth";
    assert_eq!(browser.evaluate(wide), false, "nor do they on a small screen");
    browser.evaluate("dispatchEvent(new Event('beforeprint'))");
    assert_eq!(browser.count("img, #app script, #print script"), 0);
    assert_ne!(browser.evaluate("document.title"), "owned");
}

#[test]
fn trees_of_several_directories_are_drawn_as_stacks() {
    let mut trace = Trace::new("stacks", "", "toy", "");
    let one =
        sample::change("tree", "[LAB]", "[LAB]", &[], &[("lower1/a", "file 0"), ("a/upper/b", "file 0")]);
    let two = sample::change("tree", "/b/lower", "/b/lower", &[], &[("c/d", "file 0")]);
    let mount = r#"mount("overlay", "m", "overlay", 0, "lowerdir=/x/lower2:/x/lower1,upperdir=/x/upper")"#;
    let three = sample::change(
        "tree",
        "/x",
        "/x",
        &[],
        &[("lower1/", "dir"), ("lower2/", "dir"), ("merged/", "dir")],
    );
    trace.events =
        vec![Event::Step(sample::step(Lane::Host, "mount", "", mount, "0", vec![one, two, three]))];
    let Some(mut browser) = opened("trees_of_several_directories_are_drawn_as_stacks", &trace) else {
        return;
    };
    browser.press("ArrowRight");
    let drawn =
        browser.evaluate("[...document.querySelectorAll('#picture svg')].map((s) => s.ariaLabel).join('; ')");
    assert_eq!(drawn, "layers: lower1; layers: upper; layers: lower; layers: merged over lower2 over lower1");
    assert_eq!(browser.text("#picture .stacks .file .name"), "a");
}

#[test]
fn pictures_say_what_probes_of_this_machine_say() {
    let few = stepbox::kernel::flags::capabilities(0xa80425fb);
    let caps = |now: &str| {
        sample::change("caps", "box", "/proc/[BOX]/status", &[], &[("CapEff", now), ("CapBnd", "all")])
    };
    let host = [
        ("br0", "bridge up 10.9.0.1/24 02:42:0a:09:00:01"),
        ("red0", "veth up master br0 peer elsewhere"),
        ("route default", "via 203.0.113.1 dev eth0"),
        ("br0 learnt 02:42:0a:09:00:02", "behind red0"),
    ];
    let inside = [("lo", "loopback up 127.0.0.1/8"), ("eth0", "veth up 10.9.0.2/24 peer elsewhere")];
    let id = "0123456789abcdef".repeat(4);
    let long = format!("mkdir(\"/containers/{id}\", \"sha256:{id}\")");
    let cable = "sendto(netlink, RTM_NEWLINK red0 kind=veth peer=eth0 peer address=02:42 peer netns=[BOX])";
    let links = vec![
        sample::change("links", "host", "netlink", &[], &host),
        sample::change("links", "box", "netlink", &[], &inside),
    ];
    let mut trace = Trace::new("pictures", "", "toy", "");
    let step =
        |call: &str, result: &str, evidence| sample::step(Lane::Host, "a step", "", call, result, evidence);
    let mut steps = vec![
        step("clone3({})", "[BOX]", vec![caps("all")]),
        step(&long, "0", vec![caps(&few)]),
        step(cable, "0", links),
        step("clone3({})", "[BOX]", vec![]),
    ];
    for (at, step) in steps.iter_mut().enumerate() {
        (step.index, step.total) = (at + 1, 3);
    }
    trace.events = steps.into_iter().map(Event::Step).collect();
    let undo = "umount2(\"/\", 0)";
    trace.events.push(Event::Undo { index: 3, name: "a step".into(), call: undo.into(), result: "0".into() });
    trace.events.push(Event::Step(sample::step(
        Lane::Host,
        "afterwards",
        "",
        "mkdir(\"a\", 0755)",
        "0",
        vec![],
    )));

    let Some(mut browser) = opened("pictures_say_what_probes_of_this_machine_say", &trace) else { return };
    browser.press("ArrowRight");
    assert_eq!(browser.count("#picture .cap.on"), 41, "all");
    assert_eq!(browser.text("#card .count"), "step 1 of 5", "of the whole lab, not of its first plan");
    browser.press("ArrowRight");
    assert_eq!(
        browser.text("#card .call code"),
        format!("mkdir(\"/containers/0123456789ab…\", \"sha256:{id}\")")
    );
    assert_eq!(browser.count("#picture .cap.on"), 14, "names between bars");
    assert_eq!(browser.count("#picture .cap.possible"), 27);
    browser.press("ArrowRight");
    assert_eq!(browser.count("#picture g.link"), 4, "a route is no link, nor is what a bridge has learnt");
    assert_eq!(browser.count("#picture g.link.down"), 0);
    assert_eq!(browser.count("#picture g.cable"), 1, "the call says where the other end lies");
    browser.press("ArrowRight");
    assert_eq!(browser.count("#picture .cap.on"), 0, "another box: nobody has looked at it yet");
    assert_eq!(browser.count("#picture g.link"), 2, "the host is the same");
    (0..2).for_each(|_| browser.press("ArrowRight"));
    assert_eq!(browser.text("#card h2"), "afterwards");
    assert_eq!(browser.count("#picture figure"), 0, "what was seen before the undo is no state any more");
}
