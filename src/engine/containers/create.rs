//! Create: from a request and an image to a container that has its files, and no program yet.
//!
//! ```text
//!   mkdir containers/ID     nobody sees it
//!   lock                    whoever finds it locked leaves it alone
//!   upper, work             what it will write to
//!   volumes                 made where they are missing, filled where they are empty
//!   names' lock             is the name free? config.json: from here on it is there
//! ```
//!
//! Killed on the way, it leaves a directory that nobody sees and that `stepbox clean` removes.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use super::Record;
use super::life::Lock;
use super::reserve::{free_name, lock_names};
use crate::container;
use crate::engine::events::of;
use crate::engine::names;
use crate::engine::request::Request;
use crate::engine::run::{self, Ground, RunError};
use crate::engine::state::State;
use crate::engine::store::{Driver, Image};
use crate::engine::volumes::open::{How, open};
use crate::engine::volumes::{Volumes, asked};
use crate::launch::launch;
use crate::rootfs::Root;
use crate::spec::Spec;
use crate::step::Plan;

/// A container that was made and is still locked.
#[derive(Debug)]
pub struct Created {
    /// the container
    pub record: Record,
    /// its directory
    pub directory: PathBuf,
    /// nobody else starts or removes it meanwhile
    pub lock: Lock,
}

/// Makes a container of an image, whose layers the caller holds, and the name by which it was asked for.
///
/// # Errors
/// A name that is taken, what is wrong with the request, and what the kernel answers; then nothing is left.
pub fn create(
    state: &State,
    image: (&str, &Image),
    driver: Driver,
    name: Option<&str>,
    mut request: Request,
) -> Result<Created, RunError> {
    // Docker looks at the name first
    free_name(state, name)?;
    asked::settle(state, &mut request, &image.1.config)?;
    let volumes = request.volumes.clone();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    std::fs::create_dir_all(state.containers())?;
    let id = names::new_id();
    let directory = state.containers().join(&id);
    // who sweeps takes this lock, too: he never sees the directory without its own
    let names_lock = lock_names(state)?;
    DirBuilder::new().mode(0o700).create(&directory)?;
    let lock = Lock::take(&directory);
    drop(names_lock);
    let made = || -> Result<Created, RunError> {
        let lock = lock?;
        let volumes = open(state, &request, &id, How::Fill)?;
        let mut spec = run::sketch(state, &Ground::of(image.1, driver), id, &request, volumes.mounts)?;
        let plan = Plan::default().then(spec.rootfs.writable());
        let mut running = launch(&plan, &mut (), None)?;
        running.keep(|_| true);
        drop(running);
        fill(&mut spec)?;
        let _names = lock_names(state)?;
        let record = Record::new(&spec, image, driver, free_name(state, name)?, request);
        record.save(&directory)?;
        state.events().tell(&[of::container(&record, "create")]);
        Ok(Created { record, directory: directory.clone(), lock })
    };
    made().inspect_err(|_| {
        // what cannot be removed now, `clean` removes later
        let _ = crate::kernel::remove::remove(&directory);
        Volumes::of(state).remove_anonymous(&volumes);
    })
}

/// As Docker: volumes begin as what the image has when the container is made, not when it starts.
fn fill(spec: &mut Spec) -> Result<(), RunError> {
    if let Root::Overlay { throw_away, .. } = &mut spec.rootfs.root {
        // what is mounted so is mounted once
        *throw_away = false;
    }
    if let Some(plan) = container::filling(spec) {
        launch(&plan, &mut (), None)?;
    }
    Ok(())
}
