//! `rename_all` of serde.

/// How serde writes the names of fields and variants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Case {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

const CASES: [(&str, Case); 8] = [
    ("lowercase", Case::Lower),
    ("UPPERCASE", Case::Upper),
    ("PascalCase", Case::Pascal),
    ("camelCase", Case::Camel),
    ("snake_case", Case::Snake),
    ("SCREAMING_SNAKE_CASE", Case::ScreamingSnake),
    ("kebab-case", Case::Kebab),
    ("SCREAMING-KEBAB-CASE", Case::ScreamingKebab),
];

impl Case {
    /// By serde's name for it.
    pub fn named(name: &str) -> Option<Case> {
        CASES.iter().find(|(known, _)| *known == name).map(|(_, case)| *case)
    }

    /// A field, which is written `so_much` in Rust.
    pub fn of_field(self, name: &str) -> String {
        match self {
            Case::Lower | Case::Snake => name.to_string(),
            Case::Upper | Case::ScreamingSnake => name.to_ascii_uppercase(),
            Case::Pascal => pascal(name),
            Case::Camel => first_lower(&pascal(name)),
            Case::Kebab => name.replace('_', "-"),
            Case::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// A variant, which is written `SoMuch` in Rust.
    pub fn of_variant(self, name: &str) -> String {
        match self {
            Case::Pascal => name.to_string(),
            Case::Lower => name.to_ascii_lowercase(),
            Case::Upper => name.to_ascii_uppercase(),
            Case::Camel => first_lower(name),
            Case::Snake => snake(name),
            Case::ScreamingSnake => snake(name).to_ascii_uppercase(),
            Case::Kebab => snake(name).replace('_', "-"),
            Case::ScreamingKebab => snake(name).to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn pascal(name: &str) -> String {
    let first_upper =
        |word: &str| word.get(..1).unwrap_or_default().to_ascii_uppercase() + word.get(1..).unwrap_or_default();
    name.split('_').map(first_upper).collect()
}

fn first_lower(name: &str) -> String {
    name.get(..1).unwrap_or_default().to_ascii_lowercase() + name.get(1..).unwrap_or_default()
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_serde_writes_them() {
        let check = |case: &str, field: &str, variant: &str| {
            let case = Case::named(case).unwrap();
            assert_eq!(
                (case.of_field("so_much"), case.of_variant("SoMuch")),
                (field.into(), variant.into()),
                "{case:?}"
            );
        };
        check("lowercase", "so_much", "somuch");
        check("UPPERCASE", "SO_MUCH", "SOMUCH");
        check("PascalCase", "SoMuch", "SoMuch");
        check("camelCase", "soMuch", "soMuch");
        check("snake_case", "so_much", "so_much");
        check("SCREAMING_SNAKE_CASE", "SO_MUCH", "SO_MUCH");
        check("kebab-case", "so-much", "so-much");
        check("SCREAMING-KEBAB-CASE", "SO-MUCH", "SO-MUCH");
        assert_eq!(Case::named("Kebab"), None);
    }
}
