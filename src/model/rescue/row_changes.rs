//! What became of some rows from one backup to the next.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// A row as people read it: each column's name and value, where it has one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedRow(pub Vec<(String, Option<String>)>);

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// It is there and was not.
    Appeared(NamedRow),
    /// It was there and is not.
    Vanished(NamedRow),
    /// It was there with other values.
    Altered {
        /// As it was.
        before: NamedRow,
        /// As it is.
        after: NamedRow,
    },
}

impl NamedRow {
    /// The value of a column; nothing where there is no such column.
    fn value(&self, column: &str) -> Option<&Option<String>> {
        self.0
            .iter()
            .find(|(name, _)| name == column)
            .map(|(_, value)| value)
    }

    /// The values of these columns; nothing where it lacks one, or where there are none.
    fn key(&self, columns: &[String]) -> Option<Vec<Option<String>>> {
        let values = columns.iter().map(|column| self.value(column).cloned());
        values.collect::<Option<Vec<_>>>().filter(|key| !key.is_empty())
    }

    /// The columns in which it differs from `before`, each with both values; a column that is not there has no value, too.
    pub fn differences<'r>(&'r self, before: &'r Self) -> Vec<(&'r str, Option<&'r str>, Option<&'r str>)> {
        let gone = before.0.iter().filter(|(name, _)| self.value(name).is_none());
        let gone = gone.map(|(name, value)| (name.as_str(), value.as_deref(), None));
        let there = self.0.iter().filter_map(|(name, now)| {
            let then = before.value(name);
            (then != Some(now)).then(|| {
                let then = then.and_then(Option::as_deref);
                (name.as_str(), then, now.as_deref())
            })
        });
        there.chain(gone).collect()
    }
}

impl Serialize for NamedRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            fields.serialize_entry(name, value)?;
        }
        fields.end()
    }
}

/// What became of the rows `before`, which are `after` now. A row is the same where its `key` is; without a key, where it is the only
/// one that changed.
pub fn changes(before: &[NamedRow], after: &[NamedRow], key: &[String]) -> Vec<RowChange> {
    let mut counts: BTreeMap<&NamedRow, i64> = BTreeMap::new();
    for row in after {
        *counts.entry(row).or_default() += 1;
    }
    for row in before {
        *counts.entry(row).or_default() -= 1;
    }
    let (mut vanished, mut appeared) = (Vec::new(), Vec::new());
    for (row, count) in counts {
        let times = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        let into = if count < 0 { &mut vanished } else { &mut appeared };
        into.extend(std::iter::repeat_n(row, times));
    }
    let altered = |before: &NamedRow, after: &NamedRow| RowChange::Altered {
        before: before.clone(),
        after: after.clone(),
    };
    if let ([then], [now]) = (&vanished[..], &appeared[..])
        && (key.is_empty() || then.key(key) == now.key(key))
    {
        return vec![altered(then, now)];
    }
    let mut changes = Vec::new();
    for then in vanished {
        let own = then.key(key);
        let same = appeared
            .iter()
            .position(|now| own.is_some() && now.key(key) == own);
        changes.push(match same {
            Some(at) => altered(then, appeared.remove(at)),
            None => RowChange::Vanished(then.clone()),
        });
    }
    changes.extend(appeared.into_iter().cloned().map(RowChange::Appeared));
    changes
}

#[cfg(test)]
mod tests {
    use super::{NamedRow, RowChange, changes};

    fn row(id: &str, note: Option<&str>) -> NamedRow {
        NamedRow(vec![
            ("id".to_owned(), Some(id.to_owned())),
            ("note".to_owned(), note.map(str::to_owned)),
        ])
    }

    #[test]
    fn rows_with_a_key_are_the_same_where_it_is() {
        let key = ["id".to_owned()];
        let before = [row("1", Some("a")), row("2", Some("b")), row("3", None)];
        let after = [row("1", Some("c")), row("3", None), row("4", Some("b"))];
        assert_eq!(
            changes(&before, &after, &key),
            [
                RowChange::Altered {
                    before: row("1", Some("a")),
                    after: row("1", Some("c")),
                },
                RowChange::Vanished(row("2", Some("b"))),
                RowChange::Appeared(row("4", Some("b"))),
            ]
        );
        assert_eq!(
            changes(&[row("1", None)], &[row("2", None)], &key),
            [
                RowChange::Vanished(row("1", None)),
                RowChange::Appeared(row("2", None))
            ]
        );
        assert_eq!(changes(&before, &before, &key), []);
    }

    #[test]
    fn without_a_key_only_a_single_row_can_be_the_same() {
        let altered = changes(&[row("1", None)], &[row("2", None)], &[]);
        assert!(matches!(altered[..], [RowChange::Altered { .. }]), "{altered:?}");
        let twice = [row("1", None), row("1", None)];
        assert_eq!(
            changes(&twice, &twice[..1], &[]),
            [RowChange::Vanished(row("1", None))]
        );
        assert_eq!(
            changes(&[row("1", None), row("2", None)], &[row("3", None)], &[]).len(),
            3
        );
    }

    #[test]
    fn differences_are_told_column_by_column() {
        let wider = NamedRow(vec![
            ("id".to_owned(), Some("1".to_owned())),
            ("email".to_owned(), None),
        ]);
        let before = row("1", Some("a"));
        assert_eq!(
            wider.differences(&before),
            [("email", None, None), ("note", Some("a"), None)]
        );
        assert_eq!(row("1", None).differences(&before), [("note", Some("a"), None)]);
    }
}
