//! Columns that line up, by the rules of Go's text/tabwriter as Docker uses it.

/// Narrowest column, its padding included.
const MIN_WIDTH: usize = 10;
/// Blanks between a column's widest cell and the next column.
const PADDING: usize = 3;

/// Lines whose cells are separated by tabs, as text with padded columns and a newline behind each line.
///
/// A cell is text with a tab behind it; a column is a run of lines that have a cell at its place. What follows the
/// last tab of a line widens no column.
pub fn align(lines: &[String]) -> String {
    // A template may print several lines for one row.
    let rows: Vec<Vec<&str>> = lines.iter().flat_map(|l| l.split('\n')).map(|l| l.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = rows.iter().map(|r| vec![0; r.len()]).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..columns {
        let mut start = 0;
        while start < rows.len() {
            let run = rows[start..].iter().take_while(|r| r.len() > column + 1).count();
            let cells = &rows[start..start + run];
            let widest = cells.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
            // Like tabwriter with DiscardEmptyColumns unset: an empty column keeps its minimal width.
            let width = (widest + PADDING).max(MIN_WIDTH);
            widths[start..start + run].iter_mut().for_each(|w| w[column] = width);
            start += run.max(1);
        }
    }
    let mut out = String::new();
    for (row, widths) in rows.iter().zip(&widths) {
        for (i, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Names and commands come from images: nothing that a terminal would obey.
            out.extend(cell.chars().map(|c| if c.is_control() { ' ' } else { c }));
            if i + 1 < row.len() {
                out.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
            }
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::align;

    #[test]
    fn columns_line_up() {
        let lines = |l: &[&str]| align(&l.iter().map(|s| s.to_string()).collect::<Vec<_>>());
        assert_eq!(lines(&["A\tB", "0123456789\tx"]), "A            B\n0123456789   x\n");
        assert_eq!(lines(&["a\tb\tc", "alone", "a\tb\tc"]), "a         b         c\nalone\na         b         c\n");
        assert_eq!(lines(&["äöü\tx", "a\t"]), "äöü       x\na\n");
        assert_eq!(lines(&["\x1b[2Jx\ty\r"]), " [2Jx     y\n");
        assert_eq!(lines(&[]), "");
    }
}
