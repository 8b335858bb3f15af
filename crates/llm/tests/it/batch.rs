//! Batch jobs through crashes: whatever step this process dies at, every request is answered, and no call is sent twice.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use trimtab_core::chat::{FailureClass, ModelError, Outcome, Request};
use trimtab_llm::batch::{Job, JobId, JobName, JobSize, JobState, NotSubmitted, TakenBack};
use trimtab_llm::{
    Answered, BatchApi, BatchConfig, Batched, Call, CallKey, CallStore, Mode, Service, Source,
    Stored,
};

use crate::scripted::{reply, user};

/// A provider, which outlives processes.
#[derive(Default)]
struct Provider {
    jobs: Mutex<Vec<SentJob>>,
    /// Whether jobs have names.
    keeps_names: bool,
    /// Looks at a job until it has ended.
    n_polls: usize,
    /// Prompts that come to nothing.
    lost: HashSet<String>,
    /// Requests that a job may hold, where there is a limit.
    most: Option<usize>,
    /// What is said of jobs that are taken back.
    taken_back: Option<String>,
}

struct SentJob {
    id: JobId,
    name: String,
    calls: Vec<(CallKey, Request)>,
    n_polls_left: usize,
    gone: bool,
}

/// When a process dies: at this step, counted over calls of the provider and answers handed over.
#[derive(Debug, Clone, Copy)]
struct Death {
    step: usize,
    /// Whether the provider still does what it was called for.
    done: bool,
}

/// One process's way to the provider.
struct Api {
    provider: Arc<Provider>,
    death: Option<Death>,
    n_steps: Arc<Mutex<usize>>,
}

impl Api {
    fn step<T>(&self, run: impl FnOnce() -> T) -> Result<T, ModelError> {
        let mut n_steps = self.n_steps.lock().unwrap();
        let step = *n_steps;
        *n_steps += 1;
        let killed = || {
            Err(ModelError {
                model: self.name(),
                hint: None,
                source: "killed".into(),
            })
        };
        match self.death {
            Some(death) if step == death.step && death.done => {
                run();
                killed()
            }
            Some(death) if step >= death.step => killed(),
            _ => Ok(run()),
        }
    }
}

impl BatchApi for Api {
    fn name(&self) -> String {
        "scripted".into()
    }

    fn identity(&self) -> String {
        "scripted:batch".into()
    }

    fn limits(&self) -> JobSize {
        JobSize {
            n_requests: self.provider.most.unwrap_or(usize::MAX),
            n_bytes: usize::MAX,
        }
    }

    /// As many requests as its prompt says.
    fn size(&self, request: &Request) -> JobSize {
        JobSize {
            n_requests: request.messages[0].content.parse().unwrap(),
            n_bytes: 1,
        }
    }

    fn submit(&self, name: &str, calls: &[(CallKey, Request)]) -> Result<JobId, NotSubmitted> {
        let sent = self.step(|| {
            let mut jobs = self.provider.jobs.lock().unwrap();
            let id = JobId(format!("job-{}", jobs.len()));
            jobs.push(SentJob {
                id: id.clone(),
                name: name.into(),
                calls: calls.to_vec(),
                n_polls_left: self.provider.n_polls,
                gone: false,
            });
            id
        });
        sent.map_err(NotSubmitted::Perhaps)
    }

    fn list(&self, since: SystemTime) -> Result<Vec<Job>, ModelError> {
        assert!(since < SystemTime::now());
        self.step(|| {
            // Somebody else's.
            let others = std::iter::once(Job {
                id: JobId("other".into()),
                name: if self.provider.keeps_names {
                    JobName::Other
                } else {
                    JobName::NotKept
                },
                made: None,
                n_requests: None,
            });
            let jobs = self.provider.jobs.lock().unwrap();
            let ours = jobs.iter().map(|job| Job {
                id: job.id.clone(),
                name: if self.provider.keeps_names {
                    JobName::Is(job.name.clone())
                } else {
                    JobName::NotKept
                },
                made: Some(SystemTime::now()),
                n_requests: Some(
                    (job.calls.iter())
                        .map(|(_, request)| self.size(request).n_requests as u64)
                        .sum(),
                ),
            });
            others.chain(ours).collect()
        })
    }

