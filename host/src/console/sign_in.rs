//! Signing in and out.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{HeaderValue, RETRY_AFTER, SET_COOKIE};
use hyper::{Method, Request, Response, StatusCode};
use maud::{DOCTYPE, Markup, html};

use super::glyphs::sprite;
use super::parts::{encoded, note};
use super::{Asked, forms, html as html_response, layout, see};
use crate::admin::audit::Entry;
use crate::admin::{Caller, Refused, SESSION_COOKIE, SignedIn, pairs_of};
use crate::daemon::Daemon;
use crate::http::Body;

/// Where to sign in to get to a page.
pub fn address(wanted: &str) -> String {
    if wanted == "/" { "/sign-in".to_string() } else { format!("/sign-in?next={}", encoded(wanted)) }
}

/// Answers `/sign-in`.
pub async fn handle(
    daemon: Arc<Daemon>,
    request: Request<Incoming>,
    session: Option<SignedIn>,
    from: IpAddr,
) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default();
    let wanted = pairs_of(query).find(|(name, _)| name == "next").map(|(_, next)| next).unwrap_or_default();
    if request.method() != Method::POST {
        return match session {
            Some(_) => see(own_page(&wanted)),
            None => html_response(StatusCode::OK, page(&wanted, None)),
        };
    }
    let form = match forms::read(request).await {
        Ok(form) => form,
        Err(failure) => return html_response(failure.status, page(&wanted, Some(&failure.message))),
    };
    let field =
        |name: &str| form.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone()).unwrap_or_default();
    let wanted = field("next");
    match daemon.access.sign_in(&field("token"), from, (daemon.now)()) {
        Ok((secret, person)) => {
            let caller = Caller { person, from };
            daemon.audit.record(Entry::of(&caller, (daemon.now)(), "signed in", "console", "")).await;
            let mut response = see(own_page(&wanted));
            set_cookie(&mut response, &secret, daemon.access.config().tls.is_some(), "");
            response
        }
        Err(Refused::Unknown) => {
            let message = "There is no such token. The first one is in the file admin-token of the data directory.";
            html_response(StatusCode::UNAUTHORIZED, page(&wanted, Some(message)))
        }
        Err(Refused::TooMany(seconds)) => {
            let message = format!("Too many wrong tokens came from your address: try again in {seconds} s.");
            let mut response = html_response(StatusCode::TOO_MANY_REQUESTS, page(&wanted, Some(&message)));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
    }
}

/// Ends the session.
pub fn out(asked: &Asked, secret: Option<&str>) -> Response<Body> {
    if let Some(secret) = secret {
        asked.daemon.access.sign_out(secret);
    }
    let mut response = see("/sign-in");
    set_cookie(&mut response, "", asked.daemon.access.config().tls.is_some(), "; Max-Age=0");
    response
}

fn set_cookie(response: &mut Response<Body>, secret: &str, is_secure: bool, more: &str) {
    let secure = if is_secure { "; Secure" } else { "" };
    let cookie = format!("{SESSION_COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}{more}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}

/// A page of the console, never one of another site.
fn own_page(wanted: &str) -> &str {
    let is_own = wanted.starts_with('/') && !wanted.starts_with("//") && !wanted.contains('\\');
    if is_own { wanted } else { "/" }
}

fn page(wanted: &str, mistake: Option<&str>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (layout::head("Sign in"))
            body {
                (sprite())
                main class="signin" {
                    (layout::brand())
                    section class="card" {
                        header { h1 { "Sign in" } }
                        form class="pad form" method="post" action="/sign-in" {
                            @if let Some(mistake) = mistake { (note("bad", "dead", html! { (mistake) })) }
                            input type="hidden" name="next" value=(wanted);
                            // A password manager wants a name beside the secret.
                            input type="text" name="username" value="switchyard" autocomplete="username" hidden;
                            div class="stack" {
                                label for="token" { b { "Token" } }
                                input id="token" name="token" type="password" autocomplete="current-password" required autofocus;
                                p class="small muted" { "The one that was shown at the first start, or one of your own from the configuration." }
                            }
                            div { button class="go" { "Sign in" } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_to_pages_of_the_console_alone() {
        for (wanted, page) in [
            ("/events?search=a", "/events?search=a"),
            ("//evil.example", "/"),
            ("https://evil.example", "/"),
            ("/\\evil.example", "/"),
            ("", "/"),
        ] {
            assert_eq!(own_page(wanted), page);
        }
        assert_eq!(address("/events?a=b"), "/sign-in?next=%2Fevents%3Fa%3Db");
    }
}
