use trimtab_core::SampleId;
use trimtab_debate::Order;

use super::*;

const AT: f64 = 1_000.0;

fn rater(people: &mut People, name: &str) -> i64 {
    let mut writing = people.write().unwrap();
    let link = SecretHash([name.len() as u8; 32]);
    let new = NewRater {
        name,
        role: RaterRole::Rater,
        link,
        link_expires: 2.0 * AT,
    };
    let number = writing.add_rater(&new, AT).unwrap();
    writing.commit().unwrap();
    number
}

fn task(people: &mut People, rater: i64, public: &str, purpose: Purpose) -> Task {
    let mut writing = people.write().unwrap();
    let new = NewTask {
        public: public.into(),
        kind: TaskKind::Debate,
        cell: "0-0-debate".into(),
        item: "t1".into(),
        question: SampleId::new("q1"),
        cluster: "q1".into(),
        shown: Order::Swapped,
        purpose,
    };
    writing.add_tasks(rater, &[new]).unwrap();
    writing.commit().unwrap();
    people.task(rater, public).unwrap().unwrap()
}

fn sent(step: u32, percent: u8, reason: Option<&str>) -> Submission {
    Submission {
        step,
        revision: 0,
        kind: if reason.is_some() {
            StepKind::Final
        } else {
            StepKind::Belief
        },
        rounds: step,
        percent: Percent::try_from(percent).unwrap(),
        reason: reason.map(str::to_owned),
        active_secs: Some(3.0),
        page_made: AT,
    }
}

fn record(people: &mut People, task: &Task, sent: &Submission, at: f64) -> Recorded {
    let mut writing = people.write().unwrap();
    let recorded = writing.record(task, sent, at).unwrap();
    writing.commit().unwrap();
    recorded
}

#[test]
fn a_judgement_is_a_record_in_the_order_of_the_data_set() {
    let run = tempfile::tempdir().unwrap();
    let mut people = People::open(run.path()).unwrap();
    let one = rater(&mut people, "rater-1");
    let task = task(&mut people, one, "aa", Purpose::Judgement);
    for (step, percent, reason) in [(0, 50, None), (1, 70, None), (2, 90, Some("A shows it"))] {
        let sent = sent(step, percent, reason);
        let at = AT + 10.0 * f64::from(step + 1);
        assert_eq!(record(&mut people, &task, &sent, at), Recorded::Stored);
    }
    drop(people);
    let people = People::open_to_read(run.path()).unwrap().unwrap();
    let records = people.judgements("0-0-debate").unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&records).unwrap());
    assert!(people.judgements("0-0-other").unwrap().is_empty());
}

#[test]
fn what_is_sent_twice_is_stored_once_and_the_first_counts() {
    let run = tempfile::tempdir().unwrap();
    let mut people = People::open(run.path()).unwrap();
    let one = rater(&mut people, "rater-1");
    let task = task(&mut people, one, "aa", Purpose::Judgement);
    let first = sent(0, 60, None);
    assert_eq!(record(&mut people, &task, &first, AT), Recorded::Stored);
    assert_eq!(
        record(&mut people, &task, &first, AT),
        Recorded::AlreadyStored
    );
    let Recorded::AnotherFirst(stored) = record(&mut people, &task, &sent(0, 40, None), AT) else {
        panic!("the second counted");
    };
    assert_eq!(stored.percent.get(), 60);
    assert_eq!(
        record(&mut people, &task, &sent(2, 60, None), AT),
        Recorded::OutOfTurn { due: 1 }
    );
    let last = sent(1, 80, Some("so it is"));
    assert_eq!(record(&mut people, &task, &last, AT), Recorded::Stored);
    assert_eq!(
        record(&mut people, &task, &sent(2, 80, None), AT),
        Recorded::Closed
    );
    assert_eq!(people.steps(task.number).unwrap().len(), 2);
}

#[test]
fn what_is_taken_back_is_kept_and_old_pages_store_nothing() {
    let run = tempfile::tempdir().unwrap();
    let mut people = People::open(run.path()).unwrap();
    let one = rater(&mut people, "rater-1");
    let task = task(&mut people, one, "aa", Purpose::Judgement);
    record(&mut people, &task, &sent(0, 60, Some("too soon")), AT);
    let mut writing = people.write().unwrap();
    assert_eq!(writing.undo(&task, 0, AT).unwrap(), Undone::Undone);
    // The second tab's click.
    assert_eq!(writing.undo(&task, 0, AT).unwrap(), Undone::Nothing);
    writing.commit().unwrap();
    assert_eq!(people.draft(task.number).unwrap().unwrap(), "too soon");
    assert_eq!(people.progress(one).unwrap().n_finished, 0);
    assert_eq!(
        record(&mut people, &task, &sent(0, 60, None), AT),
        Recorded::Stale
    );
    let again = Submission {
        revision: 1,
        ..sent(0, 30, Some("now"))
    };
    assert_eq!(record(&mut people, &task, &again, AT), Recorded::Stored);
    let kept: i64 = (people.connection)
        .query_row("SELECT count(*) FROM undone WHERE percent = 60", [], |r| {
            r.get(0)
        })
        .unwrap();
    assert_eq!(kept, 1);
}

