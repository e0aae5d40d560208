//! Tables for people on a terminal.

/// Rows under a head, in columns as wide as they need, two blanks between them. The last column
/// is not padded.
pub(super) fn table<'a, const N: usize>(
    head: [&'a str; N],
    rows: impl Iterator<Item = [&'a str; N]>,
) -> String {
    let rows: Vec<[&str; N]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need() {
        let rows = [["id_card", "ok", ""], ["a", "FAILED", "not there"]];
        let expected = "device   state   why\nid_card  ok\na        FAILED  not there\n";
        assert_eq!(table(["device", "state", "why"], rows.into_iter()), expected);
    }
}
