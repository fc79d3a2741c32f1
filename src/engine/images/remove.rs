//! Removing images, by Docker's rules.
//!
//! ```text
//!   rmi NAME   take the name away ── it was the last ──> remove the image, unless something needs it
//!   rmi ID     one name at most (or -f), and nothing uses it ──> take the names away, remove the image
//!   removed    the list loses it; its blobs and layers go when all is done, if nothing else reaches them
//! ```
//!
//! What a container that runs uses cannot be removed at all, what one that has ended uses only by force: then its
//! layers stay as long as the container. See docker-rmi(1). Lab 13-union-image, tutorials/13-union-image.md.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::{Broken, Catalog, ImageError, Known};
use crate::engine::config::Descriptor;
use crate::engine::containers::Record;
use crate::engine::events::{Event, Kind};
use crate::engine::reference::Reference;
use crate::engine::store::{Named, Store, StoreError};
use crate::layers::Digest;

/// What is said of each thing that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gone {
    /// a name
    Untagged(String),
    /// an image, or a layer by its chain id
    Deleted(Digest),
}

/// Removes images: [`Remover::remove`] decides, [`Remover::commit`] changes the list in one move, and
/// [`Remover::finish`] frees what nothing reaches any more.
#[derive(Debug)]
pub struct Remover<'a> {
    store: &'a Store,
    catalog: Catalog,
    containers: Vec<Record>,
    /// how many images and containers need each layer
    needed: BTreeMap<Digest, usize>,
    /// bytes of layers that went
    freed: u64,
    /// how many images were made of each
    children: BTreeMap<Digest, usize>,
    /// names that go, as long as they are these images'
    names: Vec<Named>,
    /// what goes of the index
    entries: Vec<Descriptor>,
    /// what is to be told of them when they have gone
    told: Vec<Event>,
}

impl<'a> Remover<'a> {
    /// Looks at the images, and at the containers that use them.
    ///
    /// # Errors
    /// Those of [`Catalog::read`].
    pub fn new(store: &'a Store, containers: Vec<Record>) -> Result<Remover<'a>, StoreError> {
        let catalog = Catalog::read(store)?;
        let mut needed = BTreeMap::new();
        let of_images = catalog.images.iter().flat_map(|image| &image.chains);
        for chain in of_images.chain(containers.iter().flat_map(|record| &record.layers)) {
            *needed.entry(*chain).or_insert(0) += 1;
        }
        let children = catalog.children();
        let (names, entries, told) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Remover { store, catalog, containers, needed, freed: 0, children, names, entries, told })
    }

    /// The images that are left.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Removes an image by name or id; what went is told in order.
    ///
    /// # Errors
    /// [`ImageError`], where nothing of it has gone.
    pub fn remove(&mut self, wanted: &str, force: bool, parents: bool) -> Result<Vec<Gone>, ImageError> {
        let mut gone = Vec::new();
        if self.remove_broken(wanted, &mut gone)? {
            return Ok(gone);
        }
        let image = self.catalog.find(wanted)?;
        let id = image.id;
        let single = single(&image.names);
        let name = wanted.parse::<Reference>().ok().filter(|name| image.names.contains(name));
        let mut untagged = false;
        if let Some(name) = name {
            if single
                && !force
                && let Some(user) = self.user(id, |_| true)
            {
                let (container, id) = (user.id[..12].into(), id.hex()[..12].into());
                return Err(ImageError::Named { name: wanted.into(), container, id });
            }
            self.untag(id, &name, &mut gone);
            if self.catalog.images.iter().any(|image| image.id == id && !image.names.is_empty()) {
                return Ok(gone);
            }
            untagged = true;
        } else if single {
            self.conflict(id, force, false)?;
            self.untag_all(id, &mut gone);
        }
        self.delete(id, force, parents, untagged, &mut gone)?;
        Ok(gone)
    }

    /// What cannot be read can still be removed: by its name, or by what the index calls it.
    fn remove_broken(&mut self, wanted: &str, gone: &mut Vec<Gone>) -> Result<bool, ImageError> {
        if !matches!(self.catalog.find(wanted), Err(ImageError::Broken { .. })) {
            return Ok(false);
        }
        let name = wanted.parse::<Reference>().ok();
        let prefix = wanted.strip_prefix("sha256:").unwrap_or(wanted);
        let is_it = |names: &[Reference], digest: &Digest| {
            name.as_ref().is_some_and(|name| names.contains(name)) || digest.hex().starts_with(prefix)
        };
        let Catalog { broken, others, .. } = &mut self.catalog;
        let lists = [broken, others].into_iter();
        let found =
            lists.filter_map(|list| Some((list.iter().position(|it| is_it(&it.names, &it.digest))?, list)));
        let Some((at, list)) = found.into_iter().next() else {
            return Ok(false);
        };
        let broken = &mut list[at];
        let images = vec![broken.entry.clone()];
        let named = |name: Reference| Named { name, images: images.clone() };
        if let Some(name) = name.filter(|name| broken.names.contains(name)) {
            self.names.push(named(name.clone()));
            broken.names.retain(|other| *other != name);
            gone.push(Gone::Untagged(name.to_string()));
        } else {
            gone.extend(broken.names.iter().map(|name| Gone::Untagged(name.to_string())));
            self.names.extend(std::mem::take(&mut broken.names).into_iter().map(named));
        }
        if broken.names.is_empty() {
            let Broken { digest, entry, .. } = list.remove(at);
            self.entries.push(entry);
            gone.push(Gone::Deleted(digest));
        }
        Ok(true)
    }

