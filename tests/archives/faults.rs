//! Faults: a load that is killed or runs out of room leaves the images that were there, and nothing half.

use crate::forms::Image;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::archive::Raw;
use support::player::said;
use support::site::Site;
use support::skip;

/// An archive of this many files of a mebibyte, which take a while.
fn large(mebibytes: usize) -> Vec<u8> {
    let layer = |number: usize| {
        let mut raw = Raw::default();
        for file in 0..mebibytes / 2 {
            // not compressible by a file system, and no two the same
            let data: Vec<u8> = (0..1_u64 << 17)
                .flat_map(|at| {
                    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (number * 1000 + file) as u64).to_le_bytes()
                })
                .collect();
            raw = raw.entry(format!("{number}-{file}").as_bytes(), b'0', b"", &data);
        }
        raw.end()
    };
    Image::of(vec![layer(0), layer(1)]).old_docker(Raw::default(), &["large"]).end()
}

/// What has no room is not what is wrong with the archive, also where all of it is a single write.
#[test]
fn an_archive_that_finds_no_room_is_not_called_broken() {
    let site = Site::ours();
    fs::write(site.path().join("small"), Image::new("s").oci("small").end()).expect("written");
    site.says("gzip -k $D/small; $S images");
    // files of 4 KiB at the most, in blocks of 512 bytes
    let said = site.sh("trap '' XFSZ; ulimit -f 8; exec $S load -i $D/small.gz");
    let directory = site.root_directory().join("tmp");
    let words = format!("stepbox: unpack the archive in {}: File too large", directory.display());
    assert!(said.code == 1 && said.err.starts_with(&words), "{} {}", said.code, said.err);
}

#[test]
fn killed_in_the_middle_there_is_no_image() {
    let site = Site::ours();
    fs::write(site.path().join("small"), Image::new("s").oci("small").end()).expect("written");
    fs::write(site.path().join("large"), large(48)).expect("written");
    site.says("$S load -q -i $D/small");
    let mut killed = 0;
    for turn in 0..12_u32 {
        let mut load = Command::new(site.path().join("stepbox"));
        load.args(["load", "-i"]).arg(site.path().join("large")).env("STEPBOX_ROOT", site.root_directory());
        load.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut load = load.spawn().expect("stepbox starts");
        // later each time, until one comes to its end
        std::thread::sleep(Duration::from_millis(u64::from(turn * turn * 3)));
        load.kill().expect("ours");
        if load.wait().expect("ended").code() == Some(0) {
            break;
        }
        killed += 1;
        let named = site.says("$S images | awk 'NR > 1 { print $1 }' | sort");
        if named == "large\nsmall\n" {
            // killed between its last deed and its end: then it is whole
            site.says("$S system check");
            break;
        }
        assert_eq!(named, "small\n", "turn {turn}");
        if turn % 3 == 2 {
            site.says("$S clean");
            assert_eq!(site.says("ls $STEPBOX_ROOT/tmp $STEPBOX_ROOT/fetching | grep -v :"), "\n");
        }
    }
    assert!(killed > 0, "it was never killed");
    site.says("$S clean");
    assert_eq!(site.says("$S load -i $D/large"), "Loaded image: large:latest\n");
    let unpacked = "cat $STEPBOX_ROOT/layers/*/1-5 | wc -c; ls $STEPBOX_ROOT/tmp | wc -l";
    assert_eq!(site.says(unpacked), "1048576\n0\n");
}

#[test]
fn a_full_disk_is_said_and_harms_nothing() {
    const NAME: &str = "a_full_disk_is_said_and_harms_nothing";
    let site = Site::ours();
    fs::write(site.path().join("small"), Image::new("s").oci("small").end()).expect("written");
    fs::write(site.path().join("large"), large(16)).expect("written");
    let script = "mkdir $D/disk && mount -t tmpfs -o size=12m tmpfs $D/disk || exit 77
        export STEPBOX_ROOT=$D/disk/state; mkdir $STEPBOX_ROOT
        $S load -q -i $D/small
        for from in '-i $D/large' '< $D/large' '-'; do
            case $from in
            -) cat $D/large | $S load ;;
            *) eval $S load $from ;;
            esac
            echo code $?; ls $STEPBOX_ROOT/tmp $STEPBOX_ROOT/fetching | grep -v :; $S images | awk 'NR > 1 { print $1 }'
        done
        $S save small | head -c 20 | wc -c
        $S save -o $D/disk/copy small && echo saved";
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--mount", "timeout", "60", "sh", "-c", script]);
    unshare
        .stdin(Stdio::null())
        .env("S", site.path().join("stepbox"))
        .env("D", site.path())
        .env("HOME", "/tmp");
    let said = said(&mut unshare);
    if said.code == 77 || said.err.contains("unshare failed") {
        return skip(NAME, &format!("no tmpfs in a namespace of its own: {}", said.err.trim()));
    }
    let turn = "code 1\n\nsmall\n";
    assert_eq!(
        said.out,
        format!("Loaded image: small:latest\n{}20\nsaved\n", turn.repeat(3)),
        "{}",
        said.err
    );
    let full = said.err.lines().filter(|line| line.contains("No space left on device"));
    assert_eq!(full.count(), 3, "{}", said.err);
}
