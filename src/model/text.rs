//! Texts that are too long to be shown whole, or wrong.

/// At most so many characters of a text, and an ellipsis behind them where more were left out.
pub fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// How much like each other two names have to be: `api` and `api-gateway` are, `cart` and `catalog` are not.
pub const ALIKE: f64 = 0.8;

/// How much like each other two names are, from 0 to 1, whatever their letters' case.
pub fn likeness(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(&a.to_lowercase(), &b.to_lowercase())
}

/// The one of some names that a wrong one was most likely meant to be.
pub fn closest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |name: &&str| likeness(wrong, name);
    names
        .into_iter()
        .filter(|name| likeness(name) > ALIKE)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_only_where_it_is_too_long() {
        for (text, shown) in [("", ""), ("né", "né"), ("née", "né…"), ("ünder", "ün…")] {
            assert_eq!(cut(text, 2), shown);
        }
    }
}
