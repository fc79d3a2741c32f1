//! A hundred starts and removals at once, and a thousand containers in one list.

use std::collections::BTreeSet;
use std::fs;

use stepbox::engine::names::new_id;
use support::player::said;
use support::site::Site;

use crate::{expect, more};

/// What can be left: one line each. Processes by their program and words.
const LEFT: &str = r#"
left() {
    # without namespaces of our own, what others mount, cable and run is not ours
    [ $(id -u) != 0 ] || { cut -d' ' -f5- /proc/self/mountinfo | sort; nft list ruleset 2>/dev/null; ls /sys/class/net; }
    [ $(id -u) != 0 ] || for p in /proc/[0-9]*; do tr '\0' ' ' <$p/cmdline; echo; done 2>/dev/null | grep -c 'self/exe [m]onitor'
    ls -A $D/state/containers $D/state/run/journal $D/state/run/leases $D/state/volumes 2>/dev/null
}
cables() { [ $(id -u) = 0 ] || return 0; for i in $(seq 200); do ip -o link | grep -q veth || return 0; sleep 0.05; done; ip -o link; }
"#;

/// Starts, with lists and sweeps meanwhile, which are in nobody's way.
#[test]
fn a_hundred_at_once_end_consistent() {
    for site in [Site::ours(), Site::nobody()] {
        let count = match site.is_root() {
            true => more(40, 100),
            false => more(12, 30),
        };
        let script = format!(
            "{LEFT}
            $S run --rm -v /data stepbox/base true; cables; $S clean >/dev/null; left >$D/state/before
            {{ while [ ! -e $D/state/over ]; do $S ps -a; $S clean; done; }} >/dev/null 2>$D/state/sweeps & sweeper=$!
            for i in $(seq {count}); do
                {{ $S run -d --name c$i -v /data $([ $((i % 2)) = 1 ] || echo --rm) stepbox/base sleep 1000 \
                    >/dev/null 2>$D/state/said.$i || echo run c$i: $?; }} & all=\"$all $!\"
            done; wait $all; cat $D/state/said.*
            $S ps -q --no-trunc | sort -u | wc -l; $S ps --format '{{{{.Names}}}}' | sort -u | wc -l
            $S volume ls -q | wc -l; all=
            for i in $(seq {count}); do
                {{ case $((i % 4)) in
                    0) $S rm -f c$i ;; 1) $S kill c$i ;; 2) $S stop -t 0 c$i ;; 3) $S restart -t 0 c$i && $S rm -fv c$i ;;
                esac >/dev/null 2>$D/state/said.$i || echo end c$i: $?; }} & all=\"$all $!\"
            done; wait $all; cat $D/state/said.*
            touch $D/state/over; wait $sweeper; cat $D/state/sweeps
            $S ps -q; $S container prune -f >/dev/null; $S volume prune -f >/dev/null; $S ps -aq; $S volume ls -q
            for i in $(seq 100); do
                $S clean >/dev/null; cables; left | diff $D/state/before - >$D/state/change && break; sleep 0.05
            done
            cat $D/state/change; $S system check | grep -o 'nothing wrong'"
        );
        let all = format!("{count}\n");
        expect(&site, 300, &script, &format!("{}nothing wrong\n", all.repeat(3)));
        site.assert_clean();
    }
}

/// A thousand of them, copies of one that was made, each with an id and a name of its own.
#[test]
fn a_thousand_are_listed_and_found() {
    let site = Site::ours();
    site.says("$S create --name first stepbox/base true >/dev/null");
    let containers = site.root_directory().join("containers");
    let first = fs::read_dir(&containers).expect("there").flatten().next().expect("one");
    let first = first.file_name().into_string().expect("an id");
    let record = fs::read_to_string(containers.join(&first).join("config.json")).expect("its record");
    let mut ids = BTreeSet::from([first.clone()]);
    for number in 1..1000 {
        let id = new_id();
        fs::create_dir(containers.join(&id)).expect("made");
        let named = record.replace("\"name\":\"first\"", &format!("\"name\":\"copy-{number:04}\""));
        fs::write(containers.join(&id).join("config.json"), named.replace(&first, &id)).expect("written");
        ids.insert(id);
    }
    let listed = said(&mut site.script("$S ps -aq --no-trunc")).out;
    assert_eq!(listed.lines().map(String::from).collect::<BTreeSet<_>>(), ids);
    let last = ids.iter().next_back().expect("many");
    let out = site.says(&format!(
        "$S ps -a | wc -l; $S ps -q; $S ps -aq --filter name=copy-012 | wc -l; \
         $S inspect --format '{{{{.Name}}}}' copy-0999; $S inspect --format '{{{{.Id}}}}' {last:.20} | cut -c-20; \
         $S rm copy-0001 first | wc -l; $S ps -aq | wc -l; $S create --name copy-0500 stepbox/base true 2>&1 | grep -c Conflict; \
         $S container prune -f | grep -cE '^[0-9a-f]{{64}}$'; $S ps -aq"
    ));
    assert_eq!(out, format!("1001\n10\n/copy-0999\n{last:.20}\n2\n998\n1\n998\n"));
    site.assert_clean();
}
