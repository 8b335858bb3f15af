//! A budget is never passed, and a run within it is not stopped.

use std::sync::Arc;

use proptest::prelude::*;
use trimtab_core::chat::{
    Answer, Ask, ChatModel, Failure, FailureClass, Finish, Generation, ModelError, Reply, Request,
    Usage,
};
use trimtab_llm::budget::most_tokens;
use trimtab_llm::{
    Budget, BudgetConfig, Budgeted, CallStore, Mode, Prices, Service, Source, Spent, Stored,
};

use crate::scripted::{Scripted, reply, user};

fn limits(usd: Option<f64>, tokens: Option<u64>, calls: Option<u64>) -> BudgetConfig {
    BudgetConfig {
        max_usd: usd,
        max_tokens: tokens,
        max_calls: calls,
    }
}

fn request(i: usize, max_tokens: u32) -> Request {
    Request {
        ask: Ask::Reply(Generation {
            max_tokens,
            ..Generation::default()
        }),
        ..user(&format!("prompt {i}"))
    }
}

/// Asks through a budget: outcomes handed over, and how it ended.
fn ask(source: &dyn Source, n: usize, max_tokens: u32) -> (usize, Result<(), ModelError>) {
    let mut n_answered = 0;
    let mut requests = (0..n).map(|i| request(i, max_tokens));
    let asked = source.ask(&mut requests, &mut |_, _| n_answered += 1);
    (n_answered, asked)
}

fn budgeted(source: Scripted, config: BudgetConfig, spent: Spent) -> (Budgeted, Arc<Budget>) {
    let budget = Arc::new(Budget::new(config, spent));
    let prices = Prices::built_in();
    let price = prices.of("openai:gpt-4.1").cloned();
    let source = Budgeted::new(Arc::new(source), budget.clone(), price, Service::Direct).unwrap();
    (source, budget)
}

fn used(input_tokens: u64, output_tokens: u64) -> Answer {
    Answer::Reply(Reply {
        text: String::new(),
        finish: Finish::Stop,
        usage: Usage {
            input_tokens,
            cached_tokens: 0,
            output_tokens,
        },
        tokens: Vec::new(),
    })
}

proptest! {
    #[test]
    fn no_limit_is_ever_passed_and_none_stops_a_run_that_fits(
        n in 0..40usize,
        n_in_flight in 1..9usize,
        config in (
            prop::option::of(0.0..0.02f64), prop::option::of(0..3_000u64), prop::option::of(0..40u64),
        ),
        before in (0..100u64, 0..5u64),
        use_share in 0.0..=1.0f64,
    ) {
        let (max_usd, max_tokens, max_calls) = config;
        // A provider that uses a share of what it may.
        let answer = move |request: &Request| {
            let most = most_tokens(request);
            let share = |tokens: u64| (tokens as f64 * use_share).round() as u64;
            Ok(used(share(most.input_tokens).max(1), share(most.output_tokens)))
        };
        let source = Scripted { n_in_flight, ..Scripted::new(answer) };
        let spent = Spent { tokens: before.0, calls: before.1, ..Spent::default() };
        let (source, budget) = budgeted(source, limits(max_usd, max_tokens, max_calls), spent);
        let (n_answered, asked) = ask(&source, n, 50);
        let after = budget.spent();
        let within = |spent: Spent| {
            max_usd.is_none_or(|max| spent.usd.0 <= max + 1e-12)
                && max_tokens.is_none_or(|max| spent.tokens <= max)
                && max_calls.is_none_or(|max| spent.calls <= max)
        };
        prop_assert!(within(after) || after == spent, "{:?}", after);
        prop_assert_eq!(after.calls, before.1 + n_answered as u64);
        match asked {
            Ok(()) => prop_assert_eq!(n_answered, n),
            Err(error) => {
                // With as many more in flight at their most, and one more, it would not have fitted.
                let most = most_tokens(&request(10, 50));
                let in_flight = n_in_flight as u64;
                let full = Spent {
                    usd: after.usd + trimtab_llm::Usd(in_flight as f64 * (most.input_tokens as f64 * 2.0 + 50.0 * 8.0) / 1e6),
                    tokens: after.tokens + in_flight * most.total(),
                    calls: after.calls + in_flight,
                };
                prop_assert!(!within(full), "{error}: {full:?}");
            }
        }
    }
}

