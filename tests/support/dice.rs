//! Dice: numbers without a pattern, which come again when the same seed is given.

use std::time::SystemTime;

/// A state of the dice.
pub struct Dice(u64);

impl Dice {
    /// By `STEPBOX_SEED`, or by the clock; the seed is printed, so that a failure can be had again.
    pub fn thrown() -> Dice {
        let clock = || {
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |time| time.as_micros() as u64)
        };
        let given = std::env::var("STEPBOX_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(clock) | 1;
        println!("again with STEPBOX_SEED={seed}");
        Dice(seed)
    }

    /// A number from 0 to one less than that.
    pub fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % sides
    }
}
