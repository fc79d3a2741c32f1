//! Layers that come in, several at once: fetched once for all who want them, checked, and held until they are named.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use stepbox::engine::config::{CONFIG, Descriptor, Document, ImageConfig, MANIFEST, Manifest, RootFs};
use stepbox::engine::reference::Reference;
use stepbox::engine::store::{Arrival, Draft, Source, Store, StoreError, Wanted};
use stepbox::layers::{Compression, Digest};
use support::archive::{Raw, gzip};

/// How long a thread waits for another before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path().join("store")).expect("a store can be made");
    (directory, store)
}

fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).expect("readable").count()
}

/// Layer archives as a registry has them.
struct Shelf {
    blobs: Vec<Vec<u8>>,
    opened: Mutex<Vec<usize>>,
    heard: Mutex<Vec<(usize, Arrival)>>,
    /// what is fetched waits for a word here
    gate: Option<Mutex<Receiver<()>>>,
    waiting: Option<Mutex<Sender<()>>>,
}

impl Shelf {
    fn new(blobs: Vec<Vec<u8>>) -> Shelf {
        let (opened, heard) = (Mutex::default(), Mutex::default());
        Shelf { blobs, opened, heard, gate: None, waiting: None }
    }

    fn heard(&self, what: Arrival) -> usize {
        self.heard.lock().expect("no panic").iter().filter(|(_, heard)| *heard == what).count()
    }
}

impl Source for Shelf {
    fn open(&self, number: usize) -> io::Result<Box<dyn Read + Send + '_>> {
        self.opened.lock().expect("no panic").push(number);
        if let Some(gate) = &self.gate {
            gate.lock().expect("no panic").recv_timeout(PATIENCE).map_err(io::Error::other)?;
        }
        Ok(Box::new(self.blobs[number].as_slice()))
    }

    fn hear(&self, number: usize, what: Arrival) {
        self.heard.lock().expect("no panic").push((number, what));
        if let (Arrival::Waiting, Some(waiting)) = (what, &self.waiting) {
            // only the first time does somebody listen
            let _ = waiting.lock().expect("no panic").send(());
        }
    }
}

/// Three layers, the last one the same as the first, and their archives.
fn layers() -> (Vec<Wanted>, Vec<Vec<u8>>) {
    let tars = [
        Raw::default().file("one", "1").end(),
        Raw::default().file("two", "2").end(),
        Raw::default().file("one", "1").end(),
    ];
    let want = |tar: &Vec<u8>| {
        let blob = gzip(tar);
        let media_type = Compression::Gzip.media_type();
        let descriptor = Descriptor::new(media_type, Digest::of(&blob), blob.len() as u64);
        (Wanted { descriptor, diff_id: Digest::of(tar) }, blob)
    };
    tars.iter().map(want).unzip()
}

/// Names an image of these layers.
fn publish(mut draft: Draft<'_>, wanted: &[Wanted], name: &str) {
    let document = Document {
        created: None,
        author: None,
        architecture: stepbox::engine::config::architecture().to_owned(),
        os: "linux".to_owned(),
        config: ImageConfig::default(),
        rootfs: RootFs { kind: "layers".into(), diff_ids: wanted.iter().map(|it| it.diff_id).collect() },
        history: Vec::new(),
        rest: serde_json::Map::new(),
    };
    let config = serde_json::to_vec(&document).expect("json");
    let id = draft.blob(&config).expect("written");
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        config: Descriptor::new(CONFIG, id, config.len() as u64),
        layers: wanted.iter().map(|it| it.descriptor.clone()).collect(),
        rest: serde_json::Map::new(),
    };
    let manifest = serde_json::to_vec(&manifest).expect("json");
    let digest = draft.blob(&manifest).expect("written");
    let descriptor = Descriptor::new(MANIFEST, digest, manifest.len() as u64);
    draft.publish(descriptor, &name.parse::<Reference>().expect("a name")).expect("published");
}

#[test]
fn layers_come_in_parallel_and_each_once() {
    let (_directory, store) = store();
    let (wanted, blobs) = layers();
    let shelf = Shelf::new(blobs.clone());
    let mut draft = store.draft(&[]).expect("a draft");
    draft.layers(&wanted, 3, &shelf).expect("brought in");
    publish(draft, &wanted, "x");
    assert_eq!(shelf.opened.lock().expect("no panic").len(), 2, "the same blob is asked for once");
    let image = store.resolve("x").expect("found");
    assert_eq!(image.layers.len(), 3);
    for (directory, name) in image.layers.iter().zip(["one", "two", "one"]) {
        assert!(directory.join(name).exists(), "{name}");
    }
    for (wanted, blob) in wanted.iter().zip(&blobs) {
        assert_eq!(&fs::read(store.blob_path(wanted.descriptor.digest)).expect("there"), blob);
    }
    let again = Shelf::new(blobs);
    let mut draft = store.draft(&[]).expect("a draft");
    draft.layers(&wanted, 2, &again).expect("all here");
    assert_eq!((again.opened.lock().expect("no panic").len(), again.heard(Arrival::Present)), (0, 3));
    drop(draft);
    assert_eq!(entries(&store.root().join("tmp")), 0);
    assert_eq!(entries(&store.root().join("fetching")), 0);
}

