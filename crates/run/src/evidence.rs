//! The evidence game on MNIST, from images to finished games: judges trained once, then image after image.
//!
//! ```text
//! judge-K.json          how good the judge of K pixels is, without any debate
//! pixels-K.jsonl        what was measured of each test image, one a line
//! ```
//!
//! An image counts once its line is on disk; a process that is killed loses the images it was at. Every image's luck comes from its
//! number, so a run that is resumed, or has more images added, ends in the same lines. Judges are kept elsewhere, under a
//! hash of everything that went into them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use cpu_time::ThreadTime;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_data::mnist::{LabelledImages, Mnist, MnistError};
use trimtab_evidence::judge::{Lessons, TrainingError, WeightsError};
use trimtab_evidence::{
    Exactness, Images, Judge, JudgeOptions, SearchOptions, Trial, TrialOptions, count_right,
    try_case,
};

use crate::event::{Event, is_milestone};
use crate::folder::{FolderError, make_folder, whole_lines, write_whole};
use crate::reproduction::{ReproductionFolder, hash};

/// Digits.
const N_LABELS: usize = 10;

/// What is asked of every image, and of the judges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EvidenceConfig {
    /// How judges are trained; each sees as many pixels as its games reveal.
    pub judge: JudgeOptions,
    /// How players search.
    pub search: SearchOptions,
    /// Games of each kind.
    pub seeds: usize,
    /// Whether games are also solved.
    pub exactness: Exactness,
    /// The seed of everything.
    pub seed: u64,
}

/// A reproduction to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Reproduction {
    /// What is asked.
    pub config: EvidenceConfig,
    /// The folder of MNIST.
    pub data: PathBuf,
    /// Where judges are kept between runs.
    pub judges: PathBuf,
    /// Where results go.
    pub out: PathBuf,
    /// Test images, from the first.
    pub images: usize,
    /// Pixels a game; each its own judge.
    pub pixels: Vec<usize>,
    /// Images at a time.
    pub threads: usize,
}

/// How good a judge is on its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JudgeRecord {
    /// Pixels that it sees.
    pub pixels: usize,
    /// Test images that it names rightly after random pixels.
    pub n_right: usize,
    /// Test images.
    pub n: usize,
    /// Images that it learnt from.
    pub n_train: usize,
    /// Of those, images that it names rightly.
    pub n_train_right: usize,
    /// The file that it is kept in.
    pub file: String,
}

/// One image, measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialRow {
    /// What was measured.
    pub trial: Trial,
    /// Processor seconds that it took.
    pub cpu_secs: f64,
}

/// A folder of results.
pub type EvidenceFolder = ReproductionFolder<EvidenceConfig>;

/// Why evidence games cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The images cannot be read.
    #[error(transparent)]
    Mnist(#[from] MnistError),
    /// No judge can be trained.
    #[error("the judge cannot be trained: {0}")]
    Training(#[from] TrainingError),
    /// A judge that was kept cannot be used.
    #[error("{}: {source}", path.display())]
    Weights {
        /// The judge's file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: WeightsError,
    },
    /// A kept judge is one of something else.
    #[error("{}: a judge of {features} features and {labels} labels", path.display())]
    OtherJudge {
        /// The judge's file.
        path: PathBuf,
        /// Features it knows.
        features: usize,
        /// Labels it chooses from.
        labels: usize,
    },
    /// More pixels are asked for than a game may reveal.
    #[error("{pixels} pixels a game: from 1 to {most} can be revealed")]
    Pixels {
        /// What was asked.
        pixels: usize,
        /// The most.
        most: usize,
    },
    /// A line is no result.
    #[error("{}, line {line}: {reason}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
}

impl EvidenceError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Folder(error) => error.hint(),
            Self::Mnist(error) => error.hint().into(),
            Self::Training(error) => error.hint().into(),
            Self::Weights { source, .. } => source.hint().into(),
            Self::OtherJudge { .. } => "delete the file, and the judge is trained again".into(),
            Self::Pixels { .. } => "the paper has 6 and 4".into(),
            Self::Row { .. } => "delete the file, and its images are played again".into(),
        })
    }
}

