//! NumPy's default generator, as far as upstream splits need it: `default_rng(seed).permutation(n)`
//! and `.random()`.
//!
//! `SeedSequence` spreads the seed over 256 bits; PCG64 (O'Neill 2014; XSL-RR output, 128-bit state)
//! turns them into a stream; permutations are Fisher–Yates from the end, their bounded integers masked
//! and rejected, from 32-bit halves where the bound allows:
//!
//! ```text
//! state' = state * M + inc (mod 2^128)      out = rotr64(hi(state') ^ lo(state'), state' >> 122)
//! ```
//!
//! In: a seed below 2^64. Out: the same numbers as NumPy 1.17 to 2.4.
//! Parity: `tests/golden/w2s_rng.json`.

const PCG_MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

/// A generator that gives what NumPy's `default_rng(seed)` gives.
#[derive(Debug, Clone)]
pub struct NumpyRng {
    state: u128,
    increment: u128,
    /// The unused upper half of the last 64 bits, where only 32 were asked for.
    half: Option<u32>,
}

impl NumpyRng {
    /// Starts the stream of `seed`.
    pub fn new(seed: u64) -> Self {
        let [high, low, inc_high, inc_low] = seed_sequence(seed);
        let increment = (((u128::from(inc_high) << 64) | u128::from(inc_low)) << 1) | 1;
        let mut rng = Self {
            state: 0,
            increment,
            half: None,
        };
        rng.step();
        rng.state = rng
            .state
            .wrapping_add((u128::from(high) << 64) | u128::from(low));
        rng.step();
        rng
    }

    fn step(&mut self) {
        self.state = self
            .state
            .wrapping_mul(PCG_MULTIPLIER)
            .wrapping_add(self.increment);
    }

    fn next_u64(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    fn next_u32(&mut self) -> u32 {
        if let Some(half) = self.half.take() {
            return half;
        }
        let both = self.next_u64();
        self.half = Some((both >> 32) as u32);
        both as u32
    }

    /// A uniform number in `[0, 1)`, of 53 bits: NumPy's `random()`.
    pub fn random(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A uniform integer from 0 to `most`, both included: draws are cut to as many bits as `most` has
    /// until one is small enough.
    fn up_to(&mut self, most: u64) -> u64 {
        if most == 0 {
            return 0;
        }
        let mask = u64::MAX >> most.leading_zeros();
        loop {
            let draw = match u32::try_from(most) {
                Ok(_) => u64::from(self.next_u32()),
                Err(_) => self.next_u64(),
            };
            if draw & mask <= most {
                return draw & mask;
            }
        }
    }

    /// The numbers below `n` in random order: NumPy's `permutation(n)`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut items: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            items.swap(i, self.up_to(i as u64) as usize);
        }
        items
    }
}

/// `SeedSequence(seed).generate_state(4, uint64)`.
fn seed_sequence(seed: u64) -> [u64; 4] {
    const POOL: usize = 4;
    let mut hash_const = 0x43b0_d7e5_u32;
    let mut hash = |value: u32| {
        let value = value ^ hash_const;
        hash_const = hash_const.wrapping_mul(0x931e_8875);
        let value = value.wrapping_mul(hash_const);
        value ^ (value >> 16)
    };
    let mix = |x: u32, y: u32| {
        let mixed = x
            .wrapping_mul(0xca01_f9dd)
            .wrapping_sub(y.wrapping_mul(0x4973_f715));
        mixed ^ (mixed >> 16)
    };
    let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0].map(&mut hash);
    for from in 0..POOL {
        for to in 0..POOL {
            if from != to {
                pool[to] = mix(pool[to], hash(pool[from]));
            }
        }
    }
    let mut hash_const = 0x8b51_f9dd_u32;
    let mut word = |i: usize| {
        let value = pool[i % POOL] ^ hash_const;
        hash_const = hash_const.wrapping_mul(0x58f3_8ded);
        let value = value.wrapping_mul(hash_const);
        u64::from(value ^ (value >> 16))
    };
    [0, 2, 4, 6].map(|i| word(i) | (word(i + 1) << 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unused_half_is_kept_for_the_next_permutation() {
        // numpy 2.4.6: r = default_rng(1); r.permutation(10), r.permutation(7), r.random()
        let mut rng = NumpyRng::new(1);
        assert_eq!(rng.permutation(10), [8, 4, 7, 0, 1, 2, 5, 9, 6, 3]);
        assert_eq!(rng.permutation(7), [1, 5, 6, 0, 2, 3, 4]);
        assert_eq!(rng.random(), 0.027559113243068367);
    }

    #[test]
    fn long_permutations_and_wide_seeds() {
        // numpy 2.4.6: default_rng(seed).permutation(100_000)[:4]
        for (seed, start) in [
            (0, [18836, 43996, 91795, 93254]),
            ((1 << 40) + 5, [82642, 36657, 2527, 2685]),
        ] {
            assert_eq!(NumpyRng::new(seed).permutation(100_000)[..4], start);
        }
    }
}
