//! Trees of iterated amplification as the admin sees them: what was asked and answered, question by question, and by whom.
//!
//! A tree is nested `<details>`, which open and close without scripts. It is as deep and as long as models made it: a page shows
//! no more than [`MOST_PAGE_CHARS`] of it, and says how many questions it leaves out.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use maud::{Markup, html};
use serde::Deserialize;
use trimtab_amplify::language::reply::same_answer;
use trimtab_amplify::language::{ProblemTree, Reply, Text};
use trimtab_amplify::{Answered, By, Node};
use trimtab_core::chat::Usage;
use trimtab_run::amplification::{self, Trees};

use super::layout::{self, Script};
use super::transcript::{encoded, pager};
use super::words;
use crate::catalogue::{CameTo, CatalogueError, TreeCell, TreeFile, TreeHead};
use crate::place::Place;
use crate::router::AdminVisit;
use crate::trouble::Trouble;

/// Trees of one page of the list.
const PAGE: usize = 50;

/// Characters of a tree on one page, markup counted roughly.
const MOST_PAGE_CHARS: usize = 600_000;
/// What a question's markup counts as.
const NODE_CHARS: usize = 400;
/// Characters of one text in a tree.
const MOST_TEXT_CHARS: usize = 2000;
/// Levels that are shown. Trees of a run have at most 17.
const MOST_LEVELS: usize = 40;
/// Levels that are open at first.
const OPEN_LEVELS: usize = 2;

/// Which part of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    #[serde(default)]
    cell: String,
    #[serde(default)]
    of: String,
    #[serde(default)]
    only: String,
    #[serde(default)]
    page: usize,
}

/// What a kind of tree is called.
fn kind_in_words(of: Trees) -> String {
    let after = |k: u32| match k {
        0 => String::new(),
        1 => " after 1 distillation".to_owned(),
        k => format!(" after {k} distillations"),
    };
    match of {
        Trees::Expert => "expert alone".into(),
        Trees::Alone(k) => format!("assistant alone{}", after(k)),
        Trees::Amplified(k) => format!("amplified{}", after(k)),
        Trees::Training(k) => format!("to learn from{}", after(k)),
        Trees::Supervised => "taught right answers".into(),
    }
}

/// Every tree, by method and kind.
pub(crate) async fn list(
    State(place): State<Arc<Place>>,
    AdminVisit(_): AdminVisit,
    Query(part): Query<Part>,
) -> Result<Markup, Trouble> {
    place.refresh()?;
    let catalogue = place.catalogue();
    let cells = catalogue.trees();
    let cell = if part.cell.is_empty() {
        cells.first()
    } else {
        Some(catalogue.tree_cell(&part.cell).ok_or(Trouble::NotFound)?)
    };
    let file = match cell {
        // What is amplified is what one wants to see first.
        Some(cell) if part.of.is_empty() => (cell.files.iter())
            .find(|file| matches!(file.of, Trees::Amplified(_)))
            .or(cell.files.first()),
        Some(cell) => Some(cell.file(&part.of).ok_or(Trouble::NotFound)?),
        None => None,
    };
    Ok(layout::admin_page(
        "Trees",
        "/trees",
        Script::None,
        &html! {
            h1 { "Trees" }
            @match (cell, file) {
                (Some(cell), Some(file)) => {
                    (tabs(cells, cell, file))
                    (listed(cell, file, &part))
                },
                _ => p { "The run has no trees so far: iterated amplification makes them." },
            }
        },
    ))
}

fn tabs(cells: &[TreeCell], cell: &TreeCell, file: &TreeFile) -> Markup {
    html! {
        nav class="tabs" aria-label="Methods" {
            @for other in cells {
                a href={ "/trees?cell=" (encoded(&other.name)) } aria-current=[(other.name == cell.name).then_some("page")] {
                    (words::shown(&other.method)) " " span class="count" { "variant " (other.variant) ", seed " (other.seed) }
                }
            }
        }
        nav class="tabs" aria-label="Kinds of trees" {
            @for other in &cell.files {
                a href={ "/trees?cell=" (encoded(&cell.name)) "&of=" (other.address()) } aria-current=[(other.of == file.of).then_some("page")] {
                    (kind_in_words(other.of)) " " span class="count" { (other.heads.len()) }
                }
            }
        }
    }
}

