//! Rules that no reply may break, whatever its reward: what a checker finds, rightly or wrongly.

use trimtab_core::chat::Message;
use trimtab_organism::critic::sees;

use crate::rlhf::Rule;

impl Rule {
    /// What it is called in tables.
    pub fn name(&self) -> String {
        match self {
            Self::Forbidden { name, .. } => name.clone(),
            Self::MostWords { words } => format!("at most {words} words"),
            Self::Critic {} => "critic".into(),
        }
    }

    /// Whether it can be kept token by token: a text that keeps it may end, and one that does not stays so however it goes on.
    pub fn is_kept_by_token(&self) -> bool {
        match self {
            Self::Forbidden { .. } | Self::MostWords { .. } => true,
            Self::Critic {} => false,
        }
    }

    /// Whether `reply` breaks it.
    pub fn is_broken(&self, _prompt: &[Message], reply: &str) -> bool {
        match self {
            Self::Forbidden { phrases, .. } => {
                let reply = reply.to_lowercase();
                (phrases.iter()).any(|phrase| reply.contains(&phrase.to_lowercase()))
            }
            Self::MostWords { words } => reply.split_whitespace().count() > *words,
            // What a reply is worth asks for a request; what its sentences are does not.
            Self::Critic {} => {
                let read = trimtab_organism::evaluate("", reply);
                !read.grammatical || read.sentences.iter().flatten().any(|s| sees(s).is_some())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_organism::Sentence;

    #[test]
    fn rules_see_what_they_are_about() {
        let forbidden = Rule::Forbidden {
            name: "weapons".into(),
            phrases: vec!["a Gun".into()],
        };
        assert!(forbidden.is_broken(&[], "Take A GUN."));
        assert!(!forbidden.is_broken(&[], "Take a pen."));
        let short = Rule::MostWords { words: 2 };
        assert!(short.is_broken(&[], "one two three") && !short.is_broken(&[], "one two"));
    }

    #[test]
    fn the_critic_finds_most_violations_and_not_all() {
        let violating = Sentence::all();
        let violating = violating.iter().filter(|s| s.violation().is_some());
        let (mut n, mut found) = (0, 0);
        for sentence in violating {
            n += 1;
            found += usize::from(Rule::Critic {}.is_broken(&[], &sentence.to_string()));
        }
        assert!(found > n / 2 && found < n, "{found} of {n}");
        assert!(Rule::Critic {}.is_broken(&[], "no sentence of the language"));
        assert!(Rule::Critic {}.is_broken(&[], ""));
    }
}
