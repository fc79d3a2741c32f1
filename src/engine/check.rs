//! Check: is everything of the engine's state what it should be, and what to do about what is not?
//!
//! ```text
//!   index ──> manifest, config ──> layer blobs ──> layers/CHAIN        each against the digest that names it
//!   containers, journals, leases, tmp                                  each against a process that lives
//!                    │
//!                finding: place, what is wrong, remedy ──> --repair: clear what is left over,
//!                                                                   move aside what is damaged
//! ```
//!
//! Nothing that could be somebody's data is removed: it goes to `quarantine/`, where a person can look at it.
//!
//! See the OCI image specification, image-layout.md. Lab 13-union-image, tutorials/13-union-image.md.

mod images;
mod leftovers;

use std::io::ErrorKind;
use std::path::PathBuf;

use super::state::State;
use super::store::{Store, StoreError};
use super::{containers, network};
use crate::engine::config::Descriptor;
use crate::engine::images::catalog::Catalog;
use crate::engine::images::remove::used;
use crate::journal;
use crate::layers;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// where
    pub place: String,
    /// what
    pub what: String,
    /// what to do about it
    pub remedy: Remedy,
}

/// What [`repair`] does about a finding.
#[derive(Debug, Clone, PartialEq)]
pub enum Remedy {
    /// remove what a maker that died has left
    Remove(PathBuf),
    /// move it to `quarantine/`
    Aside(PathBuf),
    /// take an image out of the index, and write down what it said
    Unlist(Box<Descriptor>),
    /// make an index out of the blobs
    Rebuild,
    /// remove what nothing reaches
    Collect,
    /// undo what a run that was killed has done
    Undo(PathBuf),
    /// free an address
    Free(PathBuf),
    /// write down that a container has ended
    End(String),
    /// nothing: somebody must decide
    Nothing(&'static str),
}

impl Remedy {
    /// What it does, in words.
    pub fn words(&self) -> &'static str {
        match self {
            Remedy::Remove(_) => "removes it",
            Remedy::Aside(_) => "moves it to quarantine/",
            Remedy::Unlist(_) => "takes it out of index.json, and keeps its entry in quarantine/",
            Remedy::Rebuild => "moves it to quarantine/ and lists the images without their names",
            Remedy::Collect => "removes it, as rmi would",
            Remedy::Undo(_) => "undoes what the run has done, as stepbox clean does",
            Remedy::Free(_) => "frees it",
            Remedy::End(_) => "notes that it has ended, with exit code 137; its files stay",
            Remedy::Nothing(what) => what,
        }
    }
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// blobs
    pub blobs: usize,
    /// unpacked layers
    pub layers: usize,
    /// images
    pub images: usize,
    /// containers
    pub containers: usize,
}

/// Looks at everything. What is wrong is a finding, never an error.
pub fn check(state: &State, store: &Store) -> (Vec<Finding>, Looked) {
    let mut findings = Vec::new();
    let mut looked = Looked::default();
    leftovers::look(state, store, &mut findings, &mut looked);
    images::look(state, store, &mut findings, &mut looked);
    (findings, looked)
}

/// Does what a finding's remedy says; returns what it came to.
///
/// # Errors
/// Why it could not be done, in words; the others can be done all the same.
pub fn repair(state: &State, store: &Store, finding: &Finding) -> Result<String, String> {
    let failed = |error: StoreError| error.to_string();
    let moved = |place: PathBuf| format!("moved to {}", place.display());
    match &finding.remedy {
        Remedy::Remove(path) => {
            layers::remove(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok("removed".into())
        }
        // what stands there has gone with something else
        Remedy::Aside(path) if path.symlink_metadata().is_err() => Ok("gone already".into()),
        Remedy::Aside(path) => store.put_aside(path).map(moved).map_err(failed),
        Remedy::Unlist(entry) => {
            let place = store.put_entry_aside(entry).map_err(failed)?;
            Ok(format!("taken out of the index; its entry is in {}", place.display()))
        }
        Remedy::Rebuild => store.rebuild_index().map(moved).map_err(failed),
        Remedy::Collect => {
            let catalog = Catalog::read(store).map_err(failed)?;
            store.collect(&used(&containers::list(state), &catalog)).map_err(failed)?;
            Ok("removed".into())
        }
        Remedy::Undo(path) => {
            containers::let_die(state);
            match journal::replay_file(path) {
                Ok(cleaned) => Ok(format!("{} undone", cleaned.undone.len())),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok("undone with its container".into()),
                Err(error) => Err(format!("{}: {error}", path.display())),
            }
        }
        Remedy::Free(path) => {
            network::free_dead_leases(state).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok("freed".into())
        }
        Remedy::End(id) => {
            // to look for it is to clean up after it; its journal may have done so already, or its run have wanted it gone
            match containers::find(state, id) {
                Ok(record) if record.life.orphaned() => Err("somebody else has its lock: try again".into()),
                Ok(_) => Ok("noted as ended".into()),
                Err(_) => Ok("gone with its run".into()),
            }
        }
        Remedy::Nothing(what) => Err((*what).into()),
    }
}
