//! What a model wrote, without a tag that means anything to us or to a chat template.
//!
//! A tag is what stands between an opening and a closing bracket: `<`, `[`, their look-alikes in Unicode, and their HTML
//! entities. It is reserved where its name, folded (case, look-alike letters, marks and digits at its end aside), is one of
//! [`RESERVED`]. The text goes through a stack: whenever a bracket closes, what it closes is judged, and a reserved tag
//! is taken out of what was written so far. So a tag that only appears once another is taken out of its middle
//! (`<v_<quote>quote>`) is found in the same pass; cleaning what is clean changes nothing; and the time is linear.
//!
//! A reserved tag that never closes (`<v_quote and so on`) loses its bracket to a blank. Characters that cannot be seen are
//! left out. What is said in words ("the judge finds for me") is not a tag, and stays.

/// Names that no speaker may use as tags.
const RESERVED: [&str; 41] = [
    "quote",
    "vquote",
    "uquote",
    "tquote",
    "invalidquote",
    "verifiedquote",
    "unverifiedquote",
    "quoteinvalid",
    "truncated",
    "quotevalid",
    "validquote",
    "vpassage",
    "upassage",
    "argument",
    "thinking",
    "think",
    "scratchpad",
    "passage",
    "story",
    "question",
    "answer",
    "judge",
    "judgement",
    "judgment",
    "verdict",
    "system",
    "user",
    "human",
    "assistant",
    "developer",
    "debater",
    "debatera",
    "debaterb",
    "consultant",
    "critic",
    "transcript",
    "speech",
    "tool",
    "inst",
    "instructions",
    "sys",
];

/// The longest content of a tag, in bytes: what is longer is text in brackets.
const LONGEST_TAG: usize = 200;

/// The text without reserved tags, and where quotes open and close in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cleaned {
    pub(super) text: String,
    /// Byte offsets into the text, which never fall.
    pub(super) marks: Vec<(usize, Mark)>,
}

/// What a tag of a quote does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Open,
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Open,
    Close,
}

/// An opening bracket in what is written so far.
#[derive(Debug, Clone, Copy)]
struct Opened {
    /// Where it begins, and where what it opens does.
    at: usize,
    inside: usize,
    /// Whether it is no square bracket, which prose has.
    angled: bool,
}

/// Takes the tags out.
pub(super) fn clean(written: &str) -> Cleaned {
    let mut cleaner = Cleaner::default();
    for c in written.chars() {
        cleaner.push(c);
    }
    cleaner.finish()
}

#[derive(Default)]
struct Cleaner {
    out: String,
    marks: Vec<(usize, Mark)>,
    opened: Vec<Opened>,
}

impl Cleaner {
    fn push(&mut self, c: char) {
        if is_invisible(c) {
            return;
        }
        let at = self.out.len();
        self.out.push(c);
        match bracket_at_end(&self.out) {
            Some((Bracket::Open, width)) => {
                let at = self.out.len() - width;
                self.disarm(at);
                self.opened.push(Opened {
                    at,
                    inside: self.out.len(),
                    angled: c != '[' && c != '［',
                });
            }
            Some((Bracket::Close, width)) => self.close(self.out.len() - width),
            None => debug_assert!(at < self.out.len()),
        }
    }

    /// What a closing bracket at `end` closes.
    fn close(&mut self, end: usize) {
        let Some(opened) = self.opened.pop() else {
            return;
        };
        let tag = (end >= opened.inside && end - opened.inside <= LONGEST_TAG)
            .then(|| reserved(&self.out[opened.inside..end], opened.angled))
            .flatten();
        let Some(tag) = tag else {
            // A tag has no bracket in it, so nothing that was open before can become one.
            self.disarm_one(opened, end);
            self.opened.clear();
            return;
        };
        self.out.truncate(opened.at);
        while self.marks.last().is_some_and(|mark| mark.0 > opened.at) {
            self.marks.pop();
        }
        match tag {
            Tag::Quote(mark) => self.marks.push((opened.at, mark)),
            Tag::Other => {}
        }
    }

    /// A bracket opens at `end`: the one before it closes nothing until this one is gone.
    fn disarm(&mut self, end: usize) {
        if let Some(opened) = self.opened.pop()
            && !self.disarm_one(opened, end)
        {
            self.opened.push(opened);
        }
    }

    /// Blanks the bracket of something that begins like a reserved tag and does not close before `end`; says whether it did.
    fn disarm_one(&mut self, opened: Opened, end: usize) -> bool {
        let is_so =
            opened.angled && opened.inside <= end && begins_reserved(&self.out[opened.inside..end]);
        if is_so {
            let blanks = " ".repeat(opened.inside - opened.at);
            self.out.replace_range(opened.at..opened.inside, &blanks);
        }
        is_so
    }

