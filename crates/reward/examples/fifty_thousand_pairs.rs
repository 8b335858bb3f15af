//! 50,000 pairs × 384 features, from a file to a fitted reward model, with little in memory.
//!
//! ```text
//! cargo run --release -p trimtab-reward --example fifty_thousand_pairs
//! ```
//!
//! Writes a file of f32 rows (chosen, rejected, one pair after another) to a temporary place, fits a linear reward by streaming it,
//! and prints how long the fit took, the most memory the process had, and accuracy on pairs that were held out.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use trimtab_core::{Seed, SplitMix64};
use trimtab_reward::{
    LinearReward, LinearRewardConfig, PairBlock, PairError, PairLabel, PairSource, fit_linear,
};

const PAIRS: usize = 50_000;
const HELD_OUT: usize = 5_000;
const DIM: usize = 384;
const BLOCK_PAIRS: usize = 512;

type Failure = Box<dyn std::error::Error>;

/// Pairs in a file: the rows of one pair after those of another.
struct PairFile {
    path: PathBuf,
    chosen: Vec<f32>,
    rejected: Vec<f32>,
    labels: Vec<PairLabel>,
}

impl PairFile {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            chosen: Vec::new(),
            rejected: Vec::new(),
            labels: Vec::new(),
        }
    }
}

impl PairSource for PairFile {
    fn dim(&self) -> usize {
        DIM
    }

    fn pass(
        &mut self,
        visit: &mut dyn FnMut(&PairBlock<'_>) -> Result<(), PairError>,
    ) -> Result<(), PairError> {
        let source = |error: std::io::Error| PairError::Source(error.into());
        let file = File::open(&self.path).map_err(source)?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut bytes = vec![0; 2 * DIM * size_of::<f32>()];
        loop {
            self.chosen.clear();
            self.rejected.clear();
            self.labels.clear();
            while self.labels.len() < BLOCK_PAIRS && has_more(&mut reader).map_err(source)? {
                reader.read_exact(&mut bytes).map_err(source)?;
                let (values, _) = bytes.as_chunks();
                let mut values = values.iter().map(|bytes| f32::from_le_bytes(*bytes));
                self.chosen.extend(values.by_ref().take(DIM));
                self.rejected.extend(values);
                self.labels.push(PairLabel::default());
            }
            if self.labels.is_empty() {
                return Ok(());
            }
            visit(&PairBlock {
                chosen: &self.chosen,
                rejected: &self.rejected,
                labels: &self.labels,
            })?;
        }
    }
}

fn has_more(reader: &mut BufReader<File>) -> std::io::Result<bool> {
    use std::io::BufRead;
    Ok(!reader.fill_buf()?.is_empty())
}

/// Draws pairs of unit rows, as sentence embeddings are, and labels them by a reward of their own: preferred by chance.
fn write_pairs(
    path: &Path,
    n: usize,
    truth: &[f64],
    random: &mut SplitMix64,
) -> Result<(), Failure> {
    let mut file = BufWriter::new(File::create(path)?);
    let truth = LinearReward::new(truth.to_vec());
    for _ in 0..n {
        let [first, second] = [(); 2].map(|()| unit_row(random));
        let lead = truth.of(&first) - truth.of(&second);
        let first_wins = random.next_f64() < 1.0 / (1.0 + (-lead).exp());
        let (chosen, rejected) = if first_wins {
            (first, second)
        } else {
            (second, first)
        };
        for value in chosen.iter().chain(&rejected) {
            file.write_all(&value.to_le_bytes())?;
        }
    }
    file.flush()?;
    Ok(())
}

fn unit_row(random: &mut SplitMix64) -> Vec<f32> {
    let row: Vec<f64> = (0..DIM).map(|_| random.next_normal()).collect();
    let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
    row.into_iter().map(|x| (x / norm) as f32).collect()
}

fn accuracy(path: &Path, reward: &LinearReward) -> Result<f64, Failure> {
    let (mut right, mut n) = (0.0, 0.0);
    PairFile::new(path).pass(&mut |block| {
        let sides = block
            .chosen
            .chunks_exact(DIM)
            .zip(block.rejected.chunks_exact(DIM));
        for (chosen, rejected) in sides {
            n += 1.0;
            right += f64::from(u8::from(reward.of(chosen) > reward.of(rejected)));
        }
        Ok(())
    })?;
    Ok(right / n)
}

/// The most memory this process had, in MiB, where the system tells.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let mut random = Seed(0).stream();
    let truth: Vec<f64> = (0..DIM).map(|_| 2.0 * random.next_normal()).collect();
    let [training, held_out] = ["training", "held-out"].map(|name| folder.path().join(name));
    write_pairs(&training, PAIRS, &truth, &mut random)?;
    write_pairs(&held_out, HELD_OUT, &truth, &mut random)?;
    let mib = std::fs::metadata(&training)?.len() as f64 / f64::from(1 << 20);

    let start = Instant::now();
    let fit = fit_linear(
        &mut PairFile::new(&training),
        &LinearRewardConfig::default(),
    )?;
    let seconds = start.elapsed().as_secs_f64();

    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "pairs              {PAIRS} × {DIM} features, {mib:.0} MiB on disk"
    )?;
    writeln!(
        out,
        "fit                {seconds:.2} s, {} passes",
        fit.summary.n_passes
    )?;
    writeln!(out, "largest slope      {:.1e}", fit.summary.largest_slope)?;
    match peak_memory() {
        Some(mib) => writeln!(out, "peak memory        {mib:.0} MiB")?,
        None => writeln!(out, "peak memory        not told by this system")?,
    }
    writeln!(
        out,
        "held-out accuracy  {:.3}",
        accuracy(&held_out, &fit.reward)?
    )?;
    let best = LinearReward::new(truth);
    writeln!(out, "of the true reward {:.3}", accuracy(&held_out, &best)?)?;
    Ok(())
}