fn listed(cell: &TreeCell, file: &TreeFile, part: &Part) -> Markup {
    let is_filtered = part.only == "wrong";
    let here = format!("/trees?cell={}&of={}", encoded(&cell.name), file.address());
    let not_right: Vec<&TreeHead> = (file.heads.iter())
        .filter(|head| head.came_to.is_not_right())
        .collect();
    let n_not_right = not_right.len();
    let heads: Vec<&TreeHead> = if is_filtered {
        not_right
    } else {
        file.heads.iter().collect()
    };
    let address = if is_filtered {
        format!("{here}&only=wrong")
    } else {
        here.clone()
    };
    html! {
        nav class="tabs" aria-label="Which of them" {
            a href=(here) aria-current=[(!is_filtered).then_some("page")] { "all " span class="count" { (file.heads.len()) } }
            a href={ (here) "&only=wrong" } aria-current=[is_filtered.then_some("page")] {
                "wrong only " span class="count" { (n_not_right) }
            }
        }
        @if heads.is_empty() {
            p { "None." }
        } @else {
            div class="scroll" {
                table {
                    caption { (kind_in_words(file.of)) ", of " (words::shown(&cell.method)) }
                    thead {
                        tr { th scope="col" { "Problem" } th scope="col" { "Question" } th scope="col" { "Came to" } th scope="col" { "" } th scope="col" { "Questions" } }
                    }
                    tbody {
                        @for head in heads.iter().skip(part.page.saturating_mul(PAGE)).take(PAGE) {
                            tr {
                                th scope="row" { a href=(address_of(cell, file, head)) { (words::shown(head.id.as_str())) } }
                                td { (words::shown(&head.question)) }
                                (came_to(&head.came_to))
                                td { (head.n_questions) }
                            }
                        }
                    }
                }
            }
            (pager(&address, part.page, heads.len().div_ceil(PAGE)))
        }
    }
}

fn address_of(cell: &TreeCell, file: &TreeFile, head: &TreeHead) -> String {
    format!(
        "/trees/{}/{}/{}",
        encoded(&cell.name),
        file.address(),
        encoded(head.id.as_str())
    )
}

fn came_to(came_to: &CameTo) -> Markup {
    html! {
        @match came_to {
            CameTo::Answer { text, is_right } => {
                td { (words::shown(text)) }
                td { (verdict(*is_right)) }
            },
            CameTo::Nothing(why) => {
                td class="unanswered" { (why) }
                td { "no answer" }
            },
        }
    }
}

fn verdict(is_right: Option<bool>) -> Markup {
    html! {
        @match is_right {
            Some(true) => b class="right" { "right" },
            Some(false) => b class="fault" { "wrong" },
            None => {},
        }
    }
}

/// One tree, with everything.
pub(crate) async fn show(
    State(place): State<Arc<Place>>,
    AdminVisit(_): AdminVisit,
    Path((cell, of, id)): Path<(String, String, String)>,
) -> Result<Markup, Trouble> {
    let there = Arc::clone(&place);
    let read = move || -> Result<(ProblemTree, Trees, Option<String>, String), Trouble> {
        there.refresh()?;
        let catalogue = there.catalogue();
        let in_cell = catalogue.tree_cell(&cell).ok_or(Trouble::NotFound)?;
        let file = in_cell.file(&of).ok_or(Trouble::NotFound)?;
        let tree = catalogue.tree(&cell, &of, &id)?;
        let key = amplification::key(there.path(), in_cell.variant)
            .map_err(CatalogueError::from)?
            .and_then(|mut key| key.remove(&tree.id));
        Ok((tree, file.of, key, in_cell.method.clone()))
    };
    let (tree, of, key, method) = tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| Trouble::Unreadable(error.to_string()))??;
    Ok(layout::admin_page(
        "Tree",
        "/trees",
        Script::None,
        &whole(&tree, of, key.as_deref(), &method),
    ))
}