impl ReproductionFolder<EvidenceConfig> {
    /// How good the judge of so many pixels is; none before it was asked.
    ///
    /// # Errors
    ///
    /// [`EvidenceError::Folder`] when its file cannot be read.
    pub fn judge(&self, pixels: usize) -> Result<Option<JudgeRecord>, EvidenceError> {
        Ok(self.rows().document(&format!("judge-{pixels}.json"))?)
    }

    /// The images that are finished, by number; a last line that a killed process left unfinished is none.
    ///
    /// # Errors
    ///
    /// [`EvidenceError`] when the file cannot be read.
    pub fn trials(&self, pixels: usize) -> Result<BTreeMap<usize, TrialRow>, EvidenceError> {
        Ok(read_trials(&trials_file(self.path(), pixels))?.0)
    }
}

fn trials_file(folder: &Path, pixels: usize) -> PathBuf {
    folder.join(format!("pixels-{pixels}.jsonl"))
}

/// The rows of a file, and how many of its bytes hold them.
fn read_trials(path: &Path) -> Result<(BTreeMap<usize, TrialRow>, u64), EvidenceError> {
    let text = whole_lines(path)?;
    let mut rows = BTreeMap::new();
    for (number, line) in (text.split_inclusive(|byte| *byte == b'\n')).enumerate() {
        let row: TrialRow = serde_json::from_slice(line).map_err(|error| EvidenceError::Row {
            path: path.to_owned(),
            line: number + 1,
            reason: error.to_string(),
        })?;
        rows.insert(row.trial.case, row);
    }
    Ok((rows, text.len() as u64))
}

/// Plays what is not played yet.
///
/// # Errors
///
/// [`EvidenceError`] when data, judge or folder cannot be used. Images that were finished stay so.
pub fn reproduce(
    asked: &Reproduction,
    tell: &mut dyn FnMut(&Event),
) -> Result<EvidenceFolder, EvidenceError> {
    let began = Instant::now();
    let most = trimtab_evidence::board::MOST_REVEALED;
    if let Some(&pixels) = asked.pixels.iter().find(|n| **n == 0 || **n > most) {
        return Err(EvidenceError::Pixels { pixels, most });
    }
    tell(&Event::Loading {
        set: "mnist".into(),
        done: 0,
        total: 0,
    });
    let mnist = Mnist::read(&asked.data)?;
    tell(&Event::Loaded {
        set: "mnist".into(),
        n_rows: mnist.train.len() + mnist.test.len(),
        cached: false,
    });
    let (folder, _held) =
        ReproductionFolder::begin(&asked.out, &asked.config, Some(&mnist.sha256))?;
    let n_images = asked.images.min(mnist.test.len());
    let mut n_finished = 0;
    for pixels in &asked.pixels {
        n_finished += folder.trials(*pixels)?.range(..n_images).count();
    }
    tell(&Event::Started {
        n_cells: n_images * asked.pixels.len(),
        n_finished,
    });
    let train = Images::new(mnist.train.n_pixels, &mnist.train.pixels);
    let test = Images::new(mnist.test.n_pixels, &mnist.test.pixels);
    for &pixels in &asked.pixels {
        let (judge, file) = judge(asked, pixels, &mnist.sha256, &train, &mnist.train, tell)?;
        let seed = Seed(asked.config.seed).child("judge alone");
        let right =
            |images, of: &LabelledImages| count_right(&judge, images, &of.labels, pixels, seed);
        folder.rows().write_document(
            &format!("judge-{pixels}.json"),
            &JudgeRecord {
                pixels,
                n_right: right(&test, &mnist.test),
                n: mnist.test.len(),
                n_train: mnist.train.len(),
                n_train_right: right(&train, &mnist.train),
                file,
            },
        )?;
        play_images(
            asked,
            pixels,
            &judge,
            &test,
            &mnist.test.labels[..n_images],
            tell,
        )?;
    }
    tell(&Event::Finished {
        wall_secs: began.elapsed().as_secs_f64(),
    });
    Ok(folder)
}

