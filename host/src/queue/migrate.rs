//! Stores of an older format: brought up to date when they are opened, in one transaction, so that a
//! crash in between leaves the older format whole.

use redb::{ReadableTable, WriteTransaction};

use super::StoreError;
use super::tables::{FORMAT, META, NumberKey, RECORDS, REQUESTS};

/// The oldest format that this daemon opens.
pub const OLDEST: u64 = 1;

/// Brings a store of the format `from` up to date.
pub fn migrate(transaction: &WriteTransaction, from: u64) -> Result<(), StoreError> {
    if from < 2 {
        requests_with_lanes(transaction)?;
    }
    // Format 3 has a table of records; an older store has nothing to put there.
    transaction.open_table(RECORDS)?;
    transaction.open_table(META)?.insert("format", FORMAT)?;
    Ok(())
}

/// Format 2 has lanes behind the covered deliveries, and so writes down how many of these there are.
fn requests_with_lanes(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let mut requests = transaction.open_table(REQUESTS)?;
    let mut rows: Vec<(NumberKey, Vec<u8>)> = Vec::new();
    for row in requests.iter()? {
        let (key, value) = row?;
        let Some((due_ms, covers)) = value.value().split_first_chunk::<8>() else {
            return Err(StoreError::Failed("a stored request is cut off".to_owned()));
        };
        let count = u32::try_from(covers.len() / 8).expect("a batch has far fewer events");
        rows.push((key.value(), [&due_ms[..], &count.to_le_bytes(), covers].concat()));
    }
    for (key, row) in rows {
        requests.insert(key, &row[..])?;
    }
    Ok(())
}