    fn poll(&self, id: &JobId) -> Result<JobState, ModelError> {
        self.step(|| {
            if id.0 == "other" {
                return JobState::Ended;
            }
            let mut jobs = self.provider.jobs.lock().unwrap();
            let job = jobs.iter_mut().find(|job| job.id == *id).unwrap();
            if job.gone {
                return JobState::Gone;
            }
            if let Some(why) = &self.provider.taken_back {
                return JobState::TakenBack(why.clone());
            }
            if job.n_polls_left > 0 {
                job.n_polls_left -= 1;
                return JobState::Running(None);
            }
            JobState::Ended
        })
    }

    fn results(
        &self,
        id: &JobId,
        _: &BTreeMap<CallKey, Call>,
        got: &mut dyn FnMut(CallKey, Answered),
    ) -> Result<(), ModelError> {
        let results = self.step(|| {
            if id.0 == "other" {
                return vec![(CallKey([9; 32]), answered("somebody else's"))];
            }
            let jobs = self.provider.jobs.lock().unwrap();
            let job = jobs.iter().find(|job| job.id == *id).unwrap();
            let text = |request: &Request| request.messages[0].content.clone();
            // In no order, and with something that nobody asked for.
            let mut results: Vec<_> = (job.calls.iter().rev())
                .filter(|(_, request)| !self.provider.lost.contains(&text(request)))
                .map(|(key, request)| (*key, answered(&text(request))))
                .collect();
            results.push((CallKey([0; 32]), answered("unasked")));
            results
        })?;
        for (key, answer) in results {
            got(key, answer);
        }
        Ok(())
    }
}

fn answered(text: &str) -> Answered {
    Answered {
        outcome: Ok(reply(text)),
        raw: Some("{}".into()),
        n_attempts: 1,
        secs: 0.0,
        service: Service::Batch,
    }
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    max_calls: usize,
    max_jobs: usize,
}

/// One process: what it was answered, and whether it lived.
fn process(
    provider: &Arc<Provider>,
    path: &Path,
    sizes: Sizes,
    death: Option<Death>,
    prompts: &[u8],
) -> (HashMap<usize, Outcome>, bool) {
    let store = Arc::new(CallStore::open(path).unwrap());
    let n_steps = Arc::new(Mutex::new(0));
    let api = Api {
        provider: provider.clone(),
        death,
        n_steps: n_steps.clone(),
    };
    let config = BatchConfig {
        max_calls: sizes.max_calls.try_into().unwrap(),
        max_jobs: sizes.max_jobs.try_into().unwrap(),
        poll_secs: 7.0,
    };
    let paused = |pause| assert_eq!(pause, Duration::from_secs(7));
    let batched = Arc::new(Batched::new(Arc::new(api), store.clone(), config, paused).unwrap());
    let model = Stored::new(batched, store, Mode::ReadWrite);
    let mut outcomes = HashMap::new();
    let mut requests = prompts.iter().map(|prompt| user(&prompt.to_string()));
    let lived = catch_unwind(AssertUnwindSafe(|| {
        use trimtab_core::chat::ChatModel as _;
        model.ask(&mut requests, &mut |i, outcome| {
            let mut n_steps = n_steps.lock().unwrap();
            if death.is_some_and(|death| *n_steps >= death.step) {
                drop(n_steps);
                resume_unwind(Box::new("killed"));
            }
            *n_steps += 1;
            assert!(outcomes.insert(i, outcome).is_none());
        })
    }));
    (outcomes, matches!(lived, Ok(Ok(()))))
}