#[test]
fn what_the_next_run_pays_is_added_to_what_was_paid() {
    let run = |spent| {
        let (source, budget) = budgeted(Scripted::echo(), limits(None, None, Some(10)), spent);
        let (n, asked) = ask(&source, 7, 50);
        (n, asked.is_ok(), budget.spent())
    };
    let (n, finished, spent) = run(Spent::default());
    assert_eq!((n, finished), (7, true));
    assert_eq!(spent.tokens, 7 * 15);
    let (n, finished, spent) = run(spent);
    assert_eq!((n, finished, spent.calls), (3, false, 10));
}

#[test]
fn messages() {
    let say = |config, n| {
        let (source, _) = budgeted(Scripted::echo(), config, Spent::default());
        let error = ask(&source, n, 50).1.unwrap_err();
        format!("{error}\n= {}", error.hint.as_deref().unwrap_or_default())
    };
    let no_price = {
        let budget = Arc::new(Budget::new(limits(Some(1.0), None, None), Spent::default()));
        let source = Arc::new(Scripted::echo());
        let error = Budgeted::new(source, budget, None, Service::Direct)
            .err()
            .unwrap();
        format!("{error}\n= {}", error.hint())
    };
    let all = [
        say(limits(Some(0.001), None, None), 10),
        say(limits(None, Some(200), None), 10),
        say(limits(None, None, Some(4)), 10),
        no_price,
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn what_does_not_say_what_it_cost_counts_in_full() {
    let source = Scripted::new(|request| {
        let class = match &*request.messages[0].content {
            "prompt 0" => return Ok(used(0, 0)),
            "prompt 1" => FailureClass::Malformed,
            "prompt 2" => FailureClass::Rejected,
            _ => FailureClass::Unavailable,
        };
        Err(Failure {
            class,
            message: String::new(),
        })
    });
    let (source, budget) = budgeted(source, limits(None, Some(10_000), None), Spent::default());
    ask(&source, 4, 50).1.unwrap();
    let most = most_tokens(&request(0, 50)).total();
    assert_eq!(most, 8 + 2 * 16 + 50);
    assert_eq!((budget.spent().tokens, budget.spent().calls), (2 * most, 4));
}

#[test]
fn what_was_sent_and_never_answered_counts_in_full() {
    let source = Scripted {
        fails_after: Some(2),
        ..Scripted::echo()
    };
    let (source, budget) = budgeted(source, limits(None, Some(10_000), None), Spent::default());
    assert!(ask(&source, 10, 50).1.is_err());
    // Two answered; a third was taken out and lost, two more were in flight.
    let most = most_tokens(&request(0, 50)).total();
    assert_eq!(budget.spent().tokens, 2 * 15 + 3 * most);
    // Nothing stays set aside.
    let free = (10_000 - budget.spent().tokens) / most;
    let again = Budgeted::new(Arc::new(Scripted::echo()), budget, None, Service::Direct).unwrap();
    assert!(ask(&again, free as usize, 50).1.is_ok());
}

#[test]
fn what_is_stored_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(CallStore::open(&folder.path().join("calls.sqlite")).unwrap());
    let (source, budget) = budgeted(
        Scripted::echo(),
        limits(None, None, Some(2)),
        Spent::default(),
    );
    let model = Stored::new(Arc::new(source), store, Mode::ReadWrite);
    let model: &dyn ChatModel = &model;
    for _ in 0..3 {
        let outcomes = model
            .ask_all(vec![user("a"), user("b"), user("a")])
            .unwrap();
        assert_eq!(outcomes[1], Ok(reply("b")));
    }
    assert_eq!(budget.spent().calls, 2);
    assert!(model.ask_all(vec![user("a"), user("c")]).is_err());
}

#[test]
fn keys_and_limits_that_there_are_not_are_refused() {
    let config: BudgetConfig = toml::from_str("max-usd = 2.5").unwrap();
    assert_eq!(config, limits(Some(2.5), None, None));
    let no_number: BudgetConfig = toml::from_str("max-usd = nan").unwrap();
    let (source, _) = budgeted(Scripted::echo(), no_number, Spent::default());
    assert!(ask(&source, 1, 50).1.is_err());
    let error = toml::from_str::<BudgetConfig>("max-eur = 1").unwrap_err();
    assert!(
        error.to_string().contains("unknown field `max-eur`"),
        "{error}"
    );
}