#[test]
fn repeats_and_the_trash_do_not_count_and_are_kept() {
    let run = tempfile::tempdir().unwrap();
    let mut people = People::open(run.path()).unwrap();
    let one = rater(&mut people, "rater-1");
    let fresh = task(&mut people, one, "aa", Purpose::Judgement);
    let repeat = task(&mut people, one, "bb", Purpose::Repeat);
    for task in [&fresh, &repeat] {
        record(&mut people, task, &sent(0, 60, Some("so it is")), AT);
    }
    let counts = |people: &People| {
        let n = |records: Result<Vec<_>, _>| records.unwrap().len();
        (
            n(people.judgements("0-0-debate")),
            n(people.repeats("0-0-debate")),
        )
    };
    assert_eq!(counts(&people), (1, 1));
    let mut writing = people.write().unwrap();
    writing.set_trashed(fresh.number, Some(AT)).unwrap();
    writing.commit().unwrap();
    assert_eq!(counts(&people), (0, 1));
    let mut writing = people.write().unwrap();
    writing.set_trashed(fresh.number, None).unwrap();
    writing.commit().unwrap();
    assert_eq!(counts(&people), (1, 1));
}

#[test]
fn nobody_reads_anothers_task() {
    let run = tempfile::tempdir().unwrap();
    let mut people = People::open(run.path()).unwrap();
    let one = rater(&mut people, "one");
    let other = rater(&mut people, "rater-2");
    task(&mut people, one, "aa", Purpose::Judgement);
    assert_eq!(people.task(other, "aa").unwrap(), None);
}

#[test]
fn links_end() {
    let run = tempfile::tempdir().unwrap();
    let mut people = People::open(run.path()).unwrap();
    let one = rater(&mut people, "one");
    let link = SecretHash([3; 32]);
    assert!(matches!(
        people.by_link(link, AT).unwrap(),
        Entry::Open(rater) if rater.number == one
    ));
    assert_eq!(people.by_link(link, 3.0 * AT).unwrap(), Entry::Expired);
    let unknown = SecretHash([9; 32]);
    assert_eq!(people.by_link(unknown, AT).unwrap(), Entry::Unknown);

    let cookie = SecretHash([4; 32]);
    let mut writing = people.write().unwrap();
    writing.open_session(one, cookie, 2.0 * AT).unwrap();
    writing.commit().unwrap();
    assert!(matches!(
        people.by_session(cookie, AT).unwrap(),
        Entry::Open(_)
    ));
    let mut writing = people.write().unwrap();
    writing.revoke(one, AT).unwrap();
    writing.commit().unwrap();
    assert_eq!(people.by_link(link, AT).unwrap(), Entry::Expired);
    assert_eq!(people.by_session(cookie, AT).unwrap(), Entry::Unknown);
    let mut writing = people.write().unwrap();
    let again = SecretHash([5; 32]);
    writing.set_link(one, again, 2.0 * AT).unwrap();
    assert!(matches!(
        writing.add_rater(
            &NewRater {
                name: "one",
                role: RaterRole::Rater,
                link,
                link_expires: AT
            },
            AT
        ),
        Err(PeopleError::NameTaken { .. })
    ));
    writing.commit().unwrap();
    assert_eq!(people.by_link(link, AT).unwrap(), Entry::Unknown);
    assert!(matches!(people.by_link(again, AT).unwrap(), Entry::Open(_)));
}

#[test]
fn a_part_that_fails_takes_nothing_else_with_it() {
    let run = tempfile::tempdir().unwrap();
    let mut people = People::open(run.path()).unwrap();
    let one = rater(&mut people, "one");
    let task = task(&mut people, one, "aa", Purpose::Judgement);
    let mut writing = people.write().unwrap();
    writing
        .part(|writing| writing.record(&task, &sent(0, 60, None), AT))
        .unwrap();
    let failed: Result<(), _> = writing.part(|writing| {
        writing.record(&task, &sent(1, 60, None), AT)?;
        Err(PeopleError::NameTaken { name: "x".into() })
    });
    assert!(failed.is_err());
    writing.commit().unwrap();
    assert_eq!(people.steps(task.number).unwrap().len(), 1);
    // Dropped without a commit, nothing is stored.
    let mut writing = people.write().unwrap();
    writing.record(&task, &sent(1, 60, None), AT).unwrap();
    drop(writing);
    assert_eq!(people.steps(task.number).unwrap().len(), 1);
}

#[test]
fn nothing_is_stored_in_a_file_that_is_gone() {
    let run = tempfile::tempdir().unwrap();
    let mut people = People::open(run.path()).unwrap();
    let one = rater(&mut people, "one");
    let task = task(&mut people, one, "aa", Purpose::Judgement);
    let away = run.path().join("away");
    std::fs::rename(run.path().join(PEOPLE), &away).unwrap();
    assert!(matches!(people.write(), Err(PeopleError::Gone { .. })));
    std::fs::rename(&away, run.path().join(PEOPLE)).unwrap();
    assert_eq!(
        record(&mut people, &task, &sent(0, 60, None), AT),
        Recorded::Stored
    );
    let writing = people.write().unwrap();
    std::fs::remove_file(run.path().join(PEOPLE)).unwrap();
    assert!(matches!(writing.commit(), Err(PeopleError::Gone { .. })));
}

#[test]
fn a_file_of_another_format_is_refused() {
    let run = tempfile::tempdir().unwrap();
    let people = People::open(run.path()).unwrap();
    (people.connection)
        .pragma_update(None, "user_version", 99)
        .unwrap();
    drop(people);
    for opened in [
        People::open(run.path()).map(Some),
        People::open_to_read(run.path()),
    ] {
        assert!(matches!(
            opened,
            Err(PeopleError::OtherFormat { found: 99, .. })
        ));
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(People::open_to_read(empty.path()).unwrap().is_none());
}