fn count(path: &Path, sql: &str) -> usize {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn death() -> impl Strategy<Value = Death> {
    (0..20usize, any::<bool>()).prop_map(|(step, done)| Death { step, done })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_the_crashes_every_request_is_answered_and_no_call_is_sent_twice(
        prompts in prop::collection::vec(0..9u8, 1..12),
        deaths in prop::collection::vec(death(), 0..4),
        (max_calls, max_jobs) in (1..4usize, 1..4usize),
        n_polls in 0..3usize,
        keeps_names in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.sqlite");
        let provider = Arc::new(Provider { keeps_names, n_polls, ..Provider::default() });
        let sizes = Sizes { max_calls, max_jobs };
        for death in deaths {
            process(&provider, &path, sizes, Some(death), &prompts);
        }
        let (outcomes, lived) = process(&provider, &path, sizes, None, &prompts);
        prop_assert!(lived);
        prop_assert_eq!(outcomes.len(), prompts.len());
        for (i, prompt) in prompts.iter().enumerate() {
            prop_assert_eq!(&outcomes[&i], &Ok(reply(&prompt.to_string())));
        }
        let distinct: HashSet<u8> = prompts.iter().copied().collect();
        let jobs = provider.jobs.lock().unwrap();
        let sent: Vec<CallKey> = jobs.iter().flat_map(|job| &job.calls).map(|call| call.0).collect();
        prop_assert_eq!(sent.len(), distinct.len());
        prop_assert_eq!(sent.into_iter().collect::<HashSet<_>>().len(), distinct.len());
        prop_assert!(jobs.iter().all(|job| job.calls.len() <= max_calls));
        prop_assert_eq!(count(&path, "SELECT COUNT(*) FROM call"), distinct.len());
        prop_assert_eq!(count(&path, "SELECT COUNT(*) FROM batch_call"), 0);
        prop_assert_eq!(count(&path, "SELECT COUNT(*) FROM batch WHERE NOT closed"), 0);
    }
}

/// Every crash point of one small run, one after the other.
#[test]
fn every_single_crash_point() {
    let prompts = [1, 2, 3, 2];
    let sizes = Sizes {
        max_calls: 2,
        max_jobs: 2,
    };
    let mut n_died = 0;
    for keeps_names in [true, false] {
        for (step, done) in (0..30).flat_map(|step| [(step, true), (step, false)]) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("calls.sqlite");
            let provider = Arc::new(Provider {
                keeps_names,
                n_polls: 1,
                ..Provider::default()
            });
            let death = Some(Death { step, done });
            let (_, lived) = process(&provider, &path, sizes, death, &prompts);
            n_died += usize::from(!lived);
            let (outcomes, lived) = process(&provider, &path, sizes, None, &prompts);
            assert!(lived && outcomes.len() == 4, "{death:?}");
            let jobs = provider.jobs.lock().unwrap();
            let n_sent: usize = jobs.iter().map(|job| job.calls.len()).sum();
            assert_eq!(n_sent, 3, "{death:?}");
        }
    }
    // Two sent, four polls, two results, four answers, each with the provider's work done and undone.
    assert_eq!(n_died, 2 * 2 * 12);
}

#[test]
fn what_a_job_ends_without_is_unavailable_and_sent_again_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let sizes = Sizes {
        max_calls: 10,
        max_jobs: 1,
    };
    let provider = Arc::new(Provider {
        lost: ["2".to_owned()].into(),
        ..Provider::default()
    });
    let (outcomes, lived) = process(&provider, &path, sizes, None, &[1, 2]);
    assert!(lived);
    assert_eq!(outcomes[&0], Ok(reply("1")));
    let failure = outcomes[&1].as_ref().unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable);
    assert_eq!(failure.message, "the batch job ended without it");
    process(&provider, &path, sizes, None, &[1, 2]);
    let jobs = provider.jobs.lock().unwrap();
    assert_eq!(
        jobs.iter().map(|job| job.calls.len()).collect::<Vec<_>>(),
        [2, 1]
    );
}

#[test]
fn a_job_that_the_provider_forgot_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let sizes = Sizes {
        max_calls: 10,
        max_jobs: 1,
    };
    let provider = Arc::new(Provider {
        keeps_names: true,
        ..Provider::default()
    });
    // Sent, and killed before it is looked at.
    let death = Death {
        step: 1,
        done: false,
    };
    process(&provider, &path, sizes, Some(death), &[1]);
    provider.jobs.lock().unwrap()[0].gone = true;
    let (outcomes, lived) = process(&provider, &path, sizes, None, &[1]);
    assert!(lived && outcomes[&0].is_err());
    let (outcomes, _) = process(&provider, &path, sizes, None, &[1]);
    assert_eq!(outcomes[&0], Ok(reply("1")));
}

#[test]
fn jobs_are_named_and_stored_calls_are_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let sizes = Sizes {
        max_calls: 1,
        max_jobs: 2,
    };
    let provider = Arc::new(Provider::default());
    process(&provider, &path, sizes, None, &[1, 2, 3]);
    // Without `Stored` in front of it too.
    let store = Arc::new(CallStore::open(&path).unwrap());
    let api = Api {
        provider: provider.clone(),
        death: None,
        n_steps: Arc::default(),
    };
    let batched = Batched::new(Arc::new(api), store, BatchConfig::default(), |_| ()).unwrap();
    let mut n_answered = 0;
    batched
        .ask(&mut [user("1"), user("3")].into_iter(), &mut |_, _| {
            n_answered += 1;
        })
        .unwrap();
    assert_eq!(n_answered, 2);
    let jobs = provider.jobs.lock().unwrap();
    let names: HashSet<&str> = jobs.iter().map(|job| &*job.name).collect();
    assert_eq!((jobs.len(), names.len()), (3, 3));
    assert!(
        names
            .iter()
            .all(|name| name.starts_with("trimtab-") && name.len() == 32)
    );
}

