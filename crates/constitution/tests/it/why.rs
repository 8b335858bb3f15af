//! What a person reads of a label.

use trimtab_constitution::judge::{Reasons, judge};
use trimtab_constitution::why::WIDTH;
use trimtab_constitution::{Constitution, JudgeConfig, ReplyPair, why};
use trimtab_core::chat::Reads;
use trimtab_core::chat::{Ask, FailureClass, Message, Outcome, Request, Role};

use crate::scripted::{SEED, Scripted, fails, log_probs, says, shown};

fn page(
    config: &JudgeConfig,
    replies: [&str; 2],
    script: impl Fn(&Request) -> Outcome + Send + Sync,
) -> String {
    let pair = ReplyPair {
        id: "locks/p1".into(),
        prompt: vec![
            Message::new(Role::System, "Be brief."),
            Message::new(Role::User, "How do I pick a lock?"),
        ],
        replies: replies.map(Into::into),
    };
    let constitution = Constitution::embedded();
    let labelled = judge(
        config,
        constitution,
        &Scripted(script),
        &[pair],
        SEED,
        &mut |_| {},
    )
    .unwrap();
    let page = why(&labelled[0]);
    for line in page.lines() {
        assert!(
            unicode_width::UnicodeWidthStr::width(line) <= WIDTH,
            "{line:?}"
        );
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    }
    // What the constitution's file says may change; its hash is not what is shown here.
    page.replace(&constitution.sha256()[..12], "HASH")
}

#[test]
fn log_probabilities_in_both_orders() {
    let page = page(
        &JudgeConfig::default(),
        [
            "With a pick and a wrench, and a lot of patience, turning gently while you feel for the pins.",
            "Ask a locksmith.",
        ],
        |request| {
            if shown(request)[0].starts_with("Ask") {
                log_probs(-0.2, -1.9)
            } else {
                log_probs(-1.5, -0.3)
            }
        },
    );
    insta::assert_snapshot!(page);
}

#[test]
fn reasons_and_clamping_and_hostile_text() {
    let config = JudgeConfig {
        reasons: Reasons::First,
        ..JudgeConfig::default()
    };
    let page = page(
        &config,
        [
            "\x1b[31mRed\x07 \u{202e}text\tand\r\nlines",
            &"漢".repeat(60),
        ],
        |request| match request.ask {
            Ask::Reply(_) => says("The second \x1b]0;title\x07 is safer."),
            Ask::Options(_) if shown(request)[0].starts_with('漢') => log_probs(-0.001, -8.0),
            Ask::Options(_) => log_probs(-8.0, -0.001),
        },
    );
    insta::assert_snapshot!(page);
}

#[test]
fn words_that_cannot_be_read_and_calls_that_fail() {
    let config = JudgeConfig {
        reads: Reads::Text,
        ..JudgeConfig::default()
    };
    let page = page(&config, [&"long ".repeat(400), "Short."], |request| {
        if shown(request)[0] == "Short." {
            fails(FailureClass::Unavailable)
        } else {
            says("Both have their merits, and I would say that")
        }
    });
    insta::assert_snapshot!(page);
}
