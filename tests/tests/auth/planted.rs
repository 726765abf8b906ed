//! Secrets of every kind are planted, vendors repeat them in every way, and everything that is written
//! or shown is searched for them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, eventually};
use switchyard_tests::http::{Request, basic};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, Recorded, StandIn};

use super::{answer, event};

const BEARER: &str = "planted/bearer+value&1=\"x\"";
const PASSWORD: &str = "planted basic/value é 2";
const HEADER: &str = "planted-header\\value/3?";
const SIGNING: &str = "planted-signing-value-4";
const URL_PATH: &str = "webhook-planted-url-value-5";
const CLIENT: &str = "planted/client value~6";
const REFRESH: &str = "planted-refresh-value-7";
const ACCESS_TOKEN: &str = "planted-access-token/value-8";
const NEXT_REFRESH: &str = "planted-next-refresh/value-9";
const AWS: &str = "planted/aws+value-10";
const GA4: &str = "planted-ga4-value-11";
const MIXPANEL: &str = "planted-mixpanel-value-12";
const WRITE_KEY: &str = "planted-write-key-13";
const PROXY: &str = "planted-proxy-value-14";
const BAD: &str = "planted-bad-value-15";

/// Each secret with the path of the destination that has it.
const REPEATED: [(&str, &str); 11] = [
    ("/webhook-bearer", BEARER),
    ("/webhook-basic", PASSWORD),
    ("/webhook-header", HEADER),
    ("/webhook-signing", SIGNING),
    ("/webhook-planted-url", URL_PATH),
    ("/webhook-oauth", CLIENT),
    ("/webhook-refresh", REFRESH),
    ("/webhook-token", ACCESS_TOKEN),
    ("/webhook-aws", AWS),
    ("/ga4", GA4),
    ("/mixpanel", MIXPANEL),
];

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// A secret in each way that it may be written.
fn ways(secret: &str) -> Vec<String> {
    let json = json!(secret).to_string();
    let json = json[1..json.len() - 1].to_string();
    vec![
        secret.to_string(),
        json.replace('/', "\\/"),
        json,
        percent_encoded(secret),
        percent_encoded(secret).to_ascii_lowercase(),
        percent_encoded(secret).replace("%20", "+"),
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        STANDARD.encode(format!("user:{secret}")),
    ]
}

/// Five answers for a path, in which the vendor repeats what it got; the last is for good.
fn repeat(vendors: &StandIn, path: &'static str, secret: &str) {
    let all = ways(secret);
    for (number, some) in all.chunks(2).enumerate() {
        let last = (number + 1) * 2 >= all.len();
        let encoded = percent_encoded(secret);
        let headers = vec![("x-you-sent".to_string(), encoded)];
        let body = format!("you sent <{}>", some.join("> <"));
        let status = if last { 422 } else { 503 };
        let times = if last { u64::MAX } else { 1 };
        vendors.program(times, Answer::Status { status, headers, body }, move |request| request.path.starts_with(path));
    }
}

fn destinations(vendors: &StandIn) -> Vec<Destination> {
    let url = vendors.url();
    let webhook = |name: &str| {
        Destination::webhook(name, &url).setting("url", format!("{url}/webhook-{name}")).delivery("backoff_ms_max", 100)
    };
    let token_url = format!("{url}/token");
    let oauth = |name: &str| {
        webhook(name)
            .setting("token_url", token_url.clone())
            .setting("client_id", "id")
            .setting("client_secret", CLIENT)
    };
    let refresh = |name: &str| oauth(name).setting("auth", "oauth2_refresh_token").setting("refresh_token", REFRESH);
    vec![
        webhook("bearer").setting("auth", "bearer").setting("token", BEARER),
        webhook("basic").setting("auth", "basic").setting("username", "user").setting("password", PASSWORD),
        webhook("header")
            .setting("secret_headers", json!({}))
            .setting("auth", "header")
            .setting("auth_header", "x-key")
            .setting("auth_value", HEADER),
        webhook("signing").setting("signing", "hmac-sha256").setting("signing_secret", SIGNING),
        Destination::new("planted-url", "webhook")
            .setting("secret_url", format!("{url}/{URL_PATH}"))
            .key("ignore_integrations", true),
        oauth("oauth").setting("auth", "oauth2_client_credentials"),
        refresh("refresh"),
        refresh("token"),
        webhook("aws")
            .setting("auth", "aws_sigv4")
            .setting("aws_region", "r")
            .setting("aws_service", "s")
            .setting("aws_access_key", "planted-aws-key-id")
            .setting("aws_secret_key", AWS),
        Destination::ga4("ga4", &url).setting("api_secret", GA4).key("ignore_integrations", true),
        Destination::mixpanel("mixpanel", &url).setting("project_token", MIXPANEL).key("ignore_integrations", true),
    ]
}

