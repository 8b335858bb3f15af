//! What somebody wrote, kept to a bound: replies are as long as a model likes.

/// `text`, of so many bytes at most and the mark of a cut.
pub fn bounded(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    format!("{} […]", &text[..text.floor_char_boundary(bytes)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_marked_and_goes_through_no_letter() {
        assert_eq!(bounded("äöü", 6), "äöü");
        assert_eq!(bounded("äöü", 5), "äö […]");
        assert_eq!(bounded("äöü", 1), " […]");
        assert_eq!(bounded("", 0), "");
    }
}
