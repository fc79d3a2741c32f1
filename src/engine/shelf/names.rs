//! Names on the shelf: from an image's name to repository and tag.
//!
//! ```text
//!   docker.io/library/busybox:1      library/busybox, tag 1
//!   localhost:5000/a@sha256:…        a, without a tag: found by its digest alone
//!   v2     (a tag alone)             FOLDER, tag v2: how other tools name images in a layout
//! ```
//!
//! See the OCI distribution specification, and image-layout.md for the annotation. Lab 16-registry.

use super::error::ShelfError;
use crate::engine::config::{Descriptor, NAME};
use crate::engine::reference::Reference;
use crate::layers::Digest;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The annotation in which containerd and BuildKit keep the whole name, beside a tag alone in [`NAME`].
const WHOLE_NAME: &str = "io.containerd.image.name";

/// The name of a repository, which follows the grammar.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

impl Repository {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Repository {
    type Err = ShelfError;

    fn from_str(text: &str) -> Result<Repository, ShelfError> {
        match format!("localhost/{text}").parse::<Reference>() {
            Ok(reference) if reference.repository() == text => Ok(Repository(text.to_owned())),
            _ => Err(ShelfError::NameInvalid(text.to_owned())),
        }
    }
}

/// Which manifest of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// by tag
    Tag(String),
    /// by digest
    Digest(Digest),
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Tag(tag) => f.write_str(tag),
            Selector::Digest(digest) => digest.fmt(f),
        }
    }
}

impl FromStr for Selector {
    type Err = ShelfError;

    /// No tag has a colon, every digest has one.
    fn from_str(text: &str) -> Result<Selector, ShelfError> {
        if text.contains(':') {
            return text
                .parse()
                .map(Selector::Digest)
                .map_err(|_| ShelfError::DigestInvalid(text.to_owned()));
        }
        match format!("localhost/a:{text}").parse::<Reference>() {
            Ok(reference) if reference.tag() == Some(text) => Ok(Selector::Tag(text.to_owned())),
            _ => Err(ShelfError::TagInvalid(text.to_owned())),
        }
    }
}

/// An entry of the index, as it is offered.
#[derive(Debug)]
pub(super) struct Offer<'a> {
    pub(super) entry: &'a Descriptor,
    /// as the index says it
    pub(super) name: &'a str,
    pub(super) repository: String,
    pub(super) tag: Option<String>,
}

/// What of the index is offered, in its order.
pub(super) fn offers<'a>(
    entries: &'a [Descriptor],
    folder: Option<&'a str>,
) -> impl Iterator<Item = Offer<'a>> {
    entries.iter().filter_map(move |entry| offer(entry, folder))
}

fn offer<'a>(entry: &'a Descriptor, folder: Option<&str>) -> Option<Offer<'a>> {
    let named = |annotation: &str| entry.annotations.get(annotation).map(String::as_str);
    let whole = folder.and_then(|_| named(WHOLE_NAME));
    let Some(name) = whole.or_else(|| named(NAME)) else {
        // without a name in somebody's layout: by digest
        let repository = folder?.to_owned();
        return Some(Offer { entry, name: "", repository, tag: None });
    };
    if let Some(folder) = folder.filter(|_| !name.contains(['/', ':', '@']))
        && let Ok(Selector::Tag(tag)) = name.parse()
    {
        return Some(Offer { entry, name, repository: folder.to_owned(), tag: Some(tag) });
    }
    let reference: Reference = name.parse().ok()?;
    let tag = reference.tag().map(str::to_owned);
    Some(Offer { entry, name, repository: reference.repository().to_owned(), tag })
}

/// Takes every name away that is offered so; returns how many. An image that loses its last name stays in the index
/// without one; one that is taken by its digest goes.
pub(super) fn take(
    entries: &mut Vec<Descriptor>,
    folder: Option<&str>,
    repository: &Repository,
    selector: &Selector,
) -> usize {
    let wanted = |entry: &Descriptor| match (offer(entry, folder), selector) {
        (Some(offer), _) if offer.repository != repository.as_str() => false,
        (Some(offer), Selector::Tag(tag)) => offer.tag.as_ref() == Some(tag),
        (None, Selector::Tag(_)) => false,
        (_, Selector::Digest(digest)) => entry.digest == *digest,
    };
    let taken = entries.iter().filter(|entry| wanted(entry)).count();
    match selector {
        Selector::Digest(_) => entries.retain(|entry| !wanted(entry)),
        Selector::Tag(_) => {
            let others: Vec<Digest> =
                entries.iter().filter(|entry| !wanted(entry)).map(|entry| entry.digest).collect();
            entries.retain(|entry| !wanted(entry) || !others.contains(&entry.digest));
            for entry in entries.iter_mut().filter(|entry| wanted(entry)) {
                entry.annotations.retain(|name, _| name != NAME && name != WHOLE_NAME);
            }
        }
    }
    taken
}

