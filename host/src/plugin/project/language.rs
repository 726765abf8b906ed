//! The language that a project is written in, told by the files it has.

use std::path::Path;

use crate::plugin::fault::PluginError;

/// A language for plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// Compiled by cargo; imports nothing.
    Rust,
    /// Made into a component by componentize-js.
    Javascript,
    /// Made into a component by componentize-py.
    Python,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 3] = [Language::Rust, Language::Javascript, Language::Python];

    /// The file that tells it.
    pub fn mark(self) -> &'static str {
        match self {
            Language::Rust => "Cargo.toml",
            Language::Javascript => "plugin.js",
            Language::Python => "plugin.py",
        }
    }

    /// The folder of its template.
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Javascript => "javascript",
            Language::Python => "python",
        }
    }

    /// The language of the project in a folder.
    pub fn of(folder: &Path) -> Result<Language, PluginError> {
        Language::ALL.into_iter().find(|language| folder.join(language.mark()).is_file()).ok_or_else(|| {
            let marks = Language::ALL.map(Language::mark).join(", ");
            PluginError::Build(format!("{}: there is no code: none of {marks}", folder.display()))
        })
    }
}
