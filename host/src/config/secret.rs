//! Texts that the configuration takes from elsewhere: files, and the answers of commands.
//!
//! A message names the file or the program, never what it said.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::ConfigError;
use super::check::Checker;
use super::interpolate::interpolate;
use super::raw::RawCommand;

/// A command has so long to answer: a look-up in a vault over the network, with a retry.
const COMMAND: Duration = Duration::from_secs(10);

/// Bytes that a file or a command may give. The largest secret in sight is a service account's file of 3 KB.
const BYTES_MAX: u64 = 64 << 10;

/// What the secrets of a configuration depend on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SecretSources {
    /// Files, which are read again when they change.
    pub files: Vec<PathBuf>,
    /// The configuration is read again after so long, in milliseconds.
    pub refresh_ms: Option<u64>,
}

/// Whether commands are run. The command line needs the admin address alone, and runs none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Commands {
    /// They are.
    Run,
    /// They are not; each answers with a text of its own.
    Skip,
}

impl SecretSources {
    /// Notes a file.
    pub(super) fn add_file(&mut self, path: &Path) {
        if !self.files.iter().any(|known| known == path) {
            self.files.push(path.to_path_buf());
        }
    }

    /// Notes how often a command is run again; the shortest wait counts for all.
    pub(super) fn add_refresh(&mut self, seconds: u64) {
        let own_ms = seconds.saturating_mul(1_000);
        self.refresh_ms = Some(self.refresh_ms.map_or(own_ms, |known_ms| known_ms.min(own_ms)));
    }
}

impl Checker<'_> {
    pub(super) fn secret_file(&self, name: &str, offset: usize) -> Result<String, ConfigError> {
        let path = self.beside_the_file(name);
        self.sources.borrow_mut().add_file(&path);
        of_file(&path).map_err(|message| self.wrong(offset, message))
    }

    /// The text of a table that stands for one: `{ file = ".." }` or `{ command = [..] }`.
    pub(super) fn secret(&self, table: &toml::Table, offset: usize) -> Result<Option<String>, ConfigError> {
        let wrong = |message: String| self.wrong(offset, message);
        match (table.len(), table.get("file"), table.get("command")) {
            (1, Some(toml::Value::String(name)), _) => {
                let name = interpolate(name, self.environment).map_err(wrong)?;
                self.secret_file(&name, offset).map(Some)
            }
            (1 | 2, _, Some(toml::Value::Array(_)))
                if table.keys().all(|key| key == "command" || key == "refresh_seconds") =>
            {
                let mut command: RawCommand = toml::Value::Table(table.clone())
                    .try_into()
                    .map_err(|error: toml::de::Error| wrong(format!("command: {}", error.message())))?;
                if self.commands == Commands::Skip {
                    return Ok(Some(format!("not-run-{offset}-{}", command.command.join("-").replace(':', "-"))));
                }
                for part in &mut command.command {
                    *part = interpolate(part, self.environment).map_err(wrong)?;
                }
                match command.refresh_seconds {
                    Some(0) => return Err(wrong("refresh_seconds is 0: it must be at least 1".to_string())),
                    Some(seconds) => self.sources.borrow_mut().add_refresh(seconds),
                    None => {}
                }
                of_command(&command, &self.directory_of_the_file()).map(Some).map_err(wrong)
            }
            _ => Ok(None),
        }
    }

    /// Absolute, since programs are looked for from within it.
    fn directory_of_the_file(&self) -> PathBuf {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::path::absolute(parent).unwrap_or_else(|_| parent.to_path_buf())
    }
}

/// The content of a file, without the line's end.
///
/// # Errors
/// Names the file.
pub(super) fn of_file(path: &Path) -> Result<String, String> {
    let content = std::fs::read_to_string(path)
        .map_err(|error| format!("the file {} cannot be read: {error}", path.display()))?;
    Ok(content.trim_end_matches(['\n', '\r']).to_string())
}