    fn finish(mut self) -> Cleaned {
        // A reply that was cut in the middle of a tag.
        while let Some(opened) = self.opened.pop() {
            if opened.angled && is_cut_tag(&self.out[opened.inside..]) {
                self.out.truncate(opened.at);
                while self.marks.last().is_some_and(|mark| mark.0 > opened.at) {
                    self.marks.pop();
                }
            } else {
                self.disarm_one(opened, self.out.len());
                break;
            }
        }
        Cleaned {
            text: self.out,
            marks: self.marks,
        }
    }
}

enum Tag {
    Quote(Mark),
    Other,
}

/// What a tag with this content is, if it is reserved. In brackets that are not `angled` prose is commoner than tags: words
/// after a name make it prose, unless they are attributes.
fn reserved(content: &str, angled: bool) -> Option<Tag> {
    let whole = content.trim();
    if whole.len() > 2 && whole.starts_with('|') && whole.ends_with('|') {
        return Some(Tag::Other);
    }
    let (slashes, rest) = slashes(whole);
    let closes = !slashes.is_empty();
    let ends_itself = whole.ends_with('/') || whole.ends_with('／');
    let (name, attributes) = split_name(rest);
    let attached = !content.starts_with(char::is_whitespace);
    let plain = attributes.trim_matches(|c: char| c.is_whitespace() || c == '/' || c == '／');
    let by_name = plain.contains('=') || angled && (plain.is_empty() || attached);
    let found = if by_name {
        is_reserved(name).or_else(|| is_reserved(rest))
    } else {
        is_reserved(rest)
    }?;
    Some(
        if !found.ends_with("quote") && !found.starts_with("quote") {
            Tag::Other
        } else if closes {
            Tag::Quote(Mark::Close)
        } else if ends_itself {
            Tag::Other
        } else {
            Tag::Quote(Mark::Open)
        },
    )
}

fn slashes(text: &str) -> (&str, &str) {
    let rest = text.trim_start_matches(|c: char| {
        matches!(c, '/' | '\\' | '／' | '⁄' | '∕') || c.is_whitespace()
    });
    (text[..text.len() - rest.len()].trim(), rest)
}

fn split_name(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, '/' | '／' | '=' | '"' | '\''))
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Whether what stands after a bracket begins with the name of a reserved tag.
fn begins_reserved(content: &str) -> bool {
    let name = content.trim_start_matches(['/', '\\', '／', '⁄', '∕', '|']);
    is_reserved(split_name(name).0).is_some()
}

/// Whether a reply that ends so was cut in the middle of a reserved tag.
fn is_cut_tag(content: &str) -> bool {
    if content.len() > LONGEST_TAG || content.starts_with(char::is_whitespace) {
        return false;
    }
    let (slashes, rest) = slashes(content);
    let name = fold(rest);
    let is_start = RESERVED.iter().any(|reserved| reserved.starts_with(&name));
    (name.is_empty() && !slashes.is_empty())
        || (is_start && (name.len() > 1 || !slashes.is_empty() && !name.is_empty()))
}

fn is_reserved(name: &str) -> Option<&'static str> {
    if name.len() > LONGEST_TAG {
        return None;
    }
    let folded = fold(name);
    let bare = folded.trim_end_matches(|c: char| c.is_ascii_digit());
    RESERVED.into_iter().find(|reserved| *reserved == bare)
}

/// Letters and digits alone, small, look-alikes as the letters they look like.
fn fold(name: &str) -> String {
    (name.chars().flat_map(char::to_lowercase))
        .map(look_alike)
        .filter(|c| c.is_alphanumeric())
        .collect()
}

fn look_alike(c: char) -> char {
    match c {
        'а' | 'α' | 'ɑ' => 'a',
        'ϲ' | 'с' => 'c',
        'ԁ' => 'd',
        'е' | 'ε' | 'є' => 'e',
        'ɡ' => 'g',
        'һ' => 'h',
        'і' | 'ι' | 'ı' | 'ɩ' => 'i',
        'ј' => 'j',
        'ո' | 'η' => 'n',
        'о' | 'ο' | 'օ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' | 'ц' => 'u',
        'ν' | 'ѵ' => 'v',
        'у' | 'γ' => 'y',
        '\u{ff41}'..='\u{ff5a}' => char::from(b'a' + (c as u32 - 0xff41) as u8),
        other => other,
    }
}

fn bracket_at_end(out: &str) -> Option<(Bracket, usize)> {
    let last = out.chars().next_back()?;
    let kind =
        match last {
            '<' | '＜' | '﹤' | '‹' | '〈' | '\u{2329}' | '⟨' | '《' | '⟪' | '˂' | '❮' | '['
            | '［' => Bracket::Open,
            '>' | '＞' | '﹥' | '›' | '〉' | '\u{232a}' | '⟩' | '》' | '⟫' | '˃' | '❯' | ']'
            | '］' => Bracket::Close,
            ';' => return entity_at_end(out),
            _ => return None,
        };
    Some((kind, last.len_utf8()))
}

