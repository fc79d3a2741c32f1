//! Links that a hostile container puts in the way, and exchanges while we work: nothing of the host is read or written
//! (CVE-2018-15664, CVE-2019-14271).

use std::path::Path;
use std::time::{Duration, Instant};

use crate::place::{ours, while_running};

/// Tells this test that it is the one who exchanges, and where.
const RACE: &str = "STEPBOX_RACE";

/// The one who exchanges, a process of its own that somebody ends: a directory and a link to the host.
fn race(place: &Path) {
    let directory = std::fs::File::open(place).expect("the place of the race");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        let how = rustix::fs::RenameFlags::EXCHANGE;
        for (one, other) in [("a", "b"), ("f", "g")] {
            // one of them may just be replaced
            let _ = rustix::fs::renameat_with(&directory, one, &directory, other, how);
        }
    }
}

#[test]
fn links_that_change_while_we_work() {
    if let Some(place) = std::env::var_os(RACE) {
        return race(Path::new(&place));
    }
    let Some(site) = ours("links_that_change_while_we_work") else { return };
    let outside = site.root_directory().join("outside");
    let host = outside.display();
    let racer = std::env::current_exe().expect("this program");
    site.says("mkdir $D/state/outside; echo host >$D/state/outside/s; mkdir -p $D/state/in/a; echo in >$D/state/in/a/x; echo in >$D/state/x");
    let trap = format!(
        "mkdir -p /race/a; echo box >/race/a/s; ln -s {host} /race/b; echo box >/race/f; ln -s {host}/s /race/g"
    );
    let race = format!(
        "race() {{ {RACE}=/proc/$P/root/race {} --exact attacks::links_that_change_while_we_work >/dev/null & racing=$!; }}
         cd $D/state; mkdir out
         race
         # without care it works: this is what the race can do
         while kill -0 $racing && ! [ -e outside/naive ]; do cat x 2>/dev/null >/proc/$P/root/race/a/naive; done
         [ -e outside/naive ] && echo 'the trap works'; rm -f outside/naive; kill $racing; wait $racing 2>/dev/null
         for name in a b f g; do [ -e /proc/$P/root/race/$name ] || [ -L /proc/$P/root/race/$name ] || echo lost $name; done
         race; n=0; end=$(($(date +%s) + 6))
         while [ $n -lt 2 ] || [ $(date +%s) -lt $end ]; do
             n=$((n+1))
             $S cp x live:/race/a/x; $S cp x live:/race/a; $S cp in/. live:/race; $S cp -a x live:/race/f; $S cp x live:/race/f/x
             tar c -C in a | $S cp - live:/race; tar c -C in a/x | $S cp - live:/race
             $S cp live:/race/a/s out/s$n; $S cp live:/race/a out/a$n; $S cp -L live:/race/a out/l$n; $S cp -L live:/race/f out/f$n
             $S cp live:/race/. out/r$n; $S cp live:/race/f - >out/t$n; $S export live >out/e$n; $S diff live; $S commit -p=false live evil
         done >said 2>&1
         kill $racing && echo 'raced'; wait $racing 2>/dev/null
         $S export live | tar t | grep -c '^race/' ",
        racer.display()
    );
    let before = site.says("ls -AlRn $D/state/outside; cat $D/state/outside/*");
    let said = site.sh(&while_running("", &trap, &race));
    let raced = said.out.starts_with("the trap works\nraced\n");
    assert!(raced, "{}{}{}", said.out, said.err, site.says("tail -3 $D/state/said"));
    assert_eq!(
        site.says("ls -AlRn $D/state/outside; cat $D/state/outside/*"),
        before,
        "the host is as it was"
    );
    // what came out is the container's, and a link stays a link
    let leaked = site.says("cd $D/state/out; find . -type f -exec grep -lxa host {} + || true");
    assert_eq!(leaked, "", "files of the host in what was copied");
}

#[test]
fn links_of_an_ended_container_stay_in_it() {
    let Some(site) = ours("links_of_an_ended_container_stay_in_it") else { return };
    let outside = site.root_directory().join("outside");
    let host = outside.display();
    let up = "../../../../../../../../../../../..";
    site.says("mkdir $D/state/outside; echo host >$D/state/outside/s; echo in >$D/state/x");
    site.says(&format!(
        "$S run --name one --network none -v $D/state/vol:/evil/vol box sh -c 'ln -s {host} /abs; ln -s {up}{host} /rel; \
         ln -s /proc/1/root{host} /proc-link; ln -s /proc/self/cwd /cwd; mkdir -p {host}; ln -s / /top; ln -s {host}/s /file; \
         ln -s {up}/etc /up'"
    ));
    let before = site.says("ls -AlRn $D/state/outside; cat $D/state/outside/*");
    for path in
        ["/abs/x", "/rel/x", "/proc-link/x", "/cwd/x", "/abs", "/top/top/rel/x", "/file", "/up/x", "/abs/"]
    {
        let said = site.sh(&format!(
            "cd $D/state; $S cp x one:{path}; $S cp one:{path} - | tar xO; $S cp -L one:{path} - | tar xO"
        ));
        assert!(!said.out.contains("host"), "{path}: {}", said.out);
        assert!(said.err.lines().all(|line| !line.contains("panicked")), "{path}: {}", said.err);
    }
    assert_eq!(
        site.says("ls -AlRn $D/state/outside; cat $D/state/outside/*"),
        before,
        "the host is as it was"
    );
    // and it went where the container would have gone
    assert_eq!(site.says(&format!("$S cp one:{host}/x - | tar xO; $S cp one:/etc/x - | tar xO")), "in\nin\n");
}

/// An archive from outside that brings its own link and writes through it.
#[test]
fn an_archive_cannot_lead_out() {
    let Some(site) = ours("an_archive_cannot_lead_out") else { return };
    site.says("$S run --name one --network none box true; mkdir $D/state/outside");
    let script = "cd $D/state; mkdir -p a b/l; ln -s $D/state/outside a/l; echo 1 >b/l/f; \
                  (tar c -C a l; tar c -C b l/f) >both.tar; tar -A -f both.tar both.tar 2>/dev/null; \
                  tar c -C a l >evil.tar; tar r -f evil.tar -C b l/f; $S cp - one:/tmp <evil.tar; ls outside";
    let said = site.sh(script);
    assert_eq!(said.out, "", "{}", said.err);
}
