//! CPython's `random.Random`, as far as upstream prompt formatters need it: `random()` and `choice`.
//!
//! MT19937 (Matsumoto and Nishimura 1998) seeded by its `init_by_array` from the 32-bit words of the
//! seed, lowest first.
//!
//! In: a seed below 2^64. Out: the same draws as CPython 3.2 and later.
//! Parity: `tests/golden/w2s_rng.json`.

const N: usize = 624;
const M: usize = 397;

/// A generator that draws what CPython's `random.Random(seed)` draws.
#[derive(Debug, Clone)]
pub struct PythonRng {
    state: [u32; N],
    next: usize,
}

impl PythonRng {
    /// Starts the stream of `seed`.
    pub fn new(seed: u64) -> Self {
        let words = [seed as u32, (seed >> 32) as u32];
        let key = if words[1] == 0 {
            &words[..1]
        } else {
            &words[..]
        };
        let mut state = [19_650_218_u32; N];
        for i in 1..N {
            state[i] = scramble(state[i - 1], 1_812_433_253).wrapping_add(i as u32);
        }
        let mut i = 1;
        for k in 0..N.max(key.len()) {
            let j = k % key.len();
            state[i] = (state[i] ^ scramble(state[i - 1], 1_664_525))
                .wrapping_add(key[j])
                .wrapping_add(j as u32);
            i = advance(i, &mut state);
        }
        for _ in 1..N {
            state[i] = (state[i] ^ scramble(state[i - 1], 1_566_083_941)).wrapping_sub(i as u32);
            i = advance(i, &mut state);
        }
        state[0] = 1 << 31;
        Self { state, next: N }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == N {
            for i in 0..N {
                let joined = (self.state[i] & (1 << 31)) | (self.state[(i + 1) % N] & !(1 << 31));
                let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + M) % N] ^ (joined >> 1) ^ odd;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// A uniform number in `[0, 1)`, of 53 bits.
    pub fn random(&mut self) -> f64 {
        let (high, low) = (self.next_u32() >> 5, self.next_u32() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// The place that `choice` picks in a list of `n`.
    ///
    /// # Panics
    ///
    /// When `n` is zero.
    pub fn choice(&mut self, n: u32) -> u32 {
        assert!(n > 0, "choice from an empty list");
        let n_bits = u32::BITS - n.leading_zeros();
        loop {
            let draw = self.next_u32() >> (u32::BITS - n_bits);
            if draw < n {
                return draw;
            }
        }
    }
}

fn scramble(previous: u32, factor: u32) -> u32 {
    (previous ^ (previous >> 30)).wrapping_mul(factor)
}

fn advance(i: usize, state: &mut [u32; N]) -> usize {
    if i + 1 == N {
        state[0] = state[N - 1];
        1
    } else {
        i + 1
    }
}
