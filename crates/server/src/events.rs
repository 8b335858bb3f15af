//! What happens in a run, read from `events.jsonl` as it grows.
//!
//! The file is read once from its beginning and then from where it was left. What is kept does not grow with it: counts, the
//! last line of each training and stage, a few last lines, and one offset for each thousand lines, from which any page of the
//! log can be read again. (inspect_ai's viewer reads its log whole; its users report logs that no longer open.)

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Lines between two offsets that are kept, and lines of a page of the log.
pub const PAGE: usize = 1000;

/// Last lines that are kept for the front page.
const RECENT: usize = 12;

/// Trainings and stages that are told apart at most: more are counted, not shown.
const MOST_NAMES: usize = 500;

/// The log of a run, as far as it was read.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    /// Bytes of whole lines that were read.
    offset: u64,
    /// Where every thousandth line begins.
    pages: Vec<u64>,
    progress: Progress,
}

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Lines.
    pub n_events: usize,
    /// Lines that cannot be read.
    pub n_unread: usize,
    /// Cells in all.
    pub n_cells: usize,
    /// Cells that are finished.
    pub n_finished: usize,
    /// Processes that worked on it.
    pub n_starts: usize,
    /// When the last process began, in seconds since 1970.
    pub started: Option<f64>,
    /// When the last line was written.
    pub last: Option<f64>,
    /// Wall-clock seconds of the process that ended it, once it has.
    pub finished_secs: Option<f64>,
    /// Trainings, with where each stands.
    pub trainings: BTreeMap<String, Training>,
    /// Stages of calls, with where each stands.
    pub calls: BTreeMap<String, Calls>,
    /// Batch jobs that were waited for, with how far each was at the last look that told something new.
    pub jobs: BTreeMap<String, BatchJob>,
    /// Cells that were finished in the last lines, and what else happened, latest last.
    pub recent: VecDeque<Line>,
}

/// Where a training stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Steps taken.
    pub step: usize,
    /// Of how many.
    pub n_steps: usize,
    /// Mean loss of the last batch, in nats.
    pub loss: f64,
}

/// Where a stage of calls stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// Calls that have come to something.
    pub done: usize,
    /// Failures among them.
    pub n_failed: usize,
    /// Calls in all.
    pub of: usize,
}

/// How far a batch job at a provider was.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchJob {
    /// The model.
    pub model: String,
    /// Calls that had come to something, and calls in all, where the provider says.
    pub counts: Option<(usize, usize)>,
    /// When, in seconds since 1970.
    pub at: f64,
}

/// A line of the log, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// When, in seconds since 1970.
    pub at: f64,
    /// What, in a few words.
    pub what: String,
}

/// A line as it stands; what is not named here is not needed here.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(default)]
    at: f64,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(default)]
    n_cells: usize,
    #[serde(default)]
    n_finished: usize,
    #[serde(default)]
    variant: usize,
    #[serde(default)]
    seed: u64,
    #[serde(borrow, default)]
    training: Cow<'a, str>,
    #[serde(borrow, default)]
    stage: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    set: Cow<'a, str>,
    #[serde(borrow, default)]
    model: Cow<'a, str>,
    #[serde(borrow, default)]
    job: Cow<'a, str>,
    #[serde(default)]
    step: usize,
    #[serde(default)]
    n_steps: usize,
    #[serde(default)]
    n_rows: usize,
    loss: Option<f64>,
    #[serde(default)]
    done: usize,
    #[serde(default)]
    n_failed: usize,
    #[serde(default)]
    of: usize,
    wall_secs: Option<f64>,
}

impl EventLog {
    /// The log of the run folder `run`, of which nothing is read yet.
    pub fn new(run: &Path) -> Self {
        Self {
            path: run.join("events.jsonl"),
            offset: 0,
            pages: Vec::new(),
            progress: Progress::default(),
        }
    }

    /// How far the run is, by what was read.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Pages of the log.
    pub fn n_pages(&self) -> usize {
        self.pages.len()
    }

