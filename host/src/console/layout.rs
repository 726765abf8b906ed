//! The frame of all pages: top bar, menu, who is signed in, what was just done.

use maud::{DOCTYPE, Markup, html};

use super::glyphs::{glyph, sprite};
use super::parts::{at, note, number};
use super::{Asked, Page, assets};
use crate::admin::{Failure, Person};
use crate::config::Role;

/// What the frame shows.
pub(crate) struct Shell {
    person: Person,
    csrf: String,
    dead_letters: u64,
    configuration: (u64, u64),
    now_ms: u64,
    /// What was just done.
    notice: Option<String>,
    /// The form's address that takes it back, where it can be.
    undo: Option<String>,
    path: String,
}

impl Shell {
    /// For a request.
    pub fn of(asked: &Asked, path: &str) -> Shell {
        Shell {
            person: asked.caller.person.clone(),
            csrf: asked.csrf.clone(),
            dead_letters: asked.daemon.store.status().dead_letters.kept,
            configuration: asked.daemon.configuration_number(),
            now_ms: (asked.daemon.now)(),
            notice: notice(asked),
            undo: undo(asked, path).filter(|_| asked.is_editor()),
            path: path.to_string(),
        }
    }
}

/// The entries of the menu.
const MENU: [(&str, &str, &str); 7] = [
    ("overview", "Overview", "/"),
    ("events", "Live events", "/events"),
    ("dead-letters", "Dead letters", "/dead-letters"),
    ("integrations", "Integrations", "/integrations"),
    ("plugins", "Plugins", "/plugins"),
    ("sources", "Sources", "/sources"),
    ("audit", "Audit log", "/audit"),
];

/// What `?done=` says: words of ours only, so that no address can put its own into the page.
fn notice(asked: &Asked) -> Option<String> {
    let number = || asked.get("r").and_then(|number| number.parse::<u64>().ok());
    let in_effect = || number().map(|number| format!(" r{number} is in effect.")).unwrap_or_default();
    Some(match asked.get("done")? {
        "saved" => format!("Saved.{}", in_effect()),
        "added" => format!("The destination is added.{}", in_effect()),
        "removed" => format!("The destination is removed.{}", in_effect()),
        "paused" => "Paused: its events wait, and nothing is lost.".to_string(),
        "resumed" => "It goes on.".to_string(),
        "rolled-back" => format!("Rolled back.{}", in_effect()),
        "installed" => "The plugin is active.".to_string(),
        "grant" => "Granted: the revision is active.".to_string(),
        "promote" => "All users go to the new revision.".to_string(),
        "rollback" => "The revision before is active again.".to_string(),
        "discarded" => "Discarded.".to_string(),
        _ => return None,
    })
}

/// Where what `?done=` says is taken back: a destination goes on or pauses again, and of configurations the
/// one before comes back into effect while nobody has saved another.
fn undo(asked: &Asked, path: &str) -> Option<String> {
    let is_destination = path.starts_with("/destinations/") && path.matches('/').count() == 3;
    match asked.get("done")? {
        "paused" if is_destination => Some(format!("{path}/resume")),
        "resumed" if is_destination => Some(format!("{path}/pause")),
        "saved" | "added" | "removed" | "rolled-back" => {
            let number: u64 = asked.get("r")?.parse().ok()?;
            let before = asked.daemon.history(|history| history.before(number).map(|saved| saved.number))?;
            (asked.daemon.configuration_number().0 == number).then(|| format!("/history/{before}/rollback"))
        }
        _ => None,
    }
}

fn entries(shell: &Shell, page: &Page) -> Markup {
    html! {
        @for (key, label, address) in MENU {
            li {
                a href=(address) aria-current=[(key == page.menu).then_some("page")] {
                    (label)
                    @if key == "dead-letters" && shell.dead_letters > 0 {
                        span class="count" data-n="dead" { (number(shell.dead_letters)) }
                    }
                }
            }
        }
    }
}

fn whoami(shell: &Shell) -> Markup {
    let (number, since_ms) = shell.configuration;
    html! {
        @if number > 0 {
            span { "Configuration " a href={ "/history/" (number) } { b { "r" (number) } } ", since " (at(since_ms, shell.now_ms)) }
        }
        span { b { (shell.person.name) } ", " (shell.person.role.as_str()) }
        form method="post" action="/sign-out" { input type="hidden" name="csrf" value=(shell.csrf); button class="quiet" { "Sign out" } }
    }
}

/// A whole page.
pub fn whole(shell: &Shell, page: &Page) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&page.title))
            body data-csrf=(shell.csrf) {
                a class="skip" href="#main" { "To the content" }
                (sprite())
                header class="topbar" {
                    (brand())
                    nav aria-label="Pages" { ul { (entries(shell, page)) } }
                    div class="whoami" { (whoami(shell)) }
                    details class="menu" {
                        summary class="button" {
                            (glyph("menu")) "Menu"
                            @if shell.dead_letters > 0 { span class="count" { (number(shell.dead_letters)) } }
                        }
                        div class="sheet" { nav aria-label="Menu" { ul { (entries(shell, page)) } } div class="whoami" { (whoami(shell)) } }
                    }
                }
                main id="main" data-path=(shell.path) {
                    @if let Some(notice) = &shell.notice {
                        (note("ok", "ok", html! {
                            div class="row" {
                                span role="status" { (notice) }
                                @if let Some(undo) = &shell.undo { form method="post" action=(undo) { input type="hidden" name="csrf" value=(shell.csrf); button { (glyph("undo")) "Undo" } } }
                            }
                        }))
                     }
                    (page.body)
                    @if shell.person.role == Role::Viewer {
                        p class="small muted" { "Signed in as a viewer: personal data is masked, and nothing can be changed." }
                    }
                }
            }
        }
    }
}

/// The head of every document.
pub fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) ", Switchyard" }
            link rel="icon" href=(assets::icon()) type="image/svg+xml";
            link rel="stylesheet" href=(assets::style());
            script src=(assets::script()) defer {}
        }
    }
}

/// The name and the mark.
pub fn brand() -> Markup {
    html! {
        a class="brand" href="/" {
            svg viewBox="0 0 26 16" aria-hidden="true" { path class="dim" d="M1 3h6" {} path d="M1 3h24" {} path d="M7 3c7 0 6 10 12 10h6" {} }
            "Switchyard"
        }
    }
}

/// The head of a page: its heading, what is to know beside it, what can be done.
pub fn pagehead(title: &str, beside: Markup, actions: Markup) -> Markup {
    html! { div class="pagehead" { h1 { (title) } (beside) div class="actions" { (actions) } } }
}

/// What was refused, and why.
pub fn failure(failure: &Failure) -> Markup {
    html! {
        (pagehead(if failure.status == 404 { "Not found" } else { "Not done" }, html! {}, html! {}))
        (note("bad", "dead", html! { p { (failure.message) "." } p class="muted" { "Nothing was changed." } }))
        p { a href="/" { "To the overview" } }
    }
}
