//! `switchyard plugin new`: a project that builds, passes its own tests and loads.

use std::path::{Path, PathBuf};

use super::embedded;
use super::language::Language;
use super::vendored::{self, write};
use crate::plugin::fault::PluginError;

/// The longest name: it is the plugin's id as well.
const NAME_BYTES_MAX: usize = 64;

/// Makes the folder of a new project, named as the last part of `path`; refuses one that has
/// something in it.
pub fn create(path: &Path, language: Language) -> Result<PathBuf, PluginError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    check_name(&name)?;
    if std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(PluginError::Build(format!("{}: the folder is not empty", path.display())));
    }
    for (file, text) in embedded::below(&format!("host/templates/{}", language.name())) {
        let file = if file == "gitignore" { ".gitignore" } else { file };
        write(&path.join(file), &text.replace("{{name}}", &name).replace("{{title}}", &title(&name)))?;
    }
    vendored::ensure(path, language)?;
    if language == Language::Rust {
        // The versions that the SDK is tested with; cargo leaves out what the project does not need.
        write(&path.join("Cargo.lock"), embedded::file("Cargo.lock").unwrap_or_default())?;
    }
    Ok(path.to_path_buf())
}

/// The name is the plugin's id and the crate's name, so it is what both may be.
fn check_name(name: &str) -> Result<(), PluginError> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts_well = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    if starts_well && name.len() <= NAME_BYTES_MAX && name.bytes().all(letter) {
        return Ok(());
    }
    Err(PluginError::Build(format!(
        "`{}` is no name for a plugin: 1 to {NAME_BYTES_MAX} lower-case letters, digits and `-`, a letter first",
        name.escape_debug()
    )))
}

/// `my-vendor` for people: `My vendor`.
fn title(name: &str) -> String {
    let words = name.replace('-', " ");
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_id() {
        let longest = format!("a{}", "b".repeat(NAME_BYTES_MAX - 1));
        for good in ["a", "my-vendor", "x9", longest.as_str()] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let too_long = format!("{longest}b");
        for bad in ["", "9x", "-a", "A", "a_b", "a b", "ä", too_long.as_str()] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_title_reads_well() {
        assert_eq!(title("my-vendor"), "My vendor");
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("vendor");
        create(&path, Language::Python).expect("it is new");
        let again = create(&path, Language::Python).expect_err("it is there");
        assert!(again.to_string().contains("not empty"), "{again}");
    }
}