/// The judge of so many pixels: the one that is kept, or one that is trained now. And the name of its file.
fn judge(
    asked: &Reproduction,
    pixels: usize,
    data_sha256: &str,
    images: &Images,
    labelled: &LabelledImages,
    tell: &mut dyn FnMut(&Event),
) -> Result<(Judge, String), EvidenceError> {
    let options = JudgeOptions {
        pieces: pixels,
        ..asked.config.judge.clone()
    };
    let key = hash(&(&options, asked.config.seed, data_sha256));
    let file = format!("mnist-{pixels}-{key}.safetensors");
    let path = asked.judges.join(&file);
    match fs::read(&path) {
        Ok(bytes) => {
            let judge = Judge::from_bytes(&bytes).map_err(|source| EvidenceError::Weights {
                path: path.clone(),
                source,
            })?;
            let features = 2 * labelled.n_pixels;
            if judge.n_labels() != N_LABELS || judge.n_features() != features {
                return Err(EvidenceError::OtherJudge {
                    path,
                    features: judge.n_features(),
                    labels: judge.n_labels(),
                });
            }
            return Ok((judge, file));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(FolderError::io(&path, "reading", error).into()),
    }
    let certain = |label: &u8| {
        (0..N_LABELS).map({
            let label = usize::from(*label);
            move |l| f32::from(u8::from(l == label))
        })
    };
    let targets: Vec<f32> = labelled.labels.iter().flat_map(certain).collect();
    let lessons = Lessons {
        cases: images,
        targets: &targets,
        n_labels: N_LABELS,
    };
    let seed = Seed(asked.config.seed).child(&format!("judge of {pixels}"));
    let mut n_steps = 0;
    let trained = Judge::train(lessons, &options, seed, asked.threads, &mut |step| {
        n_steps += 1;
        if is_milestone(step.step, step.n_steps) {
            tell(&Event::Step {
                variant: 0,
                seed: asked.config.seed,
                training: format!("judge of {pixels} pixels"),
                step: step.step,
                n_steps: step.n_steps,
                loss: step.loss,
                learning_rate: options.learning_rate
                    * options.schedule.factor(step.step - 1, step.n_steps, 0),
                gradient_norm: None,
            });
        }
    })?;
    let bytes = trained
        .to_bytes()
        .map_err(|source| EvidenceError::Weights {
            path: path.clone(),
            source,
        })?;
    make_folder(&asked.judges, "making a folder")?;
    write_whole(&asked.judges, &file, |out| out.write_all(&bytes))?;
    Ok((trained, file))
}

/// Plays the images that are not finished, some at a time, and writes each as it is.
fn play_images(
    asked: &Reproduction,
    pixels: usize,
    judge: &Judge,
    images: &Images,
    labels: &[u8],
    tell: &mut dyn FnMut(&Event),
) -> Result<(), EvidenceError> {
    let path = trials_file(&asked.out, pixels);
    let (finished, n_bytes) = read_trials(&path)?;
    let missing: Vec<usize> = (0..labels.len())
        .filter(|n| !finished.contains_key(n))
        .collect();
    let failed = |error| FolderError::io(&path, "writing", error);
    let open = || {
        let file = File::options().append(true).create(true).open(&path)?;
        // What a killed process did not finish.
        file.set_len(n_bytes)?;
        Ok(file)
    };
    let mut file = open().map_err(failed)?;
    let options = TrialOptions {
        pieces: pixels,
        search: asked.config.search,
        seeds: asked.config.seeds,
        exactness: asked.config.exactness,
    };
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // Workers stop when nobody listens any more.
        let (sender, receiver) = mpsc::channel();
        for _ in 0..asked.threads.clamp(1, missing.len().max(1)) {
            let (sender, next, missing) = (sender.clone(), &next, &missing);
            scope.spawn(move || {
                while let Some(&image) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (wall, cpu) = (Instant::now(), ThreadTime::now());
                    let seed = Seed(asked.config.seed).child(&format!("image {image}"));
                    let truth = labels[image].into();
                    let trial = try_case(judge, images, image, truth, &options, seed);
                    let row = TrialRow {
                        trial,
                        cpu_secs: cpu.elapsed().as_secs_f64(),
                    };
                    if sender.send((row, wall.elapsed().as_secs_f64())).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (row, wall_secs) in receiver {
            let mut line = serde_json::to_vec(&row).map_err(|error| failed(error.into()))?;
            line.push(b'\n');
            file.write_all(&line)
                .and_then(|()| file.sync_data())
                .map_err(failed)?;
            tell(&Event::method_finished(
                0,
                asked.config.seed,
                format!("image {}, {pixels} pixels", row.trial.case),
                wall_secs,
            ));
        }
        Ok(())
    })
}
