//! A synthetic image: many small files and a few large ones, in several layers, the same on every machine.

use serde_json::json;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use stepbox::layers::{Compression, Digest, Entry, Kind, Pack, Packed, Stamp, Tape};

/// Enough for every core, and for a chain.
const LAYERS: u64 = 8;
/// The mean of the small ones, as in a distribution's image.
const SMALL: u64 = 8 << 10;
/// One in each layer at least.
const LARGE: u64 = 32 << 20;

/// An image, in two archives.
pub struct Synthetic {
    /// layers as they are
    pub plain: PathBuf,
    /// layers of gzip
    pub gzip: PathBuf,
    /// its layers, bottom first
    pub layers: Vec<Layer>,
    /// another one, of large files alone
    pub large: Layer,
    /// how many files
    pub files: u64,
    /// bytes of the tars
    pub plain_bytes: u64,
    /// and of the gzip blobs
    pub gzip_bytes: u64,
}

/// A layer, in two files.
pub struct Layer {
    plain: PathBuf,
    /// the blob of gzip
    pub gzip: PathBuf,
    tar: Packed,
    zipped: Packed,
}

/// Makes an image of about this many MiB.
pub fn make(scratch: &Path, mebibytes: u64) -> io::Result<Synthetic> {
    let share = (mebibytes << 20) / LAYERS;
    let mut files = 0;
    let mut layers = Vec::new();
    for number in 0..LAYERS {
        let (layer, count) = layer(scratch, number, [share / 2, share / 2])?;
        layers.push(layer);
        files += count;
    }
    let (large, _) = layer(scratch, LAYERS, [0, share])?;
    let (plain_bytes, gzip_bytes) =
        layers.iter().fold((0, 0), |(plain, gzip), it| (plain + it.tar.size, gzip + it.zipped.size));
    let image = Synthetic {
        plain: scratch.join("plain.tar"),
        gzip: scratch.join("gzip.tar"),
        layers,
        large,
        files,
        plain_bytes,
        gzip_bytes,
    };
    archive(&image.plain, &image.layers, |layer| (&layer.plain, layer.tar, ""))?;
    archive(&image.gzip, &image.layers, |layer| (&layer.gzip, layer.zipped, "+gzip"))?;
    Ok(image)
}

/// A layer with so many bytes in small files and in large ones, and how many these are.
fn layer(scratch: &Path, number: u64, bytes: [u64; 2]) -> io::Result<(Layer, u64)> {
    let plain = scratch.join(format!("layer-{number}.tar"));
    let mut tape = Tape::new(Pack::new(BufWriter::new(File::create(&plain)?), Compression::None));
    let files = fill(&mut tape, number, bytes)?;
    let (tar, mut out) = tape.finish()?.finish()?;
    out.flush()?;
    let gzip = scratch.join(format!("layer-{number}.tar.gz"));
    let mut pack = Pack::new(BufWriter::new(File::create(&gzip)?), Compression::Gzip);
    io::copy(&mut File::open(&plain)?, &mut pack)?;
    let (zipped, mut out) = pack.finish()?;
    out.flush()?;
    Ok((Layer { plain, gzip, tar, zipped }, files))
}

/// Files of so many bytes in small ones and in large ones; how many they are.
fn fill(tape: &mut Tape<impl Write>, layer: u64, bytes: [u64; 2]) -> io::Result<u64> {
    let mtime = Stamp { seconds: 1_700_000_000, nanos: 0 };
    let mut words = Words(layer + 1);
    let (mut small, mut files) = (0, 0);
    while small < bytes[0] {
        if files % 64 == 0 {
            let name = format!("usr/share/layer{layer}/part{}", files / 64);
            tape.append(&Entry { mtime, ..Entry::new(name, Kind::Directory, 0o755) }, io::empty())?;
        }
        let name = format!("usr/share/layer{layer}/part{}/file{files}", files / 64);
        let size = words.next() % (2 * SMALL);
        tape.append(&Entry { mtime, ..Entry::new(name, Kind::File, 0o644).sized(size) }, &mut words)?;
        (small, files) = (small + size, files + 1);
    }
    let mut large = 0;
    while large < bytes[1] {
        let size = LARGE.min(bytes[1] - large);
        let name = format!("usr/lib/layer{layer}-{large}.so");
        tape.append(&Entry { mtime, ..Entry::new(name, Kind::File, 0o755).sized(size) }, &mut words)?;
        (large, files) = (large + size, files + 1);
    }
    Ok(files)
}

/// Text of numbers: it shrinks to a third or so, as programs do.
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

impl Read for Words {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        for piece in into.chunks_mut(16) {
            let word = self.next();
            // 8 random bytes, then 8 that repeat
            let bytes = [word.to_le_bytes(), (word & 0xff).to_le_bytes()].concat();
            piece.copy_from_slice(&bytes[..piece.len()]);
        }
        Ok(into.len())
    }
}

/// An archive that docker load and OCI tools read.
fn archive(
    path: &Path,
    layers: &[Layer],
    form: impl Fn(&Layer) -> (&PathBuf, Packed, &'static str),
) -> io::Result<()> {
    let mut tape = Tape::new(BufWriter::with_capacity(1 << 20, File::create(path)?));
    let mut descriptors = Vec::new();
    let blob = |digest: Digest| format!("blobs/sha256/{}", digest.hex());
    for layer in layers {
        let (file, packed, suffix) = form(layer);
        let entry = Entry::new(blob(packed.digest), Kind::File, 0o644).sized(packed.size);
        tape.append(&entry, File::open(file)?)?;
        let media_type = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
        descriptors.push(json!({"mediaType": media_type, "digest": packed.digest, "size": packed.size}));
    }
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.tar.diff_id).collect();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
        "created": "2026-01-01T00:00:00Z", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    .to_string();
    let kind = "application/vnd.oci.image.config.v1+json";
    let described = |media_type: &str, text: &str| json!({"mediaType": media_type, "digest": Digest::of(text.as_bytes()), "size": text.len()});
    let manifest = json!({"schemaVersion": 2, "config": described(kind, &config), "layers": descriptors,
        "mediaType": "application/vnd.oci.image.manifest.v1+json"})
    .to_string();
    let mut entry = described("application/vnd.oci.image.manifest.v1+json", &manifest);
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "bench"});
    let paths: Vec<String> = layers.iter().map(|layer| blob(form(layer).1.digest)).collect();
    let name = blob(Digest::of(config.as_bytes()));
    let list = json!([{"Config": name, "RepoTags": ["bench:latest"], "Layers": paths}]).to_string();
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
    for (name, text) in [
        (name, config.clone()),
        (blob(Digest::of(manifest.as_bytes())), manifest.clone()),
        ("index.json".to_owned(), index),
        ("manifest.json".to_owned(), list),
        ("oci-layout".to_owned(), r#"{"imageLayoutVersion":"1.0.0"}"#.to_owned()),
    ] {
        tape.append(&Entry::new(name, Kind::File, 0o644).sized(text.len() as u64), text.as_bytes())?;
    }
    tape.finish()?.flush()
}