#[test]
fn two_that_want_the_same_share_the_work() {
    let (_directory, store) = store();
    let (wanted, blobs) = layers();
    let (go, gate) = channel();
    let (waiting, waits) = channel();
    let first = Shelf { gate: Some(Mutex::new(gate)), ..Shelf::new(blobs.clone()) };
    let second = Shelf { waiting: Some(Mutex::new(waiting)), ..Shelf::new(blobs) };
    let bring = &|shelf: &Shelf, name: &str| {
        let mut draft = store.draft(&[]).expect("a draft");
        draft.layers(&wanted, 1, shelf).expect("brought in");
        publish(draft, &wanted, name);
    };
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // the first one holds the first blob's lock from before it is opened
            waits.recv_timeout(PATIENCE).expect("the second one waits");
            for _ in 0..2 {
                go.send(()).expect("the first one listens");
            }
        });
        let (first, second) = (&first, &second);
        scope.spawn(move || bring(first, "first"));
        while first.opened.lock().expect("no panic").is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        scope.spawn(move || bring(second, "second"));
    });
    let fetched = |shelf: &Shelf| shelf.opened.lock().expect("no panic").clone();
    let mut all = [fetched(&first), fetched(&second)].concat();
    all.sort_unstable();
    assert_eq!(all, [0, 1], "each blob once, by one of the two");
    assert!(second.heard(Arrival::Waiting) >= 1);
    let ids = ["first", "second"].map(|name| store.resolve(name).expect("found").id);
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn what_is_not_what_it_should_be_is_refused_by_its_digest() {
    let (_directory, store) = store();
    let refuse = |wanted: &[Wanted], blobs: Vec<Vec<u8>>| {
        let mut draft = store.draft(&[]).expect("a draft");
        draft.layers(wanted, 2, &Shelf::new(blobs)).expect_err("refused")
    };
    let (wanted, blobs) = layers();
    let bad = wanted[1].descriptor.digest;
    let tampered = |change: fn(&mut Vec<u8>)| {
        let mut blobs = blobs.clone();
        change(&mut blobs[1]);
        blobs
    };
    // the same length, another content, which is no gzip any more
    let error = refuse(&wanted, tampered(|blob| blob[12] ^= 0xff));
    assert!(matches!(error, StoreError::Corrupt { blob, .. } if blob == bad), "{error}");
    let error = refuse(&wanted, tampered(|blob| blob.extend_from_slice(&gzip(b""))));
    assert!(matches!(error, StoreError::Size { blob, .. } if blob == bad), "{error}");
    let error = refuse(&wanted, tampered(|blob| blob.truncate(blob.len() - 9)));
    assert!(matches!(error, StoreError::Size { blob, .. } if blob == bad), "{error}");
    let mut lied = wanted.clone();
    lied[1].diff_id = lied[0].diff_id;
    let error = refuse(&lied, blobs.clone());
    assert!(matches!(error, StoreError::DiffId { blob, .. } if blob == bad), "{error}");
    assert_eq!(store.list().expect("a list").len(), 0);
    assert_eq!(entries(&store.root().join("tmp")), 0);
    assert_eq!(entries(&store.root().join("fetching")), 0);
    assert!(!store.blob_path(bad).exists(), "what is wrong is never kept");
}

/// A source whose connection breaks.
struct Broken(Vec<u8>);

impl Source for Broken {
    fn open(&self, number: usize) -> io::Result<Box<dyn Read + Send + '_>> {
        let cut = io::Error::new(io::ErrorKind::ConnectionReset, "the line is cut");
        match number {
            0 => Ok(Box::new(self.0[..20].chain(Cut(Some(cut))))),
            _ => Err(cut),
        }
    }
}

struct Cut(Option<io::Error>);

impl Read for Cut {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

#[test]
fn a_source_that_fails_is_named_not_the_archive() {
    let (_directory, store) = store();
    let (wanted, blobs) = layers();
    for number in [0, 1] {
        let mut draft = store.draft(&[]).expect("a draft");
        let source = Broken(blobs[0].clone());
        let wanted = &wanted[number..];
        let error = draft.layers(&wanted[..1], 1, &source).expect_err("refused");
        let blob = wanted[0].descriptor.digest;
        assert_eq!(error.to_string(), format!("blob {blob}: the line is cut"));
    }
    assert_eq!(entries(&store.root().join("blobs/sha256")), 0);
}

#[test]
fn what_is_not_named_yet_is_not_lost_to_a_collection() {
    let (_directory, store) = store();
    let (wanted, blobs) = layers();
    let mut draft = store.draft(&[]).expect("a draft");
    draft.layers(&wanted, 2, &Shelf::new(blobs)).expect("brought in");
    store.collect(&BTreeSet::new()).expect("collected");
    assert_eq!(entries(&store.root().join("blobs/sha256")), 0, "nobody names them yet");
    assert_eq!(entries(&store.root().join("layers")), 0);
    publish(draft, &wanted, "x");
    assert_eq!(store.resolve("x").expect("found").layers.len(), 3);
    // what a draft that was dropped has brought in goes with the next collection
    let other = Raw::default().file("other", "").end();
    let blob = gzip(&other);
    let descriptor = Descriptor::new(Compression::Gzip.media_type(), Digest::of(&blob), blob.len() as u64);
    let mut draft = store.draft(&[]).expect("a draft");
    let wanted = [Wanted { descriptor, diff_id: Digest::of(&other) }];
    draft.layers(&wanted, 1, &Shelf::new(vec![blob.clone()])).expect("brought in");
    drop(draft);
    assert!(store.blob_path(Digest::of(&blob)).exists(), "somebody may want it next");
    assert_eq!(store.collect(&BTreeSet::new()).expect("collected"), blob.len() as u64);
}
