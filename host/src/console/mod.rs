//! The console: pages that the server writes, one small style sheet and one small script, all of it
//! part of the program.
//!
//! Invariants:
//! - A page is a function from what `admin` shows of the daemon to markup; pages and `/api/v1` show the
//!   same.
//! - Every page works without the script, which only refreshes numbers, keeps streams going and answers
//!   keys. Nothing comes from elsewhere; there is no inline script and no style attribute.
//! - What changes something is a form with the session's own token, and the functions that it calls ask
//!   for the role themselves.

mod actions;
mod assets;
mod audit;
mod dead_letters;
mod destination;
mod events;
mod forms;
mod glyphs;
mod integrations;
mod layout;
mod live;
mod overview;
mod parts;
mod plugins;
mod revisions;
mod rule_form;
mod settings_form;
mod sign_in;
mod sources;
mod transformations;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode};
use maud::Markup;

use crate::admin::{Caller, Failure, SignedIn, guard, pairs_of, percent_decoded};
use crate::config::Role;
use crate::daemon::Daemon;
use crate::http::{self, Body};
use layout::Shell;

/// A page, or where to go instead.
pub(crate) enum Answer {
    /// Shown in the frame of all pages.
    Page(Page),
    /// Another page.
    See(String),
}

/// What stands in the frame of all pages.
pub(crate) struct Page {
    /// In the browser's tab.
    pub title: String,
    /// Which entry of the menu it belongs to.
    pub menu: &'static str,
    /// Its content.
    pub body: Markup,
    /// Its status.
    pub status: StatusCode,
}

impl Page {
    /// A page that is as it was asked for.
    pub fn new(title: impl Into<String>, menu: &'static str, body: Markup) -> Page {
        Page { title: title.into(), menu, body, status: StatusCode::OK }
    }
}

/// What every page needs to know.
pub(crate) struct Asked {
    pub daemon: Arc<Daemon>,
    pub caller: Caller,
    pub csrf: String,
    /// The query, or a form's fields.
    pub pairs: Vec<(String, String)>,
    /// The query as it came.
    pub query: String,
    /// The host by which the browser reaches the console.
    pub host: String,
    /// A file that was sent with the form.
    pub file: Bytes,
}

impl Asked {
    /// The first value of that name that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All values of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Whether she may change things.
    pub fn is_editor(&self) -> bool {
        self.caller.may(Role::Editor)
    }
}