/// What the live stream says, until the daemon ends.
fn watch_live(daemon: &Daemon) -> Arc<Mutex<Vec<u8>>> {
    let address = daemon.admin_url("").replace("http://", "");
    let mut stream = TcpStream::connect(&address).expect("the daemon listens");
    let head = format!(
        "GET /api/v1/events/live HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\r\n",
        daemon.admin_token()
    );
    stream.write_all(head.as_bytes()).expect("the daemon reads");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shared = seen.clone();
    std::thread::spawn(move || {
        let mut chunk = [0; 8192];
        while let Ok(read @ 1..) = stream.read(&mut chunk) {
            shared.lock().expect("nobody panics while holding it").extend_from_slice(&chunk[..read]);
        }
    });
    seen
}

/// The configurations that were in effect are for the owner's eyes alone.
fn assert_private(directory: &Path) {
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(directory), 0o700, "{}", directory.display());
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// All files of the data directory but the one that holds the admin token.
fn files(directory: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "configurations" {
            assert_private(&path);
        }
        if path.is_dir() {
            files(&path, found);
        } else if name != "admin-token" {
            found.push((path.display().to_string(), std::fs::read(&path).expect("a file")));
        }
    }
}

#[test]
fn no_secret_is_in_anything_that_is_written_or_shown() {
    let vendors = StandIn::start();
    let granted = json!({"access_token": ACCESS_TOKEN, "refresh_token": NEXT_REFRESH});
    // The endpoint repeats what it got, and no more: another destination's secrets are not known here.
    for (grant, times, repeated) in [("client_credentials", 1, CLIENT), ("refresh_token", 2, REFRESH)] {
        let refusal = json!({"error": "server_error", "error_description": format!("{CLIENT} {repeated}")});
        let start = format!("grant_type={grant}");
        let is_asked = move |request: &Recorded| request.body.starts_with(start.as_bytes());
        vendors.program(times, answer(503, refusal.to_string()), is_asked);
    }
    vendors.program(u64::MAX, answer(200, granted.to_string()), |request| request.path == "/token");
    for (path, secret) in REPEATED {
        repeat(&vendors, path, secret);
    }
    let egress = format!("[egress]\nproxy = \"http://me:{PROXY}@127.0.0.1:9\"\nno_proxy = [\"127.0.0.1\"]");
    let setup = Setup::default().pipeline("shop", WRITE_KEY, destinations(&vendors)).section(&egress);
    let mut daemon = Daemon::prepare(setup.clone());
    daemon.set_environment("SWITCHYARD_LOG", "debug,wasmtime=warn,cranelift=warn");
    daemon.restart();
    let live = watch_live(&daemon);
    let send = Request::post(daemon.url("/v1/track"), event("planted").to_string()).write_key(WRITE_KEY).answer();
    assert_eq!(send.status, 200, "{}", send.text());
    let names =
        ["bearer", "basic", "header", "signing", "planted-url", "oauth", "refresh", "token", "aws", "ga4", "mixpanel"];
    for name in names {
        let destination = format!("shop/{name}");
        eventually(&format!("{name} is dead"), SOON * 2, || daemon.counter(&destination, "dead") == 1);
    }
    assert_arrived(&vendors);
    // Mistakes in what is written, with a secret beside them.
    let good = daemon.config_text(&setup);
    for bad in [
        good.replace(&format!("\"{GA4}\""), BAD),
        good.replace(&format!("\"{}/{URL_PATH}\"", vendors.url()), &format!("\"{BAD} no url\"")),
        good.replace(&format!("http://me:{PROXY}@"), &format!("socks5://me:{BAD}@")),
    ] {
        let logged = daemon.log().len();
        daemon.write_config(&bad);
        eventually("it is refused", SOON, || daemon.log()[logged..].contains("the changed configuration is refused"));
        shows_none("the refusal", daemon.admin_get("/api/v1/status").text().as_bytes());
    }
    daemon.write_config(&good);
    let letters = daemon.cli_json(&["dead-letters", "list"]);
    let mut shown: Vec<(String, Vec<u8>)> = letters
        .as_array()
        .expect("a list")
        .iter()
        .map(|letter| daemon.cli(&["dead-letters", "show", &letter["id"].to_string()]))
        .map(|text| ("a dead letter".to_string(), text.into_bytes()))
        .collect();
    assert_eq!(shown.len(), names.len());
    for path in ["status", "trace/planted", "dead-letters", "plugins", "rejected"] {
        shown.push((path.to_string(), daemon.admin_get(&format!("/api/v1/{path}")).body.to_vec()));
    }
    for arguments in [&["status"][..], &["trace", "planted"], &["dead-letters", "list"]] {
        shown.push((format!("{arguments:?}"), daemon.cli(arguments).into_bytes()));
    }
    let token = daemon.admin_token();
    daemon.kill();
    shown.push(("the live steps".to_string(), live.lock().expect("nobody panics while holding it").clone()));
    shown.push(("the log".to_string(), daemon.log().into_bytes()));
    files(&daemon.data(), &mut shown);
    for (what, bytes) in &shown {
        shows_none(what, bytes);
        // It is said once, when it was made.
        let said = bytes.windows(token.len()).filter(|window| *window == token.as_bytes()).count();
        assert_eq!(said, usize::from(what == "the log"), "{what} and the admin token");
    }
    let all: Vec<u8> = shown.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    assert!(contains(&all, b"you sent <sw_") && contains(&all, b"[token]"), "what vendors said was kept, without them");
    let steps = shown.iter().find(|(what, _)| what == "the live steps").expect("they were watched");
    assert!(contains(&steps.1, b"you sent"), "the steps were watched");
}

/// The vendors got the secrets, or there would be nothing to hide.
fn assert_arrived(vendors: &StandIn) {
    let got = |path: &str, value: &str| {
        let requests = vendors.requests_to(path);
        let found = requests.iter().any(|request| {
            request.query.contains(value)
                || contains(&request.content(), value.as_bytes())
                || request.headers.iter().any(|(_, header)| header.contains(value))
        });
        assert!(found, "{path} did not get {value}");
    };
    got("/webhook-bearer", BEARER);
    got("/webhook-basic", &basic("user", PASSWORD));
    got("/webhook-header", HEADER);
    got("/webhook-token", ACCESS_TOKEN);
    got("/token", REFRESH);
    got("/ga4", GA4);
    got("/mixpanel", &basic(MIXPANEL, ""));
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.len() <= bytes.len() && bytes.windows(part.len()).any(|window| window == part)
}

fn shows_none(what: &str, bytes: &[u8]) {
    let repeated = REPEATED.iter().map(|(_, secret)| *secret);
    for secret in repeated.chain([NEXT_REFRESH, WRITE_KEY, PROXY, BAD]) {
        for way in ways(secret) {
            assert!(!contains(bytes, way.as_bytes()), "{what} holds {secret} as {way}");
        }
    }
}
