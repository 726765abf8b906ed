//! What differs between two texts, line by line. Pure.

use serde::Serialize;

/// Lines before and behind a change that are shown with it.
const AROUND: usize = 3;

/// Lines that are compared one with another, at most: 4 million pairs take some milliseconds. Beyond,
/// all of the old stands before all of the new.
const PAIRS_MAX: usize = 4_000_000;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// In both.
    Same,
    /// In the new one alone.
    New,
    /// In the old one alone.
    Gone,
    /// Lines in both that are left out.
    Skipped,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// What it is.
    pub kind: LineKind,
    /// Its text.
    pub text: String,
}

/// The lines that differ, with some around them; none when the texts are the same.
pub fn lines(old: &str, new: &str) -> Vec<Line> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(one, other)| one == other).count();
    let mut all: Vec<Line> = old[..head].iter().map(|text| line(LineKind::Same, text)).collect();
    all.extend(middle(&old[head..old.len() - tail], &new[head..new.len() - tail]));
    all.extend(old[old.len() - tail..].iter().map(|text| line(LineKind::Same, text)));
    around(all)
}

fn line(kind: LineKind, text: &str) -> Line {
    Line { kind, text: text.to_string() }
}

/// By the longest common sequence of lines.
fn middle(old: &[&str], new: &[&str]) -> Vec<Line> {
    if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        let gone = old.iter().map(|text| line(LineKind::Gone, text));
        return gone.chain(new.iter().map(|text| line(LineKind::New, text))).collect();
    }
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for one in (0..old.len()).rev() {
        for other in (0..new.len()).rev() {
            common[one * width + other] = match old[one] == new[other] {
                true => common[(one + 1) * width + other + 1] + 1,
                false => common[(one + 1) * width + other].max(common[one * width + other + 1]),
            };
        }
    }
    let (mut one, mut other, mut all) = (0, 0, Vec::new());
    while one < old.len() || other < new.len() {
        if one < old.len() && other < new.len() && old[one] == new[other] {
            all.push(line(LineKind::Same, old[one]));
            (one, other) = (one + 1, other + 1);
        } else if other == new.len()
            || (one < old.len() && common[(one + 1) * width + other] >= common[one * width + other + 1])
        {
            all.push(line(LineKind::Gone, old[one]));
            one += 1;
        } else {
            all.push(line(LineKind::New, new[other]));
            other += 1;
        }
    }
    all
}

/// Leaves out what is far from any change.
fn around(all: Vec<Line>) -> Vec<Line> {
    let changed: Vec<usize> =
        all.iter().enumerate().filter(|(_, line)| line.kind != LineKind::Same).map(|(at, _)| at).collect();
    let mut shown = Vec::new();
    for (at, own) in all.into_iter().enumerate() {
        let behind = changed.partition_point(|each| *each < at);
        let near = |each: Option<&usize>| each.is_some_and(|each| each.abs_diff(at) <= AROUND);
        if near(changed.get(behind)) || near(behind.checked_sub(1).and_then(|before| changed.get(before))) {
            shown.push(own);
        } else if shown.last().is_some_and(|last: &Line| last.kind != LineKind::Skipped) {
            shown.push(line(LineKind::Skipped, ""));
        }
    }
    if shown.last().is_some_and(|last| last.kind == LineKind::Skipped) {
        shown.pop();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, expected: &str) {
        let shown: Vec<String> = lines(old, new)
            .iter()
            .map(|line| {
                let sign = match line.kind {
                    LineKind::Same => ' ',
                    LineKind::New => '+',
                    LineKind::Gone => '-',
                    LineKind::Skipped => '~',
                };
                format!("{sign}{}", line.text)
            })
            .collect();
        assert_eq!(shown.join("|"), expected, "{old:?} {new:?}");
    }

    #[test]
    fn changes_stand_with_what_is_around_them() {
        check("a\nb\nc", "a\nb\nc", "");
        check("", "a", "+a");
        check("a", "", "-a");
        check("a\nb\nc", "a\nx\nc", " a|-b|+x| c");
        check("1\n2\n3\n4\n5\n6\n7\n8\n9", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10", " 7| 8| 9|+10");
        check("0\n1\n2\n3\n4\n5\n6\n7\n8\n9", "x\n1\n2\n3\n4\n5\n6\n7\n8\ny", "-0|+x| 1| 2| 3|~| 6| 7| 8|-9|+y");
        check("a\nb\nc\nd", "b\nd\ne", "-a| b|-c| d|+e");
    }

    #[test]
    fn large_texts_are_compared_coarsely() {
        let text = |sign: &str| (0..3_000).map(|at| format!("{sign}{at}\n")).collect::<String>();
        let shown = lines(&text("a"), &text("b"));
        assert_eq!(shown.len(), 6_000);
        assert_eq!((shown[0].kind, shown[5_999].kind), (LineKind::Gone, LineKind::New));
    }
}
