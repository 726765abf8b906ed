//! Finds a name in a table by one comparison: the table says where each of its names belongs when the
//! plugin is compiled.

use switchyard_sdk::text::same;

use crate::shop::Row;

/// Places for names.
const PLACES: usize = 128;

/// A table of names, and the row that each belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    pub rows: &'static [Row],
    /// The name of each place and the number of its row; an empty name where none belongs.
    places: [(&'static str, u8); PLACES],
}

impl Names {
    /// Puts the names of each row in their places.
    ///
    /// # Panics
    /// When two names share a place: while it is compiled, in a constant.
    pub const fn of(rows: &'static [Row]) -> Names {
        assert!(rows.len() <= 32, "the rows that were written are told by 32 bits");
        let mut names = Names { rows, places: [("", 0); PLACES] };
        let mut row = 0;
        while row < rows.len() {
            names.put(rows[row].to.name(), row);
            let mut from = 0;
            while from < rows[row].from.len() {
                names.put(rows[row].from[from], row);
                from += 1;
            }
            row += 1;
        }
        names
    }

    const fn put(&mut self, name: &'static str, row: usize) {
        let place = place(name.as_bytes());
        assert!(self.places[place].0.is_empty(), "two names share a place");
        self.places[place] = (name, row as u8);
    }

    /// The row that has this name, as the vendor's or as one of the sender's.
    #[inline]
    pub fn row(&self, name: &[u8]) -> Option<usize> {
        let (known, row) = self.places[place(name)];
        (!name.is_empty() && same(known.as_bytes(), name)).then_some(usize::from(row))
    }
}

/// Where a name belongs: by its length and three of its letters.
#[inline]
const fn place(name: &[u8]) -> usize {
    match name {
        [] => 0,
        [first, .., last] => {
            let middle = name[name.len() / 2];
            (*first as usize + *last as usize + middle as usize * 9 + name.len() * 15) % PLACES
        }
        [only] => *only as usize % PLACES,
    }
}
