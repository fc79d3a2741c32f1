//! Medians: contenders in alternation, so that whatever the machine does meanwhile meets all of them alike.

use std::time::Duration;

/// What each contender took, in the order of the list: `rounds` turns, each turn everybody once, the beginner
/// another one each time, so that nobody always comes after the same one.
pub fn alternate<T>(
    contenders: &mut [T],
    rounds: usize,
    mut once: impl FnMut(&mut T) -> Duration,
) -> Vec<Vec<Duration>> {
    let count = contenders.len();
    let mut times = vec![Vec::with_capacity(rounds); count];
    for round in 0..rounds {
        for turn in 0..count {
            let which = (round + turn) % count;
            times[which].push(once(&mut contenders[which]));
        }
    }
    times
}

/// The one in the middle.
pub fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The middle of what each turn's pair came to: a slow moment of the machine slows both of a pair.
pub fn paired(times: &[Duration], floor: &[Duration]) -> f64 {
    let mut ratios: Vec<f64> =
        times.iter().zip(floor).map(|(time, floor)| time.as_secs_f64() / floor.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

/// How often, by an environment variable or by default.
pub fn rounds(default: usize) -> usize {
    std::env::var("STEPBOX_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
