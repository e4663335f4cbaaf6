//! How rows are shared out: tasks of whole rows, and rows of repeated examples.

/// Values of one task, about 10 microseconds of elementwise work.
const TASK: usize = 1 << 13;

/// How many rows of `n_values` a task takes.
pub(crate) fn rows_per_task(n_values: usize) -> usize {
    (TASK / n_values.max(1)).max(1)
}

/// K of R = B K: how many rows belong to each example.
///
/// Panics if the examples do not divide the rows.
#[track_caller]
pub(crate) fn rows_per_example(what: &str, n_rows: usize, n_examples: usize) -> usize {
    assert!(
        (n_examples > 0 && n_rows.is_multiple_of(n_examples)) || n_rows == n_examples,
        "{what}: {n_rows} rows cannot belong to {n_examples} examples in equal parts"
    );
    n_rows.checked_div(n_examples).unwrap_or(1)
}
