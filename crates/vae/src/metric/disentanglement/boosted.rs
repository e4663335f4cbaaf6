//! Boosted regression trees over few columns, for the importances of columns: squared error, columns in bins.
//!
//! Source: [friedman-2001], algorithm 3 and section 8.1 (importance: the fall of the squared error by the splits of a column).

/// Trees, their depth, and the share of each.
const N_TREES: usize = 60;
const DEPTH: usize = 4;
const RATE: f64 = 0.2;
/// Bins of a column, by rank.
const N_BINS: usize = 64;
/// Rows of a leaf.
const LEAST_ROWS: usize = 5;

/// A fit.
pub(super) struct Trees {
    first: f64,
    trees: Vec<Node>,
    /// Fall of the squared error by column, sums to one if anything fell.
    pub(super) importance: Vec<f64>,
}

enum Node {
    Leaf(f64),
    Split {
        column: usize,
        /// Rows up to this value go below.
        edge: f64,
        below: Box<Node>,
        above: Box<Node>,
    },
}

impl Node {
    fn value(&self, row: &[f64]) -> f64 {
        match self {
            Self::Leaf(value) => *value,
            Self::Split {
                column,
                edge,
                below,
                above,
            } => match row[*column] <= *edge {
                true => below.value(row),
                false => above.value(row),
            },
        }
    }
}

/// Fits trees that predict `target` `[n]` from rows `[n, d]`, by the rows `train`.
pub(super) fn fit(rows: &[f64], d: usize, target: &[f64], train: &[usize]) -> Trees {
    let columns: Vec<Binned> = (0..d).map(|j| Binned::of(rows, d, j, train)).collect();
    let first = train.iter().map(|&i| target[i]).sum::<f64>() / train.len().max(1) as f64;
    let mut left: Vec<f64> = target.iter().map(|y| y - first).collect();
    let mut growth = Growth {
        columns: &columns,
        importance: vec![0.0; d],
    };
    let mut trees = Vec::with_capacity(N_TREES);
    for _ in 0..N_TREES {
        let tree = growth.node(&left, train.to_vec(), DEPTH);
        for &i in train {
            left[i] -= tree.value(&rows[i * d..][..d]);
        }
        trees.push(tree);
    }
    let total: f64 = growth.importance.iter().sum();
    let share = |fall: f64| if total > 0.0 { fall / total } else { 0.0 };
    Trees {
        first,
        trees,
        importance: growth.importance.into_iter().map(share).collect(),
    }
}

impl Trees {
    /// 1 - squared error / variance on the rows `test`.
    pub(super) fn r_squared(&self, rows: &[f64], target: &[f64], test: &[usize]) -> f64 {
        let d = self.importance.len();
        let mean = test.iter().map(|&i| target[i]).sum::<f64>() / test.len().max(1) as f64;
        let [mut error, mut variance] = [0.0; 2];
        for &i in test {
            let row = &rows[i * d..][..d];
            let found = self.first + self.trees.iter().map(|tree| tree.value(row)).sum::<f64>();
            error += (found - target[i]).powi(2);
            variance += (mean - target[i]).powi(2);
        }
        if variance > 0.0 {
            1.0 - error / variance
        } else {
            0.0
        }
    }
}

/// A column in bins.
struct Binned {
    /// The bin of every row, `[n]`.
    bin: Vec<u8>,
    /// The largest value of each bin but the last.
    edges: Vec<f64>,
}

impl Binned {
    fn of(rows: &[f64], d: usize, j: usize, train: &[usize]) -> Self {
        let mut sorted: Vec<f64> = train.iter().map(|&i| rows[i * d + j]).collect();
        sorted.sort_by(f64::total_cmp);
        let mut edges: Vec<f64> = (1..N_BINS)
            .filter_map(|k| {
                sorted
                    .get((k * sorted.len() / N_BINS).saturating_sub(1))
                    .copied()
            })
            .collect();
        edges.dedup();
        // Nothing lies above the largest value.
        edges.retain(|edge| Some(edge) != sorted.last());
        let values = rows.iter().skip(j).step_by(d);
        let bin = |value: &f64| edges.partition_point(|edge| edge < value) as u8;
        Self {
            bin: values.map(bin).collect(),
            edges,
        }
    }
}

