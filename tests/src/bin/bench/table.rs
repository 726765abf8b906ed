//! The table: a figure, what it is measured against, the aim.

use anyhow::Context;
use serde_json::{Value, json};
use switchyard_tests::paths;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// To be known; no aim is set.
    None,
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured, and against what.
    pub figure: String,
    /// The ratio, or the value where it has no counterpart.
    pub value: f64,
    /// Of a value without counterpart: `ms`, `events`; empty for ratios.
    pub unit: &'static str,
    /// What it should be.
    pub aim: Aim,
    /// Both sides of the ratio, in words.
    pub detail: String,
}

impl Row {
    fn met(&self) -> Option<bool> {
        match self.aim {
            Aim::AtMost(aim) => Some(self.value <= aim),
            Aim::AtLeast(aim) => Some(self.value >= aim),
            Aim::None => None,
        }
    }

    fn aim_text(&self) -> String {
        match self.aim {
            Aim::AtMost(aim) => format!("<= {aim}"),
            Aim::AtLeast(aim) => format!(">= {aim}"),
            Aim::None => String::new(),
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "figure": self.figure, "value": self.value, "unit": self.unit, "aim": self.aim_text(),
            "met": self.met(), "detail": self.detail,
        })
    }
}

/// Prints the table.
pub fn print(rows: &[Row]) {
    let figure_width = rows.iter().map(|row| row.figure.chars().count()).max().unwrap_or(0).max(6);
    println!("\n{:<figure_width$}  {:>11}  {:>8}  {:<6}  how", "figure", "value", "aim", "met");
    for row in rows {
        let met = match row.met() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        let value = format!("{} {}", shown(row.value), row.unit);
        let (figure, aim, detail) = (&row.figure, row.aim_text(), &row.detail);
        println!("{figure:<figure_width$}  {:>11}  {aim:>8}  {met:<6}  {detail}", value.trim_end());
    }
}

/// Writes the table to target/bench.json.
pub fn write(rows: &[Row]) -> anyhow::Result<()> {
    let path = paths::target().join("bench.json");
    let all: Vec<Value> = rows.iter().map(Row::to_json).collect();
    let text = serde_json::to_string_pretty(&json!({"rows": all}))?;
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    println!("\nalso in {}", path.display());
    Ok(())
}

fn shown(value: f64) -> String {
    if value == 0.0 || value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// The middle of some measurements.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