/// Answers one request to the console. `from` is who asks, `host` by which name.
pub async fn handle(
    daemon: Arc<Daemon>,
    request: Request<Incoming>,
    session: Option<SignedIn>,
    from: IpAddr,
    host: Option<String>,
) -> Response<Body> {
    let path = request.uri().path().to_string();
    if let Some(name) = path.strip_prefix("/assets/") {
        return assets::serve(name);
    }
    let host = host.unwrap_or_default();
    if request.method() == Method::POST && guard::is_from_elsewhere(request.headers(), Some(&host)) {
        return plain(StatusCode::FORBIDDEN, "another site sent this form: nothing was changed");
    }
    if path == "/sign-in" {
        return sign_in::handle(daemon, request, session, from).await;
    }
    let Some(session) = session else {
        return match *request.method() {
            Method::GET => see(&sign_in::address(request.uri().path_and_query().map_or("/", |path| path.as_str()))),
            _ => see("/sign-in"),
        };
    };
    let caller = Caller { person: session.person, from };
    let query = request.uri().query().unwrap_or_default().to_string();
    let mut asked = Asked {
        daemon,
        caller,
        csrf: session.csrf,
        pairs: pairs_of(&query).collect(),
        query,
        host,
        file: Bytes::new(),
    };
    let parts: Vec<String> = path.trim_matches('/').split('/').map(percent_decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match *request.method() {
        Method::GET => {
            if let ["live", what] = parts[..] {
                return live::stream(&asked, what);
            }
            match page(&asked, &parts).await {
                Ok(answer) => shown(&asked, answer, &path).await,
                Err(failure) => failed(&asked, &failure).await,
            }
        }
        Method::POST => {
            let secret = crate::admin::cookie(request.headers(), crate::admin::SESSION_COOKIE).map(str::to_string);
            let form = match forms::has_file(&request) {
                // What a viewer sends is not even read: it may be large.
                true if !asked.caller.may(Role::Admin) => Err(Failure::role(Role::Admin, asked.caller.person.role)),
                true => forms::read_with_file(request).await,
                false => forms::read(request).await.map(|form| (form, Bytes::new())),
            };
            match form {
                Ok((form, file)) => (asked.pairs, asked.file) = (form, file),
                Err(failure) => return failed(&asked, &failure).await,
            }
            if asked.get("csrf") != Some(asked.csrf.as_str()) {
                let message = "this form is of another session: open the page again";
                return failed(&asked, &Failure::new(StatusCode::FORBIDDEN, "forbidden", message)).await;
            }
            if parts == ["sign-out"] {
                return sign_in::out(&asked, secret.as_deref());
            }
            match actions::act(&asked, &parts).await {
                Ok(answer) => shown(&asked, answer, &path).await,
                Err(failure) => failed(&asked, &failure).await,
            }
        }
        _ => plain(StatusCode::METHOD_NOT_ALLOWED, "a page is asked for with GET"),
    }
}

/// The page that stands at a path.
async fn page(asked: &Asked, parts: &[&str]) -> Result<Answer, Failure> {
    let page = match parts {
        [""] => overview::page(asked).await?,
        ["events"] => events::page(asked, None).await?,
        ["events", message_id] => events::page(asked, Some(message_id)).await?,
        ["dead-letters"] => dead_letters::page(asked).await?,
        ["dead-letters", id] => dead_letters::letter(asked, id).await?,
        ["integrations"] => integrations::page(asked).await?,
        ["integrations", plugin, "add"] => integrations::add(asked, plugin, None).await?,
        ["destinations", pipeline, name] => destination::settings(asked, (pipeline, name), None).await?,
        ["destinations", pipeline, name, "transformations"] => transformations::page(asked, (pipeline, name)).await?,
        ["destinations", pipeline, name, "deliveries"] => destination::deliveries(asked, (pipeline, name)).await?,
        ["destinations", pipeline, name, "history"] => destination::history(asked, (pipeline, name)).await?,
        ["history", number] => audit::configuration(asked, number).await?,
        ["plugins"] => plugins::page(asked).await?,
        ["plugins", id] => plugins::plugin_page(asked, id).await?,
        ["sources"] => sources::page(asked, None).await?,
        ["audit"] => audit::page(asked).await?,
        _ => return Err(Failure::unknown("not_found", "there is no such page")),
    };
    Ok(Answer::Page(page))
}

async fn shown(asked: &Asked, answer: Answer, path: &str) -> Response<Body> {
    match answer {
        Answer::See(address) => see(&address),
        Answer::Page(page) => {
            let shell = Shell::of(asked, path);
            html(page.status, layout::whole(&shell, &page))
        }
    }
}

async fn failed(asked: &Asked, failure: &Failure) -> Response<Body> {
    let mut page = Page::new("Not done", "", layout::failure(failure));
    page.status = failure.status;
    let shell = Shell::of(asked, "");
    html(page.status, layout::whole(&shell, &page))
}

fn html(status: StatusCode, markup: Markup) -> Response<Body> {
    http::whole(status, "text/html; charset=utf-8", markup.into_string())
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    http::whole(status, "text/plain; charset=utf-8", text)
}

/// To another page, with GET.
fn see(address: &str) -> Response<Body> {
    let mut response = plain(StatusCode::SEE_OTHER, "");
    // What cannot stand in a header leads home.
    let address = HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, address);
    response.headers_mut().remove(CONTENT_TYPE);
    response
}
