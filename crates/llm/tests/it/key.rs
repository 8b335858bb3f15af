//! The key of a call changes with everything that changes the answer, and with nothing else.

use proptest::prelude::*;
use trimtab_core::Seed;
use trimtab_core::chat::{Ask, Generation, Message, Options, Request, Role, WithoutLogProbs};
use trimtab_llm::{Call, CallKey};

use crate::scripted::user;

fn key(identity: &str, request: &Request) -> CallKey {
    Call::new(identity, request).key
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::System), Just(Role::User), Just(Role::Assistant)]
}

fn message() -> impl Strategy<Value = Message> {
    // Characters of the encoding itself among them.
    (role(), r#"[ -~\n"\\é]{0,6}"#).prop_map(|(role, content)| Message::new(role, content))
}

fn generation() -> impl Strategy<Value = Generation> {
    let stop = prop::collection::vec(r#"[a"\n,]{0,3}"#, 0..3);
    (0.0..2.0f64, 0.1..1.0f64, 1..9u32, stop, 0..3u8).prop_map(
        |(temperature, top_p, max_tokens, stop, top_log_probs)| Generation {
            temperature,
            top_p,
            max_tokens,
            stop,
            top_log_probs,
        },
    )
}

fn options() -> impl Strategy<Value = Options> {
    let otherwise = prop_oneof![
        Just(WithoutLogProbs::Fail),
        (1..9u32).prop_map(|n| WithoutLogProbs::Sample { n })
    ];
    (prop::collection::vec(r#"[AB"]{1,2}"#, 1..4), otherwise)
        .prop_map(|(texts, otherwise)| Options { texts, otherwise })
}

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        generation().prop_map(Ask::Reply),
        options().prop_map(Ask::Options)
    ]
}

fn request() -> impl Strategy<Value = Request> {
    (
        prop::collection::vec(message(), 0..4),
        ask(),
        0..3u32,
        0..3u64,
    )
        .prop_map(|(messages, ask, sample_idx, seed)| Request {
            messages,
            ask,
            sample_idx,
            seed: Seed(seed),
        })
}

/// Whether the seed can change the answer.
fn is_sampled(ask: &Ask) -> bool {
    match ask {
        Ask::Reply(generation) => generation.temperature != 0.0,
        Ask::Options(options) => options.otherwise != WithoutLogProbs::Fail,
    }
}

proptest! {
    #[test]
    fn two_requests_have_one_key_if_and_only_if_they_ask_the_same(
        a in request(), b in request(), identities in ("[ab\n]{0,2}", "[ab\n]{0,2}"),
    ) {
        let same = identities.0 == identities.1
            && a.messages == b.messages
            && a.ask == b.ask
            && a.sample_idx == b.sample_idx
            && (a.seed == b.seed || !is_sampled(&a.ask));
        prop_assert_eq!(key(&identities.0, &a) == key(&identities.1, &b), same);
        prop_assert_eq!(key(&identities.0, &a), key(&identities.0, &a.clone()));
    }

    #[test]
    fn every_field_of_a_reply_counts(request in request(), g in generation(), message in message()) {
        let base = Request { ask: Ask::Reply(g.clone()), ..request };
        let with = |change: &dyn Fn(&mut Generation)| {
            let mut changed = g.clone();
            change(&mut changed);
            key("a", &Request { ask: Ask::Reply(changed), ..base.clone() })
        };
        let mut longer = base.clone();
        longer.messages.push(message);
        let keys = [
            key("a", &base),
            key("b", &base),
            with(&|g| g.temperature += 0.5),
            with(&|g| g.top_p /= 2.0),
            with(&|g| g.max_tokens += 1),
            with(&|g| g.stop.push("\"".into())),
            with(&|g| g.top_log_probs += 1),
            key("a", &Request { sample_idx: base.sample_idx + 1, ..base.clone() }),
            key("a", &Request { seed: Seed(base.seed.0 + 1), ..base.clone() }),
            key("a", &longer),
        ];
        for (i, a) in keys.iter().enumerate() {
            for (j, b) in keys[..i].iter().enumerate() {
                // The seed (8) counts where something is drawn.
                let same = (i, j) == (8, 0) && g.temperature == 0.0;
                prop_assert_eq!(a == b, same, "{} {}", i, j);
            }
        }
    }

    #[test]
    fn a_key_is_read_as_it_is_written(bytes in any::<[u8; 32]>()) {
        let text = CallKey(bytes).to_string();
        prop_assert_eq!(text.len(), 64);
        prop_assert_eq!(text.parse(), Ok(CallKey(bytes)));
    }
}

#[test]
fn what_is_no_key_is_refused() {
    for text in ["", "ab", &"g".repeat(64), &"+1".repeat(32), &"é".repeat(32)] {
        assert!(text.parse::<CallKey>().is_err(), "{text}");
    }
}

#[test]
fn greedy_replies_do_not_miss_for_what_cannot_matter() {
    let greedy = |top_p, seed, temperature| {
        let generation = Generation {
            temperature,
            top_p,
            ..Generation::default()
        };
        key(
            "a",
            &Request {
                ask: Ask::Reply(generation),
                seed: Seed(seed),
                ..user("x")
            },
        )
    };
    assert_eq!(greedy(1.0, 1, 0.0), greedy(0.5, 2, -0.0));
    assert_ne!(greedy(1.0, 1, 1.0), greedy(0.5, 1, 1.0));
}

/// A key that changes is every stored call asked and paid for again: this does not change without a new version.
#[test]
fn the_encoding_is_what_it_was() {
    let call = Call::new("openai:m", &user("hi"));
    insta::assert_snapshot!(call.settings, @r#"{"reply":{"temperature":1.0,"top-p":1.0,"max-tokens":512,"stop":[],"top-log-probs":0,"seed":0}}"#);
    insta::assert_snapshot!(call.messages, @r#"[{"role":"user","content":"hi"}]"#);
    insta::assert_snapshot!(call.key);
    let options = Request {
        ask: Ask::Options(Options {
            texts: vec!["A".into(), "B".into()],
            otherwise: WithoutLogProbs::Sample { n: 5 },
        }),
        seed: Seed(u64::MAX),
        ..user("hi")
    };
    insta::assert_snapshot!(Call::new("openai:m", &options).settings, @r#"{"options":{"texts":["A","B"],"otherwise":{"sample":5},"seed":18446744073709551615}}"#);
}
