//! Reads `/metrics` as Prometheus does: the OpenMetrics text format.
//!
//! What it reads it checks: each family is described once before its samples, each series is there
//! once, and the page is whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::daemon::Daemon;

/// One page.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

impl Scrape {
    /// Scrapes a daemon, with its token.
    ///
    /// # Panics
    /// When the page is not one that Prometheus takes.
    pub fn of(daemon: &Daemon) -> Scrape {
        let response = daemon.admin_get("/metrics");
        assert_eq!(response.status, 200, "{}", response.text());
        let content_type = response.header("content-type").unwrap_or_default();
        assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), "{content_type}");
        Scrape::read(&response.text())
    }

    /// Reads a page.
    ///
    /// # Panics
    /// When it is not one that Prometheus takes.
    pub fn read(text: &str) -> Scrape {
        assert!(text.ends_with("# EOF\n"), "the page is cut off: {text}");
        let mut scrape = Scrape::default();
        let mut families = BTreeSet::new();
        let mut family = (String::new(), String::new());
        for line in text.lines() {
            if let Some(described) = line.strip_prefix("# TYPE ") {
                let (name, kind) = described.split_once(' ').unwrap_or_else(|| panic!("no type: {line}"));
                assert!(families.insert(name.to_string()), "{name} is described twice");
                family = (name.to_string(), kind.to_string());
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
                let (name, labels) = split_series(series);
                assert!(belongs(&name, &family.0, &family.1), "{name} stands under {family:?}");
                let value = value.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
                let before = scrape.samples.insert((name, labels), value);
                assert!(before.is_none(), "{series} is there twice");
            }
        }
        let buckets = scrape.samples.keys().filter(|(name, _)| name.ends_with("_bucket"));
        for (name, labels) in buckets {
            let mut last = labels.clone();
            last.insert("le".to_string(), "+Inf".to_string());
            assert!(scrape.samples.contains_key(&(name.clone(), last)), "{name} has no bucket for all: {labels:?}");
        }
        scrape
    }

    /// The names of all samples.
    pub fn names(&self) -> BTreeSet<&str> {
        self.samples.keys().map(|(name, _)| name.as_str()).collect()
    }

    /// The sum of all samples of that name which have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|(_, value)| value).sum()
    }

    /// Whether there is such a sample.
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.matching(name, labels).next().is_some()
    }

    fn matching<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&str, &str)],
    ) -> impl Iterator<Item = (&'a BTreeMap<String, String>, f64)> {
        self.samples.iter().filter_map(move |((own, has), value)| {
            let fits = labels.iter().all(|(label, wanted)| has.get(*label).is_some_and(|value| value == wanted));
            (own == name && fits).then_some((has, *value))
        })
    }
}

/// Whether a sample's name is one of its family.
fn belongs(sample: &str, family: &str, kind: &str) -> bool {
    let suffixes: &[&str] = match kind {
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        _ => &[""],
    };
    suffixes.iter().any(|suffix| sample.strip_suffix(suffix) == Some(family))
}

/// `name{label="value",...}`; values are escaped.
fn split_series(series: &str) -> (String, BTreeMap<String, String>) {
    let Some((name, rest)) = series.split_once('{') else { return (series.to_string(), BTreeMap::new()) };
    let mut rest = rest.strip_suffix('}').unwrap_or_else(|| panic!("no end of the labels: {series}"));
    let mut labels = BTreeMap::new();
    while let Some((label, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next() {
                Some((at, '"')) => break at,
                Some((_, '\\')) => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, other)) => value.push(other),
                    None => panic!("a label without end: {series}"),
                },
                Some((_, other)) => value.push(other),
                None => panic!("a label without end: {series}"),
            }
        };
        labels.insert(label.to_string(), value);
        rest = after[end + 1..].trim_start_matches(',');
    }
    (name.to_string(), labels)
}

#[cfg(test)]
mod tests {
    use super::Scrape;

    #[test]
    fn a_page_is_read_with_its_labels() {
        let page = "# TYPE a counter\na_total{x=\"1\",y=\"p \\\"q\\\"\\n\"} 2\na_total{x=\"2\"} 3\n# EOF\n";
        let scrape = Scrape::read(page);
        assert!((scrape.sum("a_total", &[]) - 5.0).abs() < 1e-9);
        assert!((scrape.sum("a_total", &[("y", "p \"q\"\n")]) - 2.0).abs() < 1e-9);
        assert!(!scrape.has("a_total", &[("x", "3")]));
    }

    #[test]
    #[should_panic(expected = "is there twice")]
    fn a_series_that_is_there_twice_is_refused() {
        Scrape::read("# TYPE a gauge\na 1\na 2\n# EOF\n");
    }

    #[test]
    #[should_panic(expected = "has no bucket for all")]
    fn a_histogram_without_its_last_bucket_is_refused() {
        Scrape::read("# TYPE a histogram\na_bucket{le=\"1.0\"} 1\n# EOF\n");
    }

    #[test]
    #[should_panic(expected = "stands under")]
    fn a_counter_without_its_ending_is_refused() {
        Scrape::read("# TYPE a counter\na 1\n# EOF\n");
    }
}