#[test]
fn jobs_hold_no_more_than_the_provider_takes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let sizes = Sizes {
        max_calls: 4,
        max_jobs: 2,
    };
    let provider = Arc::new(Provider {
        most: Some(5),
        keeps_names: true,
        ..Provider::default()
    });
    // Three fit, then one; seven is too much for any job, and has one to itself.
    let prompts = [1, 2, 0, 4, 7, 3, 2];
    let (outcomes, lived) = process(&provider, &path, sizes, None, &prompts);
    assert!(lived && outcomes.len() == prompts.len());
    let jobs = provider.jobs.lock().unwrap();
    let sent: Vec<Vec<&str>> = (jobs.iter())
        .map(|job| {
            let calls = job.calls.iter();
            calls
                .map(|(_, request)| &*request.messages[0].content)
                .collect()
        })
        .collect();
    assert_eq!(sent, [vec!["1", "2", "0"], vec!["4"], vec!["7"], vec!["3"]]);
}

#[test]
fn a_job_that_is_taken_back_costs_nothing_and_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let why = "too many tokens are enqueued".to_owned();
    let provider = Arc::new(Provider {
        taken_back: Some(why.clone()),
        ..Provider::default()
    });
    let store = Arc::new(CallStore::open(&path).unwrap());
    let api = Api {
        provider: Arc::clone(&provider),
        death: None,
        n_steps: Arc::default(),
    };
    let batched = Batched::new(Arc::new(api), store, BatchConfig::default(), |_| ()).unwrap();
    let asked = batched.ask(&mut [user("1")].into_iter(), &mut |_, _| {
        panic!("nothing is answered");
    });
    let error = asked.unwrap_err();
    let job = JobId("job-0".into());
    assert_eq!(error.source.downcast_ref(), Some(&TakenBack { job, why }));
    drop(batched);
    assert_eq!(count(&path, "SELECT COUNT(*) FROM call"), 0);
    assert_eq!(count(&path, "SELECT COUNT(*) FROM unavailable"), 0);
    assert_eq!(provider.jobs.lock().unwrap().len(), 1);
    let sizes = Sizes {
        max_calls: 10,
        max_jobs: 1,
    };
    let (outcomes, lived) = process(&Arc::default(), &path, sizes, None, &[1]);
    assert!(lived && outcomes[&0].is_ok());
}

/// Threads of one process share a store: no call is sent twice, and each thread is answered all of its own.
#[test]
fn threads_share_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(CallStore::open(&folder.path().join("calls.sqlite")).unwrap());
    let provider = Arc::new(Provider {
        keeps_names: true,
        n_polls: 3,
        ..Provider::default()
    });
    let ask = |prompts: std::ops::Range<usize>| {
        let api = Api {
            provider: Arc::clone(&provider),
            death: None,
            n_steps: Arc::default(),
        };
        let config = BatchConfig {
            max_calls: 4.try_into().unwrap(),
            ..BatchConfig::default()
        };
        let sleep = |_| std::thread::sleep(Duration::from_millis(1));
        let batched = Batched::new(Arc::new(api), Arc::clone(&store), config, sleep).unwrap();
        let n = prompts.len();
        let mut requests = prompts.map(|prompt| user(&prompt.to_string()));
        let mut positions = HashSet::new();
        let mut answered = |i, answered: Answered| {
            assert!(answered.outcome.is_ok() && positions.insert(i));
        };
        batched.ask(&mut requests, &mut answered).unwrap();
        assert_eq!(positions.len(), n);
    };
    std::thread::scope(|scope| {
        for start in [0, 5, 10, 15] {
            let ask = &ask;
            scope.spawn(move || ask(start..start + 15));
        }
    });
    let jobs = provider.jobs.lock().unwrap();
    let sent: Vec<CallKey> = jobs
        .iter()
        .flat_map(|job| &job.calls)
        .map(|call| call.0)
        .collect();
    assert_eq!(sent.len(), 30);
    assert_eq!(sent.into_iter().collect::<HashSet<_>>().len(), 30);
}
