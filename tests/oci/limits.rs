//! What a container uses: paused, limited anew, counted.

use serde_json::{Value, json};

use support::bundle::Bundles;
use support::site::Site;

#[test]
fn a_container_is_paused_and_goes_on() {
    let Some(site) = Site::root("limits::a_container_is_paused_and_goes_on") else { return };
    let bundles = Bundles::at(site);
    bundles.bundle("b", &["sleep", "600"], |_| {});
    let out = bundles.says(
        "$R create -b $B/b c1; $R pause c1; $R state c1 | grep status; $R resume c1; $R state c1 | grep status\n\
         $R start c1; $R pause c1; $R state c1 | grep status; $R exec c1 true; echo $?; $R pause c1; echo $?\n\
         $R resume c1; $R resume c1; echo $?; $R exec c1 echo on; $R pause c1; $R delete -f c1",
    );
    let words: Vec<&str> = out.lines().map(|line| line.trim().trim_matches([',', '"'])).collect();
    let status = |word: &str| format!("status\": \"{word}");
    assert_eq!(
        words,
        [&status("paused"), &status("created"), &status("paused"), "255", "1", "1", "on"],
        "{out}"
    );
    bundles.assert_clean();
}

#[test]
fn limits_change_while_it_runs() {
    let Some(site) = Site::root("limits::limits_change_while_it_runs") else { return };
    let bundles = Bundles::at(site);
    bundles.bundle("b", &["sleep", "600"], |config| {
        config["linux"]["resources"]["memory"] = json!({ "limit": 64 << 20 });
    });
    let out = bundles.says(
        "$R run -d -b $B/b c1\n\
         limit() { $R events --stats c1 | grep -o '\"usage\":{\"limit\":[0-9]*' | grep -o '[0-9]*$'; }\n\
         limit; $R update --memory 32m c1; limit\n\
         echo '{\"memory\":{\"limit\":41943040},\"pids\":{\"limit\":33}}' | $R update -r - c1; limit\n\
         $R events --stats c1 | grep -o '\"pids\":{[^}]*}' | sed 's/current\":[12]/current\":N/'\n\
         kept() { grep -o '\"resources\":{.*' $B/oci/c1/state.json | grep -o '\"'$1'\":{\"limit\":[0-9]*'; }\n\
         kept memory; kept pids; $R update --pids-limit 44 --cpu-quota 1 c1 2>/dev/null; echo $?; kept pids\n\
         $R update --pids-limit 44 c1; kept memory; kept pids\n\
         $R update --memory xyz c1 2>/dev/null; echo $?; $R update c1; echo $?; $R delete -f c1",
    );
    let (memory, pids) = ("\"memory\":{\"limit\":41943040", |n: u32| format!("\"pids\":{{\"limit\":{n}"));
    let kept = format!("{memory}\n{}\n1\n{}\n{memory}\n{}\n", pids(33), pids(33), pids(44));
    let shown = "67108864\n33554432\n41943040\n\"pids\":{\"current\":N,\"limit\":33}";
    assert_eq!(out, format!("{shown}\n{kept}1\n0\n"));
    bundles.assert_clean();
}

#[test]
fn events_have_runcs_shape() {
    let Some(site) = Site::root("limits::events_have_runcs_shape") else { return };
    let bundles = Bundles::at(site);
    bundles.bundle("b", &["sleep", "600"], |_| {});
    let out = bundles
        .says("$R run -d -b $B/b c1; timeout 20 $R events --interval 300ms c1 | head -n 2; $R delete -f c1");
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(events.len() >= 2, "{out}");
    let event = &events[0];
    assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!("c1")));
    for path in ["/data/cpu/usage/total", "/data/memory/usage/usage", "/data/pids/current"] {
        assert!(
            event.pointer(path).and_then(Value::as_u64).is_some_and(|number| number > 0),
            "{path}: {event}"
        );
    }
    for path in ["/data/memory/raw", "/data/blkio", "/data/hugetlb", "/data/cpu/throttling", "/data/cpuset"] {
        assert!(event.pointer(path).is_some_and(Value::is_object), "{path}: {event}");
    }
}
