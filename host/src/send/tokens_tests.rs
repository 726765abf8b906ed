//! When a token is kept, fetched and given up, by a clock that the test drives.

use super::super::oauth::{Granted, TokenRequest};
use super::{Look, Tokens};
use crate::plugin::handles::{Handles, Secret};

fn request(now_ms: u64) -> TokenRequest {
    let text = "token-url=https://auth.example/token client-id=a client-secret=b";
    TokenRequest::read("oauth2-client-credentials", text, &Handles::default(), now_ms).expect("good parameters")
}

fn granted(token: &str, life_ms: u64) -> Granted {
    Granted { access_token: Secret::new(token.to_string()), life_ms, refresh_token: None }
}

/// What a look finds, in short.
fn found(tokens: &Tokens, now_ms: u64) -> String {
    match tokens.look(&request(now_ms)) {
        Look::Holds(token) => format!("holds {}", token.value.reveal()),
        Look::Ages(token) => format!("ages {}", token.value.reveal()),
        Look::Waits(waits) => format!("waits {} {}", waits.wait_ms, waits.why),
        Look::Missing => "missing".to_string(),
    }
}

#[test]
fn a_token_is_renewed_before_it_expires() {
    let tokens = Tokens::default();
    assert_eq!(found(&tokens, 0), "missing");
    tokens.took(&request(0), granted("long", 3_600_000));
    for (now_ms, expected) in
        [(3_539_999, "holds long"), (3_540_000, "ages long"), (3_599_999, "ages long"), (3_600_000, "missing")]
    {
        assert_eq!(found(&tokens, now_ms), expected, "{now_ms}");
    }
    tokens.took(&request(0), granted("short", 10_000));
    for (now_ms, expected) in [(4_999, "holds short"), (5_000, "ages short"), (10_000, "missing")] {
        assert_eq!(found(&tokens, now_ms), expected, "{now_ms}");
    }
}

#[test]
fn an_endpoint_that_fails_is_left_alone_for_a_growing_while() {
    let tokens = Tokens::default();
    let mut now_ms = 0;
    for wait_ms in [1_000, 2_000, 4_000, 8_000] {
        assert_eq!(tokens.failed(&request(now_ms), "down".to_string(), None).wait_ms, wait_ms);
        assert_eq!(found(&tokens, now_ms), format!("waits {wait_ms} down"));
        assert_eq!(found(&tokens, now_ms + wait_ms - 1), "waits 1 down");
        now_ms += wait_ms;
        assert_eq!(found(&tokens, now_ms), "missing");
    }
    assert_eq!(tokens.failed(&request(now_ms), "down".to_string(), Some(90_000)).wait_ms, 90_000, "it asked for that");
    for _ in 0..20 {
        tokens.failed(&request(now_ms), "down".to_string(), None);
    }
    assert_eq!(tokens.failed(&request(now_ms), "down".to_string(), None).wait_ms, 300_000);
    tokens.took(&request(now_ms), granted("new", 600_000));
    assert_eq!(tokens.failed(&request(now_ms + 590_000), "down".to_string(), None).wait_ms, 1_000, "from the start");
    assert_eq!(found(&tokens, now_ms + 590_500), "holds new", "the old one holds a while longer");
}

#[test]
fn a_refused_token_is_fetched_again_and_the_second_in_a_row_is_told() {
    let tokens = Tokens::default();
    let first = tokens.took(&request(0), granted("first", 60_000)).used;
    assert!(tokens.refused(first), "another may work");
    assert_eq!(found(&tokens, 1), "missing");
    assert!(tokens.refused(first), "a second request with the same one says nothing new");
    let second = tokens.took(&request(1), granted("second", 60_000)).used;
    assert!(tokens.refused(first), "a late answer is about the first");
    assert_eq!(found(&tokens, 2), "holds second");
    assert!(!tokens.refused(second), "another will not work");
    let third = tokens.took(&request(2), granted("third", 60_000)).used;
    tokens.worked(third);
    assert!(tokens.refused(third), "it worked in between");
}

#[test]
fn tokens_are_hidden_also_the_former_ones() {
    let tokens = Tokens::default();
    tokens.took(&request(0), granted("access-one-1234", 60_000));
    let replaced = Granted {
        refresh_token: Some(Secret::new("refresh-two-1234".to_string())),
        ..granted("access-two-1234", 60_000)
    };
    tokens.took(&request(1), replaced);
    let text = b"access-one-1234 access-two-1234 refresh-two-1234";
    assert_eq!(tokens.hidden().hide(text, 8).expect("something to hide"), b"[token] [token] [token]");
    assert_eq!(tokens.refresh_token(&request(2)).expect("the new one").reveal(), "refresh-two-1234");
}