struct Growth<'a> {
    columns: &'a [Binned],
    importance: Vec<f64>,
}

impl Growth<'_> {
    /// The tree of these rows; its leaves are means of what is left, times the rate.
    fn node(&mut self, left: &[f64], rows: Vec<usize>, depth: usize) -> Node {
        let total: f64 = rows.iter().map(|&i| left[i]).sum();
        let leaf = Node::Leaf(RATE * total / rows.len().max(1) as f64);
        if depth == 0 {
            return leaf;
        }
        let Some((column, bin, fall)) = self.best_split(left, &rows, total) else {
            return leaf;
        };
        self.importance[column] += fall;
        let is_below = |&i: &usize| self.columns[column].bin[i] <= bin;
        let (below, above): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(is_below);
        Node::Split {
            column,
            edge: self.columns[column].edges[usize::from(bin)],
            below: Box::new(self.node(left, below, depth - 1)),
            above: Box::new(self.node(left, above, depth - 1)),
        }
    }

    /// Column, last bin below, and fall of the squared error of the best split.
    fn best_split(&self, left: &[f64], rows: &[usize], total: f64) -> Option<(usize, u8, f64)> {
        let n = rows.len() as f64;
        let mut best: Option<(usize, u8, f64)> = None;
        for (column, binned) in self.columns.iter().enumerate() {
            let mut bins = [(0usize, 0.0); N_BINS];
            for &i in rows {
                let (count, sum) = &mut bins[usize::from(binned.bin[i])];
                *count += 1;
                *sum += left[i];
            }
            let (mut count, mut sum) = (0, 0.0);
            for (bin, &(here, of_here)) in bins.iter().take(binned.edges.len()).enumerate() {
                count += here;
                sum += of_here;
                let rest = rows.len() - count;
                if count < LEAST_ROWS || rest < LEAST_ROWS {
                    continue;
                }
                let other: f64 = total - sum;
                let fall =
                    sum * sum / count as f64 + other * other / rest as f64 - total * total / n;
                // The rounding of sums is no fall.
                if fall > 1e-9 * n && best.is_none_or(|(_, _, known)| fall > known) {
                    best = Some((column, bin as u8, fall));
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_rng::Stream;

    #[test]
    fn a_bent_function_is_learned_and_its_columns_are_found() {
        let mut stream = Stream::from_seed(1);
        let n = 4000;
        let rows: Vec<f64> = (0..3 * n).map(|_| 2.0 * stream.uniform() - 1.0).collect();
        let target: Vec<f64> = rows
            .chunks_exact(3)
            .map(|row| (3.0 * row[0]).sin() + row[2] * row[2])
            .collect();
        let all: Vec<usize> = (0..n).collect();
        let (test, train) = all.split_at(1000);
        let trees = fit(&rows, 3, &target, train);
        let found = trees.r_squared(&rows, &target, test);
        assert!(found > 0.97, "{found}");
        let [a, b, c] = trees.importance[..] else {
            panic!("three columns")
        };
        // Variances of the two parts: 0.523 and 0.089.
        assert!(
            b < 0.01 && (a / c - 0.523 / 0.089).abs() < 1.5,
            "{a}, {b}, {c}"
        );
    }

    #[test]
    fn constants_have_no_splits() {
        let trees = fit(&[1.0; 40], 2, &[3.0; 20], &(0..20).collect::<Vec<_>>());
        assert_eq!(trees.importance, [0.0, 0.0]);
        assert_eq!(trees.first, 3.0);
    }
}
