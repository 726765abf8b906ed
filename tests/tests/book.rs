//! The book for plugin authors: its pages are there, and every snippet in them is compiled or run.
//!
//! What a snippet is stands behind its language: `run` is run by the shell, `file=PATH` is written,
//! `says` is what was printed, `plugin` is a whole plugin, `manifest` is a part of a plugin.toml.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use switchyard_tests::paths;
use switchyard_tests::project::Project;

/// The pages of authors; the others are about running the daemon.
const PAGES: [&str; 9] = [
    "contract",
    "settings",
    "batching",
    "judging",
    "testing",
    "limits",
    "tutorial-rust",
    "tutorial-javascript",
    "tutorial-python",
];

struct Block {
    page: String,
    line: usize,
    language: String,
    role: String,
    text: String,
}

fn page(name: &str) -> String {
    let path = paths::root().join("host/docs").join(format!("{name}.md"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn blocks(name: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (number, line) in page(name).lines().enumerate() {
        match (line.strip_prefix("```"), is_open) {
            (Some(info), false) => {
                let (language, role) = info.split_once(',').unwrap_or((info, ""));
                let text = String::new();
                let (language, role) = (language.to_string(), role.to_string());
                blocks.push(Block { page: name.to_string(), line: number + 1, language, role, text });
                is_open = true;
            }
            (Some(_), true) => is_open = false,
            (None, true) => {
                let block = blocks.last_mut().expect("a block is open");
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, false) => {}
        }
    }
    assert!(!is_open, "{name}: a block is not closed");
    blocks
}

fn of_pages(language: &str, role: &str) -> Vec<Block> {
    let found: Vec<Block> = PAGES.iter().flat_map(|name| blocks(name)).collect();
    let found: Vec<Block> = found.into_iter().filter(|each| each.language == language && each.role == role).collect();
    assert!(!found.is_empty(), "no {language},{role} in the book");
    found
}

#[test]
fn every_page_is_in_the_summary_and_every_link_leads_somewhere() {
    let folder = paths::root().join("host/docs");
    let summary = page("SUMMARY");
    let mut listed = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).expect("it is there") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.ends_with(".md") {
            continue;
        }
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name} is not in SUMMARY.md");
        let text = std::fs::read_to_string(&path).expect("it can be read");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let is_elsewhere = target.is_empty() || target.contains("://");
            assert!(is_elsewhere || folder.join(target).exists(), "{name}: {link} leads nowhere");
            listed.insert(target.to_string());
        }
    }
    assert!(listed.contains("tutorial-rust.md"));
}

#[test]
fn every_snippet_is_of_a_kind_that_is_tried() {
    let known = [
        ("rust", "plugin"),
        ("js", "plugin"),
        ("python", "plugin"),
        ("toml", "manifest"),
        ("json", ""),
        ("sh", ""),
        ("sh", "run"),
        ("text", "says"),
    ];
    for block in PAGES.iter().flat_map(|name| blocks(name)) {
        let is_known = known.contains(&(block.language.as_str(), block.role.as_str()));
        assert!(is_known || block.role.starts_with("file="), "{}.md:{} is tried by no test", block.page, block.line);
    }
}

#[test]
fn rust_snippets_compile() {
    let project = Project::new("snippets", "rust");
    let mut modules = String::new();
    for (number, block) in of_pages("rust", "plugin").iter().enumerate() {
        modules.push_str(&format!("mod snippet_{number};\n"));
        project.write(&format!("src/snippet_{number}.rs"), &block.text);
    }
    project.write("src/lib.rs", &modules);
    let environment = project.environment().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let checked = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string()))
        .args(["check", "--quiet"])
        .current_dir(project.folder())
        .envs(environment)
        .output()
        .expect("cargo runs the tests");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn javascript_snippets_are_modules_with_a_plan() {
    for block in of_pages("js", "plugin") {
        let project = Project::new("snippet", "javascript");
        project.write("plugin.js", &block.text);
        let lists = "import('./plugin.js').then((it) => console.log(Object.keys(it).join()))";
        let loaded =
            Command::new("node").args(["-e", lists]).current_dir(project.folder()).output().expect("node is there");
        let names = String::from_utf8_lossy(&loaded.stdout).into_owned();
        let said = String::from_utf8_lossy(&loaded.stderr);
        assert!(names.contains("plan"), "{}.md:{}: {names}{said}", block.page, block.line);
    }
}