/// The repository of names that are tags alone: the layout's directory, as far as its name can be one.
pub fn folder_name(directory: &Path) -> String {
    let name = directory.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let words: Vec<&str> = name.split(|letter| !plain(letter)).filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    if name.parse::<Repository>().is_ok() { name } else { "layout".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::MANIFEST;

    fn entry(number: u8, name: Option<&str>) -> Descriptor {
        let mut entry = Descriptor::new(MANIFEST, Digest::of(&[number]), 1);
        entry.annotations.extend(name.map(|name| (NAME.to_owned(), name.to_owned())));
        entry
    }

    fn shown(entries: &[Descriptor], folder: Option<&str>) -> Vec<String> {
        let line = |offer: Offer<'_>| {
            format!("{} {}", offer.repository, offer.tag.unwrap_or_else(|| offer.entry.digest.short()))
        };
        offers(entries, folder).map(line).collect()
    }

    #[test]
    fn hosts_are_dropped_and_tags_alone_belong_to_the_folder() {
        let digest = Digest::of(&[1]);
        let pinned = format!("localhost:5000/x@{digest}");
        let entries = [
            entry(0, Some("docker.io/library/busybox:1")),
            entry(1, Some(&pinned)),
            entry(2, Some("v2")),
            entry(3, None),
            entry(4, Some("No Name")),
        ];
        let x = format!("x {}", digest.short());
        assert_eq!(shown(&entries, None), ["library/busybox 1", &x, "library/v2 latest"]);
        let nameless = format!("usb {}", Digest::of(&[3]).short());
        assert_eq!(shown(&entries, Some("usb")), ["library/busybox 1", &x, "usb v2", &nameless]);
    }

    #[test]
    fn a_tag_that_goes_leaves_its_image_and_a_digest_takes_all() {
        let repository: Repository = "a".parse().expect("a name");
        let all = || {
            let names = ["localhost/a:1", "localhost/a:2", "quay.io/a:1", "localhost/b:1"];
            let mut all: Vec<Descriptor> = names.iter().map(|name| entry(0, Some(name))).collect();
            all[2].digest = Digest::of(&[2]);
            all
        };
        let mut entries = all();
        assert_eq!(take(&mut entries, None, &repository, &Selector::Tag("1".into())), 2);
        assert_eq!(shown(&entries, None), ["a 2", "b 1"]);
        assert_eq!(entries.len(), 3, "quay.io's image lost its last name and stays");
        let mut entries = all();
        assert_eq!(take(&mut entries, None, &repository, &Selector::Digest(Digest::of(&[0]))), 2);
        assert_eq!(shown(&entries, None), ["a 1", "b 1"]);
        assert_eq!(take(&mut entries, None, &repository, &Selector::Digest(Digest::of(&[9]))), 0);
    }

    #[test]
    fn names_follow_the_grammar() {
        for good in ["a", "library/busybox", "a/b/c/d", "a--b_c.d"] {
            assert_eq!(good.parse::<Repository>().expect(good).as_str(), good);
        }
        for bad in
            ["", "A", "a/", "/a", "a//b", "..", "a/../b", "a:b", "a@b", "a b", "a%2fb", &"a".repeat(300)]
        {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
        for bad in ["", ".a", "-a", "a b", "a/b", "sha256:..", "sha512:00", &"a".repeat(129)] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
        assert_eq!("v1".parse::<Selector>().expect("a tag"), Selector::Tag("v1".into()));
        for (path, name) in
            [("/x/My Images", "my-images"), ("/", "layout"), ("/x/usb", "usb"), ("/x/__", "layout")]
        {
            assert_eq!(folder_name(Path::new(path)), name, "{path}");
        }
    }
}
