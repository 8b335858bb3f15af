//! Pages of trees: which are listed, in which order they are shown, that text stays text, and that pages stay small.

use std::collections::BTreeMap;
use std::path::Path;

use axum::http::StatusCode;
use trimtab_amplify::language::{ProblemTree, Reply, Text};
use trimtab_amplify::{Answered, By, Node, Unanswered};
use trimtab_core::SampleId;
use trimtab_core::chat::Usage;
use trimtab_run::amplification::{AmplificationFolder, Trees};
use trimtab_run::{Experiment, Manifest, RowFolder, RunFolder, VariantManifest};
use trimtab_server::AskingConfig;

use crate::material::HOSTILE;
use crate::visit::{Page, Served};

pub(crate) const METHOD: &str = "amplified at once, depth 1";

/// Makes a run of iterated amplification in `run`, without any file of a method.
pub(crate) fn make_amplification(run: &Path, expert: &str) {
    let experiment: Experiment = toml::from_str(&format!(
        r#"
name = "amplify"
seeds = 1
[data]
set = "builtin:expressions"
[roles]
expert.model = "openai:x@http://localhost:1/v1"
assistant.model = "openai:x@http://localhost:1/v1"
[[method]]
kind = "iterated-amplification"
expert = "{expert}"
"#
    ))
    .unwrap();
    let manifest = Manifest {
        name: "amplify".into(),
        version: "0.1.0".into(),
        run_id: "0123456789abcdef".into(),
        variants: vec![VariantManifest {
            label: String::new(),
            experiment,
            data: None,
        }],
    };
    drop(RunFolder::create_or_resume(run, manifest).unwrap());
}

pub(crate) fn node(
    question: &str,
    answer: Answered<&str>,
    children: Vec<Node<Text, Reply>>,
) -> Node<Text, Reply> {
    Node {
        question: Text::new(question),
        answer: answer.map(|answer| Reply::new(&format!("It is so.\nAnswer: {answer}"), answer)),
        by: if children.is_empty() {
            By::Learner
        } else {
            By::Expert
        },
        step: 0,
        calls: 1 + u32::from(!children.is_empty()),
        usage: Usage {
            input_tokens: 7,
            output_tokens: 3,
            ..Usage::default()
        },
        children,
    }
}

fn problem(i: usize) -> SampleId {
    SampleId::new(&format!("problem/{i}"))
}

/// Of three problems the first is right, the second wrong and the third without an answer.
fn tree(i: usize) -> ProblemTree {
    let children = vec![
        node("What is 1 + 1?", Ok("2"), Vec::new()),
        node(
            HOSTILE,
            Err(Unanswered::Refused {
                reply: HOSTILE.into(),
            }),
            Vec::new(),
        ),
    ];
    let answer = match i % 3 {
        0 => Ok("6"),
        1 => Ok("7"),
        _ => Err(Unanswered::DontKnow),
    };
    ProblemTree {
        id: problem(i),
        tree: node(
            &format!("What is (1 + 1) × 3, number {i}?"),
            answer,
            children,
        ),
    }
}

fn make(run: &Path, trees: &[ProblemTree]) {
    make_amplification(run, "expert");
    write_trees(run, trees);
}

/// Writes trees as a run would, with their key.
pub(crate) fn write_trees(run: &Path, trees: &[ProblemTree]) {
    let key: BTreeMap<SampleId, String> = trees
        .iter()
        .map(|tree| (tree.id.clone(), "6".into()))
        .collect();
    let all = RowFolder::new(run.join("amplification"));
    all.write_document("0-key.json", &key).unwrap();
    let folder = AmplificationFolder::new(run, 0, 0, METHOD);
    for of in [Trees::Expert, Trees::Alone(0), Trees::Amplified(0)] {
        folder.files().write_rows(&of.file(), trees).unwrap();
    }
}

async fn served(n: usize) -> Served {
    let trees: Vec<ProblemTree> = (0..n).map(tree).collect();
    Served::of(|run| make(run, &trees), AskingConfig::default()).await
}

pub(crate) const CELL: &str = "0-0-amplified_at_once__depth_1";

#[track_caller]
fn assert_inert(page: &Page) {
    for forbidden in ["<script>", "<img", "onerror=\"", "\u{202e}", " style="] {
        assert!(
            !page.text.contains(forbidden),
            "{forbidden:?} in {}",
            page.text
        );
    }
}