#[test]
fn python_snippets_have_the_types_that_they_say() {
    for block in of_pages("python", "plugin") {
        let project = Project::new("snippet", "python");
        project.write("plugin.py", &block.text);
        let environment = project.environment().iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let checked = Command::new("python3")
            .args(["-m", "mypy", "--strict", "plugin.py"])
            .current_dir(project.folder())
            .envs(environment)
            .output()
            .expect("python3 is there");
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.status.success(), "{}.md:{}: {said}", block.page, block.line);
    }
}

#[test]
fn parts_of_manifests_are_taken() {
    for block in of_pages("toml", "manifest") {
        let folder = tempfile::tempdir().expect("a directory");
        let text = format!("id = \"snippet\"\nname = \"Snippet\"\nversion = \"0.1.0\"\n{}", block.text);
        std::fs::write(folder.path().join("plugin.toml"), text).expect("a file");
        let built = switchyard_tests::cli::run(&["plugin", "build", &folder.path().display().to_string()]);
        // The manifest is read before the code is looked for.
        assert!(built.all().contains("there is no code"), "{}.md:{}: {}", block.page, block.line, built.all());
    }
}

#[test]
fn what_is_shown_as_json_is_json() {
    for block in of_pages("json", "") {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&block.text);
        assert!(parsed.is_ok(), "{}.md:{}", block.page, block.line);
    }
}

#[test]
fn commands_that_are_shown_are_there() {
    for block in of_pages("sh", "") {
        for line in block.text.lines().filter_map(|line| line.strip_prefix("switchyard ")) {
            let mut words: Vec<&str> = line.split_whitespace().take(2).collect();
            words.push("--help");
            let helped = switchyard_tests::cli::run(&words);
            assert!(helped.success, "{}.md:{}: {line}: {}", block.page, block.line, helped.all());
        }
    }
}

/// A tutorial as one shell script, with ports of its own; what installs tools is left out, they are there.
fn script(name: &str) -> String {
    let mut script = String::from("started=\ntrap 'kill $started 2>/dev/null || true' EXIT\n");
    for block in blocks(name) {
        if block.role == "run" {
            let lines =
                block.text.lines().filter(|line| !line.contains("npm install") && !line.contains("pip install"));
            for line in lines {
                script.push_str(&format!("{line}\n"));
                if line.ends_with(" &") {
                    script.push_str("started=\"$started $!\"\n");
                }
            }
        } else if let Some(path) = block.role.strip_prefix("file=") {
            script.push_str(&format!("cat > {path} <<'BLOCK'\n{}BLOCK\n", block.text));
        }
    }
    for port in ["8080", "8081", "8099"] {
        script = script.replace(port, &paths::free_address().port().to_string());
    }
    script
}

fn follow(name: &str, language: &str) {
    // A project beside it gives the environment; the tutorial makes its own.
    let project = Project::new("beside", language);
    let folder = tempfile::tempdir().expect("a directory");
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &script(name)]).current_dir(folder.path()).stdin(Stdio::null());
    let mut path = paths::target().join("release").display().to_string();
    for (name, value) in project.environment() {
        match name.as_str() {
            "PATH" => path = format!("{path}:{value}"),
            _ => drop(shell.env(name, value)),
        }
    }
    let output = shell.env("PATH", path).output().expect("sh is there");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name}: {printed}{said}");
    for block in blocks(name).iter().filter(|block| block.role == "says") {
        for line in block.text.lines() {
            assert!(printed.contains(line), "{name}.md:{}: `{line}` is not in {printed}{said}", block.line);
        }
    }
}

#[test]
fn the_tutorial_in_rust_leads_to_a_delivered_event() {
    follow("tutorial-rust", "rust");
}

#[test]
fn the_tutorial_in_javascript_leads_to_a_delivered_event() {
    follow("tutorial-javascript", "javascript");
}

#[test]
fn the_tutorial_in_python_leads_to_a_delivered_event() {
    follow("tutorial-python", "python");
}