    /// Reads what was written since; whether there was anything. A log that became shorter is another one, and read anew. A
    /// line that is not whole yet is left for later.
    ///
    /// # Errors
    ///
    /// When the file cannot be read; one that is not there is empty.
    pub fn read_on(&mut self) -> io::Result<bool> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let len = file.metadata()?.len();
        if len < self.offset {
            *self = Self {
                path: std::mem::take(&mut self.path),
                offset: 0,
                pages: Vec::new(),
                progress: Progress::default(),
            };
        }
        if len == self.offset {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let mut text = Vec::new();
        let before = self.progress.n_events;
        loop {
            text.clear();
            let n = reader.read_until(b'\n', &mut text)?;
            if n == 0 || text.last() != Some(&b'\n') {
                return Ok(self.progress.n_events > before);
            }
            if self.progress.n_events.is_multiple_of(PAGE) {
                self.pages.push(self.offset);
            }
            self.offset += n as u64;
            self.progress.n_events += 1;
            match serde_json::from_slice(&text) {
                Ok(raw) => self.progress.take(&raw),
                Err(_) => self.progress.n_unread += 1,
            }
        }
    }

    /// The lines of one page, from 0, for people.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn page(&self, page: usize) -> io::Result<Vec<Line>> {
        let Some(start) = self.pages.get(page) else {
            return Ok(Vec::new());
        };
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(*start))?;
        let mut lines = Vec::new();
        for text in BufReader::new(file).split(b'\n').take(PAGE) {
            let text = text?;
            lines.push(match serde_json::from_slice::<Raw<'_>>(&text) {
                Ok(raw) => raw.line(),
                Err(_) => Line {
                    at: 0.0,
                    what: "a line that cannot be read".into(),
                },
            });
        }
        Ok(lines)
    }
}

impl Progress {
    fn take(&mut self, raw: &Raw<'_>) {
        self.last = Some(raw.at);
        let place = |name: &str| format!("variant {}, seed {}: {name}", raw.variant, raw.seed);
        match &*raw.event {
            "started" => {
                self.n_starts += 1;
                self.started = Some(raw.at);
                self.n_cells = raw.n_cells;
                self.n_finished = raw.n_finished;
                self.finished_secs = None;
            }
            "step" => {
                let training = Training {
                    step: raw.step,
                    n_steps: raw.n_steps,
                    loss: raw.loss.unwrap_or_default(),
                };
                put(&mut self.trainings, place(&raw.training), training);
                return;
            }
            "calls" => {
                let calls = Calls {
                    done: raw.done,
                    n_failed: raw.n_failed,
                    of: raw.of,
                };
                put(&mut self.calls, place(&raw.stage), calls);
                return;
            }
            "batch-job" => {
                let job = BatchJob {
                    model: raw.model.clone().into_owned(),
                    counts: raw.counts(),
                    at: raw.at,
                };
                put(&mut self.jobs, raw.job.clone().into_owned(), job);
            }
            "cell-finished" => self.n_finished += 1,
            "finished" => self.finished_secs = raw.wall_secs,
            _ => {}
        }
        self.recent.push_back(raw.line());
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }
}

fn put<T>(map: &mut BTreeMap<String, T>, name: String, value: T) {
    if map.len() < MOST_NAMES || map.contains_key(&name) {
        map.insert(name, value);
    }
}

impl Raw<'_> {
    /// Of a batch job, where its provider says: no job is of no call.
    fn counts(&self) -> Option<(usize, usize)> {
        (self.of > 0).then_some((self.done, self.of))
    }

    fn line(&self) -> Line {
        let place = format!("variant {}, seed {}", self.variant, self.seed);
        let what = match &*self.event {
            "started" => format!(
                "a process began: {} of {} cells were finished",
                self.n_finished, self.n_cells
            ),
            "loaded" => format!("{} is loaded: {} rows", self.set, self.n_rows),
            "step" => format!(
                "{place}: {} took step {} of {}, loss {:.4}",
                self.training,
                self.step,
                self.n_steps,
                self.loss.unwrap_or_default()
            ),
            "calls" => format!(
                "{place}: {}: {} of {} calls, {} failed",
                self.stage, self.done, self.of, self.n_failed
            ),
            "cell-finished" => format!(
                "{place}: {} {} is finished after {:.1} s",
                self.kind,
                self.name,
                self.wall_secs.unwrap_or_default()
            ),
            "batch-job" => format!(
                "{} waits for batch job {}: {}",
                self.model,
                self.job,
                how_far(self.counts())
            ),
            "waiting" => format!(
                "{place}: {} waits for people, at {} steps",
                self.name, self.n_steps
            ),
            "finished" => format!(
                "the run is finished after {:.1} s",
                self.wall_secs.unwrap_or_default()
            ),
            other => other.to_owned(),
        };
        Line { at: self.at, what }
    }
}