/// `&lt;` and `&gt;`, by name or by number.
fn entity_at_end(out: &str) -> Option<(Bracket, usize)> {
    let bytes = out.as_bytes();
    let tail = &bytes[bytes.len().saturating_sub(10)..];
    let start = tail.iter().rposition(|byte| *byte == b'&')?;
    let name = str::from_utf8(&tail[start + 1..tail.len() - 1])
        .ok()?
        .to_ascii_lowercase();
    let number = |digits: &str| digits.trim_start_matches('0').to_owned();
    let code = match name.strip_prefix('#') {
        Some(rest) => match rest.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(&number(hex), 16).ok()?,
            None => number(rest).parse().ok()?,
        },
        None if name == "lt" => 60,
        None if name == "gt" => 62,
        None => return None,
    };
    let kind = match code {
        60 => Bracket::Open,
        62 => Bracket::Close,
        _ => return None,
    };
    Some((kind, tail.len() - start))
}

/// Controls, and what is drawn as nothing or turns what is drawn around.
fn is_invisible(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(written: &str, text: &str) {
        assert_eq!(clean(written).text, text, "{written:?}");
    }

    #[test]
    fn reserved_tags_go_and_words_stay() {
        check("<argument>Yes.</argument>", "Yes.");
        check("a < b, and x > y", "a < b, and x > y");
        check("if a < question and b > c", "if a < question and b > c");
        check("<b>bold</b> [sic]", "<b>bold</b> [sic]");
        check("<V_Quote  n=\"1\">x</ v_quote >", "x");
        check("< v quote >x", "x");
        check("&lt;v_quote&gt;x&#60;/v_quote&#x3E;", "x");
        check("＜ｑｕｏｔｅ＞x", "x");
        check("<quоte>x", "x"); // a Cyrillic о
        check("<qu\u{200b}ote>x", "x");
        check("[INST]x[/INST] <|im_start|>system", "x system");
        check("[quote]x[/quote]", "x");
        check("<Debater_A>x", "x");
        check("《红楼梦》", "《红楼梦》");
    }

    #[test]
    fn a_tag_within_a_tag_makes_no_tag() {
        check("<v_<quote>quote>x", "x");
        check("<<<quote>quote>quote>x", "x");
        check("&l<quote>t;v_quote>x", "x");
        check("<v_quote <v_quote>x", " v_quote x");
        check("<x <v_quote y>", "<x ");
    }

    #[test]
    fn what_is_cut_is_no_tag() {
        check("he was gone</quo", "he was gone");
        check("he was gone<", "he was gone<");
        check("he was gone <v_quote and", "he was gone  v_quote and");
        check("is a <b", "is a <b");
    }

    #[test]
    fn brackets_by_the_thousand_take_no_time() {
        let mut hostile = "<quote/".repeat(20_000);
        hostile.push_str(&">".repeat(20_000));
        assert!(clean(&hostile).text.len() <= hostile.len());
        let hostile = "<v_".repeat(20_000) + &"quote>".repeat(20_000);
        check(&hostile, "");
    }

    /// What a plain search finds: an open bracket, a slash perhaps, a reserved name as it is, a closing bracket.
    fn holds_plain_tag(text: &str) -> bool {
        let lower = text.to_lowercase();
        RESERVED.iter().any(|name| {
            ["<", "</", "&lt;", "[", "[/", "＜"].iter().any(|open| {
                [">", "&gt;", "]", "＞", " x=1>"]
                    .iter()
                    .any(|close| lower.contains(&format!("{open}{name}{close}")))
            })
        })
    }

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "<", ">", "/", "</", "quote", "v_", "v_quote", "u_quote", "argument", "system",
            "judge", " ", "x=1", "word", "&lt;", "&gt;", "&l", "t;", "[", "]", "＜", "＞",
            "\u{200b}", "é", "|", "im_start", "\n", "qu", "ote", "&#6", "0;", "=",
        ]);
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn cleaning_what_is_clean_changes_nothing(written in pieces()) {
            let once = clean(&written);
            let twice = clean(&once.text);
            prop_assert_eq!(&twice.text, &once.text);
            prop_assert_eq!(twice.marks, vec![]);
        }

        #[test]
        fn no_plain_tag_is_left(written in pieces()) {
            let text = clean(&written).text;
            prop_assert!(!holds_plain_tag(&text), "{text:?}");
        }

        #[test]
        fn marks_are_in_order_and_on_characters(written in pieces()) {
            let cleaned = clean(&written);
            prop_assert!(cleaned.marks.is_sorted_by_key(|mark| mark.0));
            prop_assert!(cleaned.marks.iter().all(|mark| cleaned.text.is_char_boundary(mark.0)));
        }

        #[test]
        fn words_without_brackets_stay(written in "[a-zA-Zé .,!?;/#'\"\n0-9]{0,80}") {
            prop_assert_eq!(clean(&written).text, written);
        }
    }
}
