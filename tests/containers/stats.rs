//! What containers use.

use support::screen::Terminal;
use support::site::Site;

#[test]
fn processes_names_and_limits() {
    let Some(site) = Site::limited_root("processes_names_and_limits") else { return };
    let out = site.says(
        "$S run -d --name red -m 64m stepbox/base sh -c 'sleep 901 & sleep 902 & exec sleep 903' >/dev/null; \
         $S create --name blue stepbox/base true >/dev/null; \
         until [ $($S top red -o pid,args | grep -c ' sleep 90[123]$') = 3 ]; do sleep 0.02; done; \
         $S stats --no-stream --format '{{.Container}} {{.Name}} {{.PIDs}} {{.MemUsage}}' blue red | sed 's|[0-9.]*[KM]iB / 6|USED / 6|'; \
         $S stats --no-stream --format 'table {{.Name}}\t{{.PIDs}}'; \
         $S stats --no-stream --no-trunc -a --format '{{.Name}} {{.ID}}' | sed -E 's/[0-9a-f]{64}/ID/'; \
         timeout 5.8 $S stats --format '{{.Name}}' red | wc -l; $S rm -f red blue; $S stats --no-stream",
    );
    let headings =
        "CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O   BLOCK I/O   PIDS\n";
    let wanted =
        "blue blue 0 0B / 0B\nred red 3 USED / 64MiB\nNAME      PIDS\nred       3\nblue ID\nred ID\n";
    let (begin, rest) = out.split_at_checked(wanted.len()).unwrap_or((&out, ""));
    assert_eq!(begin, wanted);
    let (often, rest) = rest.split_once('\n').expect("a line");
    assert!(["1", "2", "3", "4", "5"].contains(&often), "once a second: {often}");
    assert_eq!(rest, format!("red\nblue\n{headings}"));
    site.assert_clean();
}

#[test]
fn who_works_uses_time_and_disks_and_the_network() {
    let Some(site) = Site::limited_root("who_works_uses_time_and_disks_and_the_network") else { return };
    let out = site.says(
        "$S run -d --name red --network bridge stepbox/base sh -c 'while :; do :; done' >/dev/null; \
         $S run -d --name green --network host stepbox/base sleep 1000 >/dev/null; \
         $S exec red sh -c 'dd if=/dev/zero of=/file bs=64k count=32 conv=fsync 2>/dev/null'; \
         pid=$($S inspect -f '{{.State.Pid}}' green); \
         until grep -q sleep /proc/$pid/comm && grep -q '^State:.S' /proc/$pid/status; do sleep 0.02; done; \
         $S stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.NetIO}} {{.BlockIO}}' red green; \
         $S rm -f red green",
    );
    let lines: Vec<&str> = out.lines().collect();
    let words: Vec<&str> = lines[0].split(' ').collect();
    let percent: f64 = words[1].trim_end_matches('%').parse().expect("a number");
    // how much more than nothing is for other programs, and for the machine below this one, to say
    assert!(percent > 0.0, "{out}");
    // the kernel's own greetings of a new link, of which nobody can be sure
    assert!(words[2].ends_with('B') && words[4].ends_with('B'), "{out}");
    assert!(lines[1].starts_with("green 0.00% 0B / 0B "), "{out}");
    site.assert_clean();
}

/// Nobody counts for whom no cgroup was made.
#[test]
fn without_a_cgroup_it_is_not_known() {
    let handed = stepbox::cgroups::detect(std::path::Path::new("/")).expect("read the cgroups");
    if handed.writable().is_ok() && !rustix::process::geteuid().is_root() {
        return support::skip("without_a_cgroup_it_is_not_known", "this user has a cgroup");
    }
    let site = Site::nobody();
    let out = site.says(
        "$S run -d --name red stepbox/base sleep 1000 >/dev/null; \
         $S stats --no-stream red | sed -E 's/  +/|/g; s/^[0-9a-f]{12}/ID/' | tail -n 1; $S rm -f red; \
         $S stats --no-stream --format json nosuch 2>&1; echo $?",
    );
    assert_eq!(out, "ID|red|--|-- / --|--|0B / 0B|--|--\nred\nstepbox: No such container: nosuch\n1\n");
    site.assert_clean();
}

#[test]
fn a_terminal_is_painted_again_each_second() {
    let site = Site::ours();
    // the first time an image is made, which may take longer than a screen is waited for
    site.says("$S create --name red stepbox/base true");
    let Some(terminal) = Terminal::open("a_terminal_is_painted_again_each_second", &site) else { return };
    terminal.types("clear; $S stats -a");
    terminal.shows("CONTAINER ID   NAME ");
    terminal.shows(" red ");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let screen = terminal.shows(" red ");
    assert_eq!(screen.matches("CONTAINER ID").count(), 1, "painted over: {screen}");
    terminal.press("C-c");
    terminal.types("echo code $?");
    terminal.shows("code 130");
    terminal.types("clear; $S rm red; echo go''ne");
    terminal.shows("gone");
    drop(terminal);
    site.assert_clean();
}
