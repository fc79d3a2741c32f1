//! The same work on each of many: shared out among as many threads as there are processors.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

/// With fewer, threads cost more than they bring.
const MANY: usize = 64;

/// What the work makes of each, in their order.
pub fn each<T: Sync, R: Send>(of: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    if of.len() < MANY || threads == 1 {
        return of.iter().map(work).collect();
    }
    let work = &work;
    thread::scope(|scope| {
        let parts = of.chunks(of.len().div_ceil(threads));
        let begun: Vec<_> =
            parts.map(|part| scope.spawn(move || part.iter().map(work).collect::<Vec<R>>())).collect();
        begun.into_iter().flat_map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}
