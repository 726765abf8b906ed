//! Settings as people fill them in: a field that is left blank is one that is not set.

/// The text without the blanks around it; None where nothing is left.
pub fn filled(setting: Option<String>) -> Option<String> {
    setting.map(|text| text.trim().to_string()).filter(|text| !text.is_empty())
}

/// The texts of a list, each without the blanks around it, but for those of which nothing is left.
pub fn filled_list(setting: Vec<String>) -> Vec<String> {
    setting.into_iter().filter_map(|text| filled(Some(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_field_is_not_set() {
        assert_eq!(filled(Some(" a b ".into())).as_deref(), Some("a b"));
        assert_eq!(filled(Some(" \t".into())), None);
        assert_eq!(filled(None), None);
        assert_eq!(filled_list(vec![" a ".into(), " ".into(), "b".into()]), ["a", "b"]);
    }
}