fn whole(tree: &ProblemTree, of: Trees, key: Option<&str>, method: &str) -> Markup {
    let root = &tree.tree;
    let (calls, usage) = root.cost();
    let n_questions = root.n_questions();
    let mut left = MOST_PAGE_CHARS;
    let mut n_shown = 0;
    let nodes = node(root, 0, of, &mut left, &mut n_shown);
    html! {
        p class="kicker" {
            (words::shown(tree.id.as_str())) " · " (kind_in_words(of)) " · " (words::shown(method)) " · "
            (counted(n_questions, "question")) " · " (spent(calls, usage))
        }
        h1 { (words::shown_up_to(root.question.as_str(), MOST_TEXT_CHARS)) }
        p {
            (answer(&root.answer))
            @if let Some(key) = key {
                " " (verdict(root.answer.as_ref().ok().map(|reply| same_answer(key, &reply.answer))))
                " " span class="hint" { "The right answer is " (words::shown_up_to(key, MOST_TEXT_CHARS)) "." }
            }
        }
        div class="tree" { (nodes) }
        @if n_shown < n_questions {
            p class="hint" { (counted(n_questions - n_shown, "question")) " more are not shown: the tree is longer than a page." }
        }
    }
}

/// A question and all below it, as far as the page goes; `left` is what is left of it.
fn node(
    node_of: &Node<Text, Reply>,
    level: usize,
    of: Trees,
    left: &mut usize,
    n_shown: &mut usize,
) -> Markup {
    if *left == 0 || level >= MOST_LEVELS {
        return Markup::default();
    }
    let said = said(node_of);
    let answered = (node_of.answer.as_ref()).map_or("", |reply| &reply.answer);
    let question = node_of.question.as_str();
    let n_chars = [question, answered, said.unwrap_or_default()]
        .iter()
        .map(|text| text.chars().take(MOST_TEXT_CHARS).count())
        .sum::<usize>();
    *left = left.saturating_sub(NODE_CHARS + n_chars);
    *n_shown += 1;
    let children: Vec<Markup> = (node_of.children.iter())
        .map(|child| node(child, level + 1, of, left, n_shown))
        .collect();
    html! {
        details class="node" open[level < OPEN_LEVELS] {
            summary {
                span class="asked" { (words::shown_up_to(node_of.question.as_str(), MOST_TEXT_CHARS)) }
                " " (answer(&node_of.answer))
            }
            p class="small" { (who(node_of.by, of)) " · " (spent(u64::from(node_of.calls), node_of.usage)) }
            @if let Some(said) = said {
                details class="scratchpad" {
                    summary { "All that was said" }
                    div class="words" { (words::shown_up_to(said, MOST_TEXT_CHARS)) }
                }
            }
            @if !children.is_empty() {
                div class="below" { @for child in &children { (child) } }
            }
        }
    }
}

/// What was said, where that is more than the answer.
fn said(node: &Node<Text, Reply>) -> Option<&str> {
    use trimtab_amplify::Unanswered;
    match &node.answer {
        Ok(reply) if reply.text == reply.answer => None,
        Ok(reply) => Some(&reply.text),
        Err(Unanswered::Unparsed { reply } | Unanswered::Refused { reply }) => Some(reply),
        Err(Unanswered::Error { message }) => Some(message),
        Err(_) => None,
    }
}

fn answer(answer: &Answered<Reply>) -> Markup {
    html! {
        @match answer {
            Ok(reply) => b class="answered" { (words::shown_up_to(&reply.answer, MOST_TEXT_CHARS)) },
            Err(unanswered) => span class="unanswered" { (unanswered.in_words()) },
        }
    }
}

fn who(by: By, of: Trees) -> &'static str {
    match (by, of) {
        (By::Expert, _) | (By::Learner, Trees::Expert) => "by the expert",
        (By::Learner, _) => "by the assistant",
        (By::Fact, _) => "a fact",
        (By::Nobody, _) => "nobody was asked",
    }
}

fn spent(calls: u64, usage: Usage) -> String {
    let calls = counted(calls as usize, "call");
    format!("{calls}, {}", counted(usage.total() as usize, "token"))
}

fn counted(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}