#[tokio::test]
async fn trees_are_listed_by_kind_a_page_at_a_time() {
    let served = served(120).await;
    let admin = served.visitor("admin").await;
    assert!(admin.get("/run").await.text.contains("Trees: 360"));
    let first = admin.get("/trees").await;
    assert_eq!(first.status, StatusCode::OK);
    // What is amplified is shown first.
    assert!(first.text.contains("<caption>amplified, of"));
    assert_eq!(first.text.matches("<th scope=\"row\">").count(), 50);
    assert!(first.text.contains("page 1 of 3"));
    let third = admin
        .get(&format!("/trees?cell={CELL}&of=expert&page=2"))
        .await;
    assert_eq!(third.text.matches("<th scope=\"row\">").count(), 20);
    assert!(third.text.contains("expert alone, of"));
    let beyond = admin
        .get(&format!("/trees?cell={CELL}&page=99999999999999999"))
        .await;
    assert_eq!(beyond.status, StatusCode::OK);
    for address in [
        "/trees?cell=other",
        &format!("/trees?cell={CELL}&of=training-0"),
    ] {
        assert_eq!(admin.get(address).await.status, 404, "{address}");
    }
}

#[tokio::test]
async fn what_is_wrong_can_be_listed_alone() {
    let served = served(9).await;
    let admin = served.visitor("admin").await;
    let all = admin.get("/trees").await;
    assert_eq!(all.text.matches(">right</b>").count(), 3);
    let wrong = admin
        .get(&format!("/trees?cell={CELL}&of=amplified-0&only=wrong"))
        .await;
    assert_eq!(wrong.text.matches("<th scope=\"row\">").count(), 6);
    assert_eq!(wrong.text.matches(">wrong</b>").count(), 3);
    assert_eq!(wrong.text.matches(">not known</td>").count(), 3);
    assert!(!wrong.text.contains(">right</b>"));
}

#[tokio::test]
async fn a_tree_is_shown_in_order_with_who_answered_and_what_it_cost() {
    let served = served(3).await;
    let admin = served.visitor("admin").await;
    let list = admin.get("/trees").await;
    let address = format!("/trees/{CELL}/amplified-0/problem%2F1");
    assert!(list.text.contains(&format!("href=\"{address}\"")));
    let page = admin.get(&address).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_inert(&page);
    let mut from = 0;
    for part in [
        "3 questions",
        "4 calls, 30 tokens",
        "<h1>What is (1 + 1) × 3, number 1?",
        ">wrong</b>",
        "The right answer is 6.",
        "by the expert · 2 calls, 10 tokens",
        "It is so.",
        "What is 1 + 1?",
        "by the assistant · 1 call, 10 tokens",
        "&lt;script&gt;",
        ">declined</span>",
    ] {
        let at = page.text[from..].find(part);
        from += at.unwrap_or_else(|| panic!("no {part:?} in its place in {}", page.text));
    }
    assert_eq!(page.text.matches("<details class=\"node\"").count(), 3);
    // Alone, the expert is who is asked at once.
    let alone = admin
        .get(&format!("/trees/{CELL}/expert/problem%2F1"))
        .await;
    assert!(!alone.text.contains("by the assistant"));
    for other in [
        "amplified-0/problem%2F9",
        "amplified-7/problem%2F1",
        "..%2F0-key/x",
    ] {
        assert_eq!(
            admin.get(&format!("/trees/{CELL}/{other}")).await.status,
            404,
            "{other}"
        );
    }
}

#[tokio::test]
async fn deep_and_broad_trees_are_cut_and_say_so() {
    let long = "<b>word</b> ".repeat(300);
    let broad = (0..1000)
        .map(|_| node(&long, Ok(&long), Vec::new()))
        .collect();
    let mut deep = node("The last?", Ok("1"), Vec::new());
    for _ in 0..45 {
        deep = node("Below?", Ok("1"), vec![deep]);
    }
    let trees =
        [("broad", node("All?", Ok("1"), broad)), ("deep", deep)].map(|(id, tree)| ProblemTree {
            id: SampleId::new(id),
            tree,
        });
    let served = Served::of(|run| make(run, &trees), AskingConfig::default()).await;
    let admin = served.visitor("admin").await;
    for (id, more) in [("broad", 889), ("deep", 6)] {
        let page = admin.get(&format!("/trees/{CELL}/amplified-0/{id}")).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text.len() < 3_000_000, "{} bytes", page.text.len());
        assert!(
            page.text
                .contains(&format!("{more} questions more are not shown")),
            "{id}"
        );
    }
}

#[tokio::test]
async fn trees_that_are_made_while_it_is_served_appear() {
    let served = Served::of(
        |run| make_amplification(run, "expert"),
        AskingConfig::default(),
    )
    .await;
    let admin = served.visitor("admin").await;
    let none = admin.get("/trees").await;
    assert!(none.text.contains("The run has no trees so far"));
    make(&served.run(), &[tree(0)]);
    assert!(
        admin
            .get("/trees")
            .await
            .text
            .contains("What is (1 + 1) × 3, number 0?")
    );
}

#[tokio::test]
async fn trees_are_the_admins() {
    let served = served(1).await;
    let rater = served.visitor("rater-1").await;
    for address in [
        "/trees".to_owned(),
        format!("/trees/{CELL}/amplified-0/problem%2F0"),
    ] {
        for visitor in [&rater, &served.stranger()] {
            assert_eq!(visitor.get(&address).await.status, 401);
        }
    }
}
