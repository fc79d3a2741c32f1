//! stepbox: a container engine you can step through.
//!
//! ```text
//!   main, labs      arguments; what works here       cli, lab, doctor, host
//!      │
//!   api             what is served over HTTP         api
//!      │
//!   engine          images, stores                   engine
//!   oci             bundles, runc's commands         oci
//!      │
//!   container       Spec -> Plan: THE recipe         container, join, spec, rootfs
//!      │
//!   mechanisms      settings -> steps; never import  chroot namespaces userns cgroups privilege overlay
//!      │            each other                       veth ports layers storage
//!   launch          the one loop; undo, journal      step, launch, journal, attend, probe, observe, trace
//!      │
//!   kernel          Op -> system call; all `unsafe`  kernel
//! ```
//!
//! Imports point down; [`closure`], which finds the libraries of a program, and `complain` stand on nothing. To read it
//! in order: [`step`], [`launch`], [`overlay`], then a lab in `labs/`.

#[macro_use]
mod complain;

#[cfg(feature = "engine")]
pub mod api;
#[cfg(feature = "engine")]
pub mod attend;
pub mod cgroups;
pub mod chroot;
#[cfg(feature = "engine")]
pub mod cli;
pub mod closure;
pub mod container;
pub mod doctor;
#[cfg(feature = "engine")]
pub mod engine;
pub mod host;
pub mod join;
pub mod journal;
pub mod kernel;
pub mod lab;
pub mod launch;
pub mod layers;
pub mod namespaces;
pub mod observe;
#[cfg(feature = "engine")]
pub mod oci;
pub mod overlay;
pub mod ports;
pub mod privilege;
pub mod probe;
pub mod rootfs;
pub mod spec;
pub mod step;
pub mod storage;
pub mod trace;
pub mod userns;
pub mod veth;
