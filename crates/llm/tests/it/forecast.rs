//! A dry run counts what a real run then asks.

use std::collections::HashSet;
use std::sync::Arc;

use trimtab_core::chat::{
    Answer, Ask, ChatModel, Finish, Generation, Options, Outcome, Reply, Request, Usage,
    WithoutLogProbs,
};
use trimtab_llm::{
    CallStore, CostForecast, Forecast, ForecastTable, Mode, Prices, Service, Stored,
};

use crate::scripted::{Scripted, user};

/// A provider with 5 characters a token, whose replies have 20 tokens.
fn source() -> Arc<Scripted> {
    Arc::new(Scripted::new(|request| {
        let n_chars: usize = request
            .messages
            .iter()
            .map(|m| m.content.chars().count())
            .sum();
        Ok(Answer::Reply(Reply {
            text: "x".repeat(100),
            finish: Finish::Stop,
            usage: Usage {
                input_tokens: n_chars as u64 / 5,
                cached_tokens: 0,
                output_tokens: 20,
            },
            tokens: Vec::new(),
        }))
    }))
}

fn prompts(n: usize) -> Vec<Request> {
    let generation = Generation {
        max_tokens: 50,
        ..Generation::default()
    };
    (0..n)
        .map(|i| Request {
            ask: Ask::Reply(generation.clone()),
            ..user(&format!("{i:0>40}"))
        })
        .collect()
}

/// Two stages: a reply, and a reply to it.
fn pipeline(model: &dyn ChatModel, n: usize) -> Vec<Outcome> {
    let first = model.ask_all(prompts(n)).unwrap();
    let second = first.iter().zip(prompts(n)).map(|(outcome, mut request)| {
        let Ok(Answer::Reply(reply)) = outcome else {
            panic!("a reply");
        };
        request.messages[0].content.clone_from(&reply.text);
        request
    });
    model.ask_all(second.collect()).unwrap()
}

fn forecast(store: Option<&Arc<CallStore>>, n: usize) -> CostForecast {
    let prices = Prices::built_in();
    let price = prices.of("openai:gpt-4.1").cloned();
    let model = Forecast::new(source(), store.cloned(), price, Service::Direct).unwrap();
    pipeline(&model, n);
    model.so_far()
}

#[test]
fn with_nothing_stored_it_says_what_it_takes_for_granted() {
    let expected = forecast(None, 10);
    assert_eq!(expected.n_calls(), 20);
    // 40 characters, then a reply of 50 tokens, at 4 characters a token.
    assert_eq!(expected.input_tokens, 10 * 10 + 10 * 50);
    assert_eq!(expected.expected_output_tokens, 20 * 50);
    let own = source();
    let unknown = Forecast::new(own.clone(), None, None, Service::Direct).unwrap();
    pipeline(&unknown, 3);
    assert_eq!(own.asked(), 0);
    insta::assert_snapshot!(ForecastTable(vec![expected, unknown.so_far()]));
}

#[test]
fn a_long_address_fits_into_eighty_columns() {
    let mut long = forecast(None, 10);
    long.model = "openai:a-model-with-a-long-name@http://localhost:8000/v1".into();
    let shown = ForecastTable(vec![forecast(None, 10), long]).to_string();
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    insta::assert_snapshot!(shown);
}

#[test]
fn with_calls_stored_it_measures_by_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(CallStore::open(&folder.path().join("calls.sqlite")).unwrap());
    let real = Stored::new(source(), store.clone(), Mode::ReadWrite);
    (&real as &dyn ChatModel).ask_all(prompts(4)).unwrap();
    let expected = forecast(Some(&store), 10);
    assert_eq!((expected.n_requests, expected.n_stored), (20, 4));
    // Four real replies are alike, so that their second stage is one call; others are taken to differ.
    assert_eq!(expected.n_repeats, 3);
    assert_eq!(expected.n_calls(), 13);
    assert_eq!(expected.basis.chars_per_token, 5.0);
    assert_eq!(expected.basis.mean_reply_tokens, Some(20.0));
    assert_eq!(expected.input_tokens, 6 * 8 + 7 * 20);
    assert_eq!(expected.expected_output_tokens, 13 * 20);
    assert_eq!(expected.most_output_tokens, 13 * 50);
    let both = ForecastTable(vec![expected.clone(), expected]);
    insta::assert_snapshot!(both);
    // Nothing made up is stored.
    assert_eq!(store.totals().unwrap()[0].n_calls, 4);
}

#[test]
fn made_up_replies_differ_and_made_up_options_do_not_decide() {
    let model = Forecast::new(source(), None, None, Service::Direct).unwrap();
    let model: &dyn ChatModel = &model;
    let texts: HashSet<String> = (model.ask_all(prompts(50)).unwrap().into_iter())
        .map(|outcome| match outcome {
            Ok(Answer::Reply(reply)) => reply.text,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts.len(), 50);
    let options = Request {
        ask: Ask::Options(Options {
            texts: vec!["A".into(), "B".into()],
            otherwise: WithoutLogProbs::Fail,
        }),
        ..user("x")
    };
    let Ok(Answer::Options(scores)) = model.ask_all(vec![options]).unwrap().remove(0) else {
        panic!("scores");
    };
    assert_eq!(scores.probabilities(), [0.5, 0.5]);
}
