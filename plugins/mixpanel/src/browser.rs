//! The browser that a user agent names.

/// Products in the order in which they are looked for, since one user agent names several, and the
/// vendor's names for them. Source: the vendor's default properties.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Microsoft Edge"),
    ("EdgA", "Microsoft Edge"),
    ("EdgiOS", "Microsoft Edge"),
    ("Edge", "Microsoft Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("FxiOS", "Firefox iOS"),
    ("CriOS", "Chrome iOS"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
];

/// The vendor's name of a browser and the number of its version, as JSON writes it.
pub fn browser(user_agent: &[u8]) -> Option<(&'static str, &[u8])> {
    let mut best: Option<(usize, &[u8])> = None;
    let (mut version_of_safari, mut is_safari, mut is_mobile) = (None, false, false);
    for token in user_agent.split(|byte| *byte == b' ') {
        let Some(slash) = token.iter().position(|byte| *byte == b'/') else { continue };
        let (product, version) = (&token[..slash], &token[slash + 1..]);
        match product {
            b"Version" => version_of_safari = Some(version),
            b"Safari" => is_safari = true,
            b"Mobile" => is_mobile = true,
            _ => {
                let rank = BROWSERS.iter().position(|(known, _)| known.as_bytes() == product);
                if let Some(rank) = rank
                    && best.is_none_or(|(other, _)| rank < other)
                {
                    best = Some((rank, version));
                }
            }
        }
    }
    if let Some((rank, version)) = best {
        return Some((BROWSERS[rank].1, number(version)?));
    }
    let name = if is_mobile { "Mobile Safari" } else { "Safari" };
    if is_safari { Some((name, number(version_of_safari?)?)) } else { None }
}

/// The first two numbers of a version as one JSON number: `142.0.0.0` is 142, `17.5.1` is 17.5.
fn number(version: &[u8]) -> Option<&[u8]> {
    let digits = |from: usize| version[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    if whole == 0 || whole > 9 || (whole > 1 && version[0] == b'0') {
        return None;
    }
    if version.get(whole) != Some(&b'.') {
        return Some(&version[..whole]);
    }
    let end = whole + 1 + digits(whole + 1);
    let is_zero = version[whole + 1..end].iter().all(|byte| *byte == b'0');
    Some(if is_zero { &version[..whole] } else { &version[..end] })
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn browsers_are_told_apart() {
        let check = |user_agent: &str, wanted: Option<(&str, &str)>| {
            let found = browser(user_agent.as_bytes());
            assert_eq!(found.map(|(name, version)| (name, std::str::from_utf8(version).unwrap())), wanted);
        };
        let webkit = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)";
        check(&format!("{webkit} Chrome/142.0.0.0 Safari/537.36"), Some(("Chrome", "142")));
        check(&format!("{webkit} Chrome/142.0.0.0 Safari/537.36 Edg/141.2.1"), Some(("Microsoft Edge", "141.2")));
        check(&format!("{webkit} Version/17.5.1 Mobile/15E148 Safari/604.1"), Some(("Mobile Safari", "17.5")));
        check(&format!("{webkit} Version/17.0 Safari/605.1.15"), Some(("Safari", "17")));
        check("Mozilla/5.0 (X11; rv:130.0) Gecko/20100101 Firefox/130.0", Some(("Firefox", "130")));
        check("curl/8.5.0", None);
        check("Firefox/x", None);
        check("", None);
    }
}