    /// The first container of this kind that uses an image.
    fn user(&self, id: Digest, of: impl Fn(&Record) -> bool) -> Option<&Record> {
        let uses = |record: &&Record| match record.image_id {
            Some(image) => image == id,
            // a record of before this was written down
            None => self.catalog.find(&record.image).is_ok_and(|image| image.id == id),
        };
        self.containers.iter().filter(uses).find(|record| of(record))
    }

    /// Why an image may not be removed: what cannot be forced, and without force also what could.
    fn conflict(&self, id: Digest, force: bool, names_too: bool) -> Result<(), ImageError> {
        let because = |hard, why| Err(ImageError::Conflict { id: id.hex()[..12].into(), hard, why });
        if self.children.get(&id).is_some_and(|count| *count > 0) {
            return because(true, "image has dependent child images".into());
        }
        if let Some(user) = self.user(id, Record::running) {
            return because(true, format!("image is being used by running container {}", &user.id[..12]));
        }
        if force {
            return Ok(());
        }
        if names_too && self.catalog.images.iter().any(|image| image.id == id && !image.names.is_empty()) {
            return because(false, "image is referenced in multiple repositories".into());
        }
        if let Some(user) = self.user(id, |record| !record.running()) {
            return because(false, format!("image is being used by stopped container {}", &user.id[..12]));
        }
        Ok(())
    }

    fn untag(&mut self, id: Digest, name: &Reference, gone: &mut Vec<Gone>) {
        if let Some(image) = self.catalog.images.iter_mut().find(|image| image.id == id) {
            image.names.retain(|other| other != name);
            self.names.push(Named { name: name.clone(), images: image.entries.clone() });
            self.told.push(event(image, "untag"));
        }
        gone.push(Gone::Untagged(name.to_string()));
    }

    fn untag_all(&mut self, id: Digest, gone: &mut Vec<Gone>) {
        let image = self.catalog.images.iter().find(|image| image.id == id);
        for name in image.map(|image| image.names.clone()).unwrap_or_default() {
            self.untag(id, &name, gone);
        }
    }

    /// Removes an image, and the nameless ones that it was made of. Whoever only asked for a name to go is not told of
    /// what keeps the image.
    fn delete(
        &mut self,
        id: Digest,
        force: bool,
        parents: bool,
        quiet: bool,
        gone: &mut Vec<Gone>,
    ) -> Result<(), ImageError> {
        match self.conflict(id, force, true) {
            Err(_) if quiet => return Ok(()),
            other => other?,
        }
        self.untag_all(id, gone);
        let Some(at) = self.catalog.images.iter().position(|image| image.id == id) else { return Ok(()) };
        let image = self.catalog.images.remove(at);
        self.entries.extend_from_slice(&image.entries);
        self.told.push(event(&image, "delete"));
        if let Some(count) = image.parent().and_then(|parent| self.children.get_mut(&parent)) {
            *count -= 1;
        }
        gone.push(Gone::Deleted(id));
        // a layer whose size is not known any more frees what it frees
        let sizes = image.sizes(self.store).unwrap_or_default();
        let sizes = sizes.into_iter().map(Some).chain(std::iter::repeat(None));
        let layers: Vec<(Digest, Option<u64>)> = image.chains.iter().copied().zip(sizes).collect();
        for (chain, size) in layers.into_iter().rev() {
            let left = self.needed.get_mut(&chain).map(|count| {
                *count -= 1;
                *count
            });
            if left == Some(0) {
                gone.push(Gone::Deleted(chain));
                self.freed += size.unwrap_or(0);
            }
        }
        let parent = image.parent().filter(|_| parents);
        let nameless = |parent: &Digest| {
            self.catalog.images.iter().any(|image| image.id == *parent && image.names.is_empty())
        };
        match parent.filter(nameless) {
            Some(parent) => self.delete(parent, false, true, true, gone),
            None => Ok(()),
        }
    }

    /// Takes what was removed so far out of the list, in one move.
    ///
    /// # Errors
    /// Those of [`Store::forget`]; then nothing has gone.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        let (names, entries) = (std::mem::take(&mut self.names), std::mem::take(&mut self.entries));
        if !names.is_empty() || !entries.is_empty() {
            self.store.forget(&names, &entries)?;
            self.store.events().tell(&std::mem::take(&mut self.told));
        }
        Ok(())
    }

    /// Frees the blobs and layers that nothing reaches; returns the bytes of the layers' files that went.
    ///
    /// # Errors
    /// Those of [`Store::collect`].
    pub fn finish(self) -> Result<u64, StoreError> {
        self.store.collect(&used(&self.containers, &self.catalog))?;
        Ok(self.freed)
    }
}

fn event(image: &Known, action: &str) -> Event {
    let mut attributes = image.document.config.labels.clone().unwrap_or_default();
    attributes.insert("name".into(), image.id.to_string());
    Event::new(Kind::Image, action, &image.id.to_string(), attributes)
}

/// The layers that containers stand on, by their chain ids.
pub fn used(containers: &[Record], catalog: &Catalog) -> BTreeSet<Digest> {
    let of_record = |record: &Record| match record.image_id {
        Some(_) => record.layers.clone(),
        None => catalog.find(&record.image).map_or_else(|_| Vec::new(), |image| image.chains.clone()),
    };
    containers.iter().flat_map(of_record).collect()
}

/// Whether all names are one repository's, with one tag at most.
fn single(names: &[Reference]) -> bool {
    let tags = names.iter().filter(|name| name.digest().is_none()).count();
    let first = names.first().map(Reference::familiar_name);
    tags <= 1 && names.iter().all(|name| Some(name.familiar_name()) == first)
}