/// Of a batch job.
pub(crate) fn how_far(counts: Option<(usize, usize)>) -> String {
    match counts {
        Some((done, of)) => format!("{done} of {of} calls"),
        None => "not there yet".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn step(i: usize) -> String {
        format!(
            r#"{{"at":{i}.5,"event":"step","variant":0,"seed":1,"training":"strong","step":{i},"n_steps":5000,"loss":0.25,"learning_rate":0.1}}"#
        )
    }

    #[test]
    fn it_is_read_as_it_grows_and_half_a_line_waits() {
        let run = tempfile::tempdir().unwrap();
        let mut log = EventLog::new(run.path());
        assert!(!log.read_on().unwrap());
        let mut file = File::create(run.path().join("events.jsonl")).unwrap();
        writeln!(
            file,
            r#"{{"at":1.0,"event":"started","n_cells":3,"n_finished":1}}"#
        )
        .unwrap();
        write!(file, "{}", step(7)).unwrap();
        assert!(log.read_on().unwrap());
        assert_eq!((log.progress().n_events, log.progress().n_finished), (1, 1));
        assert!(!log.read_on().unwrap());
        writeln!(file).unwrap();
        writeln!(file, "rubbish").unwrap();
        writeln!(file, r#"{{"at":2.0,"event":"cell-finished","variant":0,"seed":1,"kind":"method","name":"x","loss":null,"n_steps":1,"wall_secs":2.5}}"#).unwrap();
        writeln!(file, r#"{{"at":3.0,"event":"finished","wall_secs":9.0}}"#).unwrap();
        assert!(log.read_on().unwrap());
        let progress = log.progress();
        assert_eq!(
            (progress.n_events, progress.n_unread, progress.n_finished),
            (5, 1, 2)
        );
        assert_eq!(progress.finished_secs, Some(9.0));
        assert_eq!(progress.trainings["variant 0, seed 1: strong"].step, 7);
        // Another run in its place.
        std::fs::write(run.path().join("events.jsonl"), "{\"event\":\"x\"}\n").unwrap();
        assert!(log.read_on().unwrap());
        assert_eq!(log.progress().n_events, 1);
    }

    #[test]
    fn batch_jobs_are_as_they_were_last_seen() {
        let run = tempfile::tempdir().unwrap();
        let looks = [
            r#"{"at":1.0,"event":"batch-job","model":"openai:m","job":"b1","done":0,"of":20}"#,
            r#"{"at":2.0,"event":"batch-job","model":"openai:m","job":"b2"}"#,
            r#"{"at":3.0,"event":"batch-job","model":"openai:m","job":"b1","done":7,"of":20}"#,
        ];
        std::fs::write(run.path().join("events.jsonl"), looks.join("\n") + "\n").unwrap();
        let mut log = EventLog::new(run.path());
        log.read_on().unwrap();
        let progress = log.progress();
        let counts = |job: &str| progress.jobs[job].counts;
        assert_eq!((counts("b1"), counts("b2")), (Some((7, 20)), None));
        let last = &progress.recent.back().unwrap().what;
        assert_eq!(last, "openai:m waits for batch job b1: 7 of 20 calls");
        let before = &progress.recent[1].what;
        assert_eq!(before, "openai:m waits for batch job b2: not there yet");
    }

    #[test]
    fn what_is_kept_does_not_grow_with_the_log_and_any_page_can_be_read() {
        let run = tempfile::tempdir().unwrap();
        let lines: Vec<String> = (1..=2500).map(step).collect();
        std::fs::write(run.path().join("events.jsonl"), lines.join("\n") + "\n").unwrap();
        let mut log = EventLog::new(run.path());
        log.read_on().unwrap();
        assert_eq!((log.n_pages(), log.progress().trainings.len()), (3, 1));
        let last = log.page(2).unwrap();
        assert_eq!(last.len(), 500);
        assert!(last[0].what.contains("step 2001 of"), "{}", last[0].what);
        assert!(log.page(3).unwrap().is_empty());
    }
}
