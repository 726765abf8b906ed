//! The SDKs, the contract and the templates of new projects, as this binary carries them.

mod files {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// A file of the work tree by its path.
pub fn file(path: &str) -> Option<&'static str> {
    let at = files::FILES.binary_search_by(|(name, _)| (*name).cmp(path)).ok()?;
    Some(files::FILES[at].1)
}

/// The files below a folder of the work tree: their paths below it, and their text.
pub fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let below =
        move |(name, text): &(&'static str, &'static str)| Some((name.strip_prefix(folder)?.strip_prefix('/')?, *text));
    files::FILES.iter().filter_map(below)
}
