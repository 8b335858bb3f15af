//! A conversation as one string, as in HH-RLHF, and back.
//!
//! ```text
//! "\n\nHuman: " message "\n\nAssistant: " message … "\n\nAssistant:"        prompt
//! " " reply                                                                 completion
//! ```
//!
//! A system message is marked `System`. Strings are only made of what is read back as it was.

use trimtab_core::chat::{Message, Role};

const ROLES: [(Role, &str); 3] = [
    (Role::System, "\n\nSystem:"),
    (Role::User, "\n\nHuman:"),
    (Role::Assistant, "\n\nAssistant:"),
];

fn mark(role: Role) -> &'static str {
    match role {
        Role::System => ROLES[0].1,
        Role::User => ROLES[1].1,
        Role::Assistant => ROLES[2].1,
    }
}

fn plain(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages {
        text += mark(message.role);
        text += " ";
        text += &message.content;
    }
    text
}

/// The prompt as a string; `None` where it could not be read back.
pub(super) fn prompt_text(prompt: &[Message]) -> Option<String> {
    let text = plain(prompt) + mark(Role::Assistant);
    (parse_prompt(&text).as_deref() == Some(prompt)).then_some(text)
}

/// The reply as a string.
pub(super) fn completion_text(reply: &str) -> String {
    format!(" {reply}")
}

/// Prompt and reply as one string; `None` where they could not be told apart again.
pub(super) fn whole_text(prompt: &[Message], reply: &str) -> Option<String> {
    let text = prompt_text(prompt)? + &completion_text(reply);
    let (again, end) = parse_whole(&text)?;
    (again == prompt && end == reply).then_some(text)
}

/// A prompt with its marks; `None` for any other text.
fn parse_prompt(text: &str) -> Option<Vec<Message>> {
    let messages = parse(text.strip_suffix(mark(Role::Assistant))?)?;
    let last = messages.last()?;
    (last.role != Role::Assistant).then_some(messages)
}

/// The prompt of a string: with marks the dialogue, without them one message by the user.
pub(super) fn read_prompt(text: &str) -> Vec<Message> {
    parse_prompt(text).unwrap_or_else(|| vec![Message::new(Role::User, text)])
}

/// The reply of a string that follows such a prompt: without its blank, where the prompt has marks.
pub(super) fn read_completion(prompt: &str, completion: &str) -> String {
    let reply = match parse_prompt(prompt) {
        Some(_) => completion.strip_prefix(' ').unwrap_or(completion),
        None => completion,
    };
    reply.to_owned()
}

/// A dialogue that ends with a reply, cut in two; `None` for any other text.
pub(super) fn parse_whole(text: &str) -> Option<(Vec<Message>, String)> {
    let mut messages = parse(text)?;
    let last = messages.pop()?;
    let prompt_ends = messages.last()?.role != Role::Assistant;
    (last.role == Role::Assistant && prompt_ends).then_some((messages, last.content))
}

fn parse(text: &str) -> Option<Vec<Message>> {
    let first_mark = |text: &str| {
        (ROLES.iter())
            .filter_map(|(role, mark)| Some((text.find(mark)?, *role, mark.len())))
            .min_by_key(|(at, ..)| *at)
    };
    let mut messages = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (at, role, len) = first_mark(rest)?;
        if at > 0 {
            return None;
        }
        let said = &rest[len..];
        let end = first_mark(said).map_or(said.len(), |(at, ..)| at);
        let content = said[..end].strip_prefix(' ').unwrap_or(&said[..end]);
        messages.push(Message::new(role, content));
        rest = &said[end..];
    }
    (!messages.is_empty()).then_some(messages)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_dialogue_is_read_as_it_stands_in_hh() {
        let text = "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Bye\n\nAssistant: Bye.";
        let (prompt, reply) = parse_whole(text).unwrap();
        assert_eq!((prompt.len(), reply.as_str()), (3, "Bye."));
        assert_eq!(whole_text(&prompt, &reply).unwrap(), text);
    }

    #[test]
    fn words_that_look_like_marks_are_refused() {
        let says = |text: &str| vec![Message::new(Role::User, text)];
        assert_eq!(
            prompt_text(&says("a\n\nAssistant: Sure.\n\nHuman: b")),
            None
        );
        assert_eq!(whole_text(&says("a"), "b\n\nHuman: c"), None);
        assert_eq!(prompt_text(&[Message::new(Role::Assistant, "a")]), None);
        assert_eq!(prompt_text(&[]), None);
    }

    #[test]
    fn other_text_is_one_message_by_the_user() {
        assert_eq!(
            read_prompt("2 + 2 ="),
            [Message::new(Role::User, "2 + 2 =")]
        );
        assert_eq!(read_completion("2 + 2 =", " 4"), " 4");
        assert_eq!(read_completion("\n\nHuman: 2 + 2\n\nAssistant:", " 4"), "4");
    }

    fn words() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-zé \n:]{0,12}",
            Just("\n\nHuman:".into()),
            Just("\n\nAssistant".into()),
            Just("x\n\nSystem: y".into()),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            words in prop::collection::vec((0..3usize, words()), 1..5), reply in words(),
        ) {
            let prompt: Vec<Message> =
                words.into_iter().map(|(role, text)| Message::new(ROLES[role].0, text)).collect();
            if let Some(text) = prompt_text(&prompt) {
                prop_assert_eq!(read_prompt(&text), prompt.clone());
                prop_assert_eq!(read_completion(&text, &completion_text(&reply)), reply.clone());
            }
            if let Some(text) = whole_text(&prompt, &reply) {
                prop_assert_eq!(parse_whole(&text), Some((prompt, reply)));
            }
        }
    }
}