/// What a command writes to standard output, without white space around it. It is run without a shell,
/// in `directory`, and killed with its children when it takes too long.
///
/// # Errors
/// Names the program and what was wrong with its end, never what it wrote.
pub(super) fn of_command(command: &RawCommand, directory: &Path) -> Result<String, String> {
    let [program, arguments @ ..] = &command.command[..] else {
        return Err("the command is empty: write { command = [\"program\", \"argument\"] }".to_string());
    };
    let failed = |what: String| format!("the command `{program}` {what}");
    // A name with a slash is a path, relative to the configuration file like every path.
    let path = if program.contains('/') { directory.join(program) } else { PathBuf::from(program) };
    let mut child = Command::new(path)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    let group = child.id();
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let mut wrote = Vec::new();
        let read = match child.stdout.take() {
            Some(stdout) => stdout.take(BYTES_MAX + 1).read_to_end(&mut wrote),
            None => Ok(0),
        };
        if wrote.len() as u64 > BYTES_MAX {
            // It would wait for a reader for ever.
            let _ = child.kill();
        }
        let status = child.wait();
        // Nobody listens any more when it took too long.
        let _ = done.send((read, wrote, status));
    });
    let Ok((read, wrote, status)) = ended.recv_timeout(COMMAND) else {
        let group = i32::try_from(group).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        return Err(failed(format!("did not end within {} s", COMMAND.as_secs())));
    };
    if wrote.len() as u64 > BYTES_MAX {
        return Err(failed(format!("wrote more than {BYTES_MAX} bytes")));
    }
    let status = status.map_err(|error| failed(format!("cannot be waited for: {error}")))?;
    read.map_err(|error| failed(format!("cannot be read from: {error}")))?;
    if !status.success() {
        return Err(failed(format!("failed ({status}): run it by hand to see why")));
    }
    let text = String::from_utf8(wrote).map_err(|_| failed("wrote something that is not UTF-8".to_string()))?;
    match text.trim() {
        "" => Err(failed("wrote nothing to standard output".to_string())),
        text => Ok(text.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: &[&str]) -> Result<String, String> {
        let command = command.iter().map(ToString::to_string).collect();
        of_command(&RawCommand { command, refresh_seconds: None }, Path::new("/tmp"))
    }

    #[test]
    fn a_command_answers() {
        assert_eq!(run(&["printf", " a b\n\n"]), Ok("a b".to_string()));
        assert_eq!(run(&["echo", "$HOME;ls"]), Ok("$HOME;ls".to_string()), "there is no shell");
        assert_eq!(run(&["pwd"]), Ok("/tmp".to_string()));
    }

    #[test]
    fn a_command_that_fails_is_named_and_what_it_wrote_is_not() {
        let check = |command: &[&str], part: &str| {
            let message = run(command).expect_err("it fails");
            assert!(message.contains(part) && !message.contains("s3cret"), "{message}");
        };
        check(&[], "is empty");
        check(&["/nowhere/at-all"], "`/nowhere/at-all` cannot be started");
        check(&["sh", "-c", "echo s3cret; echo s3cret >&2; exit 3"], "`sh` failed (exit status: 3)");
        check(&["true"], "wrote nothing");
        check(&["printf", "\\377"], "not UTF-8");
    }

    #[test]
    fn what_a_command_writes_is_bounded() {
        let bytes = |count: u64| ["head".to_string(), "-c".to_string(), count.to_string(), "/dev/zero".to_string()];
        let run = |command: [String; 4]| run(&command.each_ref().map(String::as_str));
        assert_eq!(run(bytes(BYTES_MAX)).map(|text| text.len() as u64), Ok(BYTES_MAX));
        assert!(run(bytes(BYTES_MAX + 1)).expect_err("too much").contains("more than 65536 bytes"));
        assert!(run(bytes(u64::MAX >> 1)).expect_err("for ever").contains("more than 65536 bytes"));
    }
}
