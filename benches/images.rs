//! Images: how long a large image takes to be loaded and unpacked, against the engines and tools that do the same.
//!
//! ```text
//!   a synthetic image     ─┬─ plain.tar   layers as docker save writes them ──> docker load, skopeo
//!   STEPBOX_BENCH_MIB=1024 └─ gzip.tar    layers as registries have them ─────> umoci unpack, inflating alone
//! ```
//!
//! As in the other benchmarks everybody has a turn in each round, and ratios are the medians of the rounds' own. Each
//! turn begins with a new disk, and with everything written that was written before. Peers that the machine lacks are
//! named as missing. Run as root for all rows; see benches/README.md.

#[path = "images/contenders.rs"]
mod contenders;
#[path = "support/disk.rs"]
mod disk;
#[path = "support/docker.rs"]
mod docker;
#[path = "support/medians.rs"]
mod medians;
#[path = "images/synthetic.rs"]
mod synthetic;

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use contenders::Contender;
use disk::Disk;
use medians::{alternate, median, paired, rounds};
use stepbox::layers::{Inflate, Ownership, apply};
use synthetic::Layer;

fn main() {
    let scratch = tempfile::Builder::new().prefix("stepbox-bench-").tempdir().expect("a directory");
    let mebibytes =
        std::env::var("STEPBOX_BENCH_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(1024);
    let engine = std::env::var_os("STEPBOX_BENCH_ENGINE").map(PathBuf::from);
    let stepbox = engine.unwrap_or_else(|| env!("CARGO_BIN_EXE_stepbox").into());
    let image = synthetic::make(scratch.path(), mebibytes).expect("an image can be made");
    println!(
        "{} files in {} layers, {} MiB of tar, {} MiB of gzip",
        image.files,
        image.layers.len(),
        image.plain_bytes >> 20,
        image.gzip_bytes >> 20
    );
    let disk = Rc::new(Disk::new(scratch.path(), mebibytes << 22));
    let load = contenders::load(&disk, &stepbox, &image);
    compare("load an archive of plain layers", load);
    compare("unpack gzip layers", contenders::unpack(scratch.path(), &disk, &stepbox, &image));
    parts("the same layers, one after the other", &disk, &image.layers);
    parts("a layer of large files", &disk, std::slice::from_ref(&image.large));
}

/// Takes all in alternation and prints the table; the first is what the others are compared with.
fn compare(title: &str, mut contenders: Vec<Contender>) {
    contenders.retain_mut(|contender| match contender.once() {
        Ok(_) => true,
        Err(why) => {
            println!("SKIP {}: {why}", contender.name);
            false
        }
    });
    let times = alternate(&mut contenders, rounds(5), |contender| {
        contender.once().unwrap_or_else(|why| panic!("{}: {why}", contender.name))
    });
    println!("\n{title}\n{:34} {:>9} {:>14}   what", "", "median s", "x stepbox");
    for (contender, own) in contenders.iter().zip(&times) {
        let (seconds, ratio) = (median(own).as_secs_f64(), paired(own, &times[0]));
        println!("{:34} {seconds:>9.2} {ratio:>14.2}   {}", contender.name, contender.what);
    }
}

/// In this process: what unpacking adds to inflating, which is the least there is to do.
fn parts(title: &str, disk: &Disk, layers: &[Layer]) {
    let mut ways = ["inflate alone", "inflate and hash, unpack"];
    let times = alternate(&mut ways, rounds(5), |way| {
        disk.renew().expect("a disk");
        rustix::fs::sync();
        let mut took = Duration::ZERO;
        for (number, layer) in layers.iter().enumerate() {
            let file = File::open(&layer.gzip).expect("the layer");
            let directory = disk.path().join(number.to_string());
            std::fs::create_dir_all(&directory).expect("a directory");
            let root = File::open(&directory).expect("a directory");
            let began = Instant::now();
            match *way {
                "inflate alone" => drain(file),
                _ => drop(apply(file, root.as_fd(), Ownership::of_this_process()).expect("unpacked")),
            }
            took += began.elapsed();
        }
        took
    });
    println!("\n{title}\n{:34} {:>9} {:>14}", "", "median s", "x inflate");
    for (way, own) in ways.iter().zip(&times) {
        println!("{way:34} {:>9.2} {:>14.2}", median(own).as_secs_f64(), paired(own, &times[0]));
    }
}

fn drain(file: File) {
    let mut inflate = Inflate::new(file).expect("gzip");
    let mut chunk = vec![0; 256 * 1024];
    while inflate.read(&mut chunk).expect("readable") > 0 {}
}
