//! The tables of `switchyard status` beside the destinations': what plugins cost, and violations of
//! tracking plans.

use serde_json::Value;

use super::status::print_table;

/// What each plugin costs in each destination.
pub(super) fn print_guests(status: &Value) {
    let rows: Vec<Vec<String>> = status["guests"].as_array().into_iter().flatten().map(guest_row).collect();
    if !rows.is_empty() {
        println!();
        let titles = [
            "plugin",
            "destination",
            "CPU time",
            "calls",
            "a call",
            "memory peak",
            "in",
            "out",
            "traps",
            "time-outs",
            "other faults",
        ];
        print_table(&titles, &rows);
    }
}

/// How often which entry of a tracking plan was violated how.
pub(super) fn print_violations(status: &Value) {
    let rows: Vec<Vec<String>> = status["sources"]
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(name, source)| violation_rows(name, source))
        .collect();
    if !rows.is_empty() {
        println!();
        print_table(&["source", "tracking plan", "count", "violation"], &rows);
    }
}

fn guest_row(guest: &Value) -> Vec<String> {
    let text = |name: &str| guest[name].as_str().unwrap_or_default().to_string();
    let number = |name: &str| guest[name].as_u64().unwrap_or_default();
    let calls = number("plan_calls") + number("judge_calls");
    let cpu_seconds = guest["cpu_seconds"].as_f64().unwrap_or_default();
    let faults = |kind: &str| guest["faults"][kind].as_u64().unwrap_or_default();
    let others = guest["faults"].as_object().into_iter().flatten();
    let others =
        others.filter(|(kind, count)| !["trap", "deadline"].contains(&kind.as_str()) && count.as_u64() > Some(0));
    let others: Vec<String> = others.map(|(kind, count)| format!("{count} {}", kind.replace('_', " "))).collect();
    vec![
        text("plugin"),
        text("destination"),
        format!("{cpu_seconds:.3} s"),
        calls.to_string(),
        format!("{:.2} ms", if calls == 0 { 0.0 } else { cpu_seconds * 1e3 / calls as f64 }),
        format!("{:.1} MB", number("memory_peak_bytes") as f64 / 1e6),
        format!("{:.1} MB", number("bytes_in") as f64 / 1e6),
        format!("{:.1} MB", number("bytes_out") as f64 / 1e6),
        faults("trap").to_string(),
        faults("deadline").to_string(),
        others.join(", "),
    ]
}

fn violation_rows(name: &str, source: &Value) -> Vec<Vec<String>> {
    let entries = source["violations"].as_object().into_iter().flatten();
    let of_entry = |(entry, texts): (&String, &Value)| -> Vec<Vec<String>> {
        let texts = texts.as_object().into_iter().flatten();
        texts.map(|(text, count)| vec![name.to_string(), entry.clone(), count.to_string(), text.clone()]).collect()
    };
    entries.flat_map(of_entry).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_guests_row_sums_its_calls_and_faults() {
        let guest = json!({
            "plugin": "ga4", "destination": "shop/ga4", "cpu_seconds": 0.5, "plan_calls": 3, "judge_calls": 1,
            "memory_peak_bytes": 2_500_000, "bytes_in": 1_200_000, "bytes_out": 90_000, "faults": {"trap": 2, "deadline": 1, "bad_plan": 3, "memory": 1},
        });
        let expected = [
            "ga4",
            "shop/ga4",
            "0.500 s",
            "4",
            "125.00 ms",
            "2.5 MB",
            "1.2 MB",
            "0.1 MB",
            "2",
            "1",
            "3 bad plan, 1 memory",
        ];
        assert_eq!(guest_row(&guest), expected);
        assert_eq!(guest_row(&json!({}))[3..5], ["0", "0.00 ms"]);
    }

    #[test]
    fn each_violation_is_a_row() {
        let source = json!({"violations": {"track Order": {"/total: is no number": 4, "other": 1}}});
        let rows = violation_rows("shop", &source);
        assert_eq!(rows[0], ["shop", "track Order", "4", "/total: is no number"]);
        assert_eq!(rows.len(), 2);
        assert!(violation_rows("shop", &json!({})).is_empty());
    }
}
