//! Server-sent events: the data of each event in a body.

/// The data of every event in `body`, in order. Names, ids and comments are left out; data in several lines is one
/// event a line, which no server of completions sends.
pub(crate) fn data(body: &str) -> Vec<&str> {
    (body.lines())
        .filter_map(|line| line.strip_prefix("data:"))
        .map(str::trim)
        .filter(|data| !data.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_what_counts() {
        let body =
            ": hello\r\nevent: x\r\ndata: {\"a\":1}\r\n\r\ndata:{}\n\nid: 3\ndata: [DONE]\n\n";
        assert_eq!(data(body), [r#"{"a":1}"#, "{}", "[DONE]"]);
    }
}
