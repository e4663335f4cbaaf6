//! What the coordinates of a position and the values it stands for are called.

/// Names, shapes and constraints of a density's variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    variables: Vec<Variable>,
}

/// One variable of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name in the model.
    pub name: String,
    /// Shape of its value; empty for a number. Values are stored with the first index fastest, as in
    /// Stan's output.
    pub shape: Vec<usize>,
    /// Number of unconstrained coordinates; 0 for a quantity that is computed from the others.
    pub n_coordinates: usize,
    /// The constraint in words, such as `lower=0`; empty for a real number.
    pub constraint: String,
}

impl Variable {
    /// A real number.
    pub fn real(name: &str) -> Self {
        Self::new(name, &[])
    }

    /// An unconstrained array of this shape.
    pub fn new(name: &str, shape: &[usize]) -> Self {
        Self::constrained(name, shape, shape.iter().product(), "")
    }

    /// A constrained variable with this many unconstrained coordinates.
    pub fn constrained(
        name: &str,
        shape: &[usize],
        n_coordinates: usize,
        constraint: &str,
    ) -> Self {
        Self {
            name: name.to_owned(),
            shape: shape.to_vec(),
            n_coordinates,
            constraint: constraint.to_owned(),
        }
    }

    /// Number of values.
    pub fn n_values(&self) -> usize {
        self.shape.iter().product()
    }

    /// `name` for a number, else `name[i,j]` with indices from 1 for the value at `index`.
    fn element(&self, index: usize) -> String {
        if self.shape.is_empty() {
            return self.name.clone();
        }
        let mut rest = index;
        let indices: Vec<String> = (self.shape.iter())
            .map(|&n| {
                let here = rest % n;
                rest /= n;
                (here + 1).to_string()
            })
            .collect();
        format!("{}[{}]", self.name, indices.join(","))
    }
}

impl Layout {
    /// The variables in the order of their coordinates and values.
    pub fn new(variables: Vec<Variable>) -> Self {
        Self { variables }
    }

    /// The variables.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Number of unconstrained coordinates d.
    pub fn dim(&self) -> usize {
        self.variables.iter().map(|v| v.n_coordinates).sum()
    }

    /// Number of constrained values.
    pub fn n_values(&self) -> usize {
        self.variables.iter().map(Variable::n_values).sum()
    }

    /// Names of the values, `[n_values]`: `mu`, `theta[1]`, `theta[2]`, ...
    pub fn value_names(&self) -> Vec<String> {
        (self.variables.iter())
            .flat_map(|v| (0..v.n_values()).map(|index| v.element(index)))
            .collect()
    }

    /// The name of an unconstrained coordinate: that of the value where they correspond one to one, else
    /// `name~k` for the k-th coordinate of the variable.
    ///
    /// Panics if `index` is not below [`Layout::dim`].
    pub fn coordinate(&self, mut index: usize) -> String {
        for variable in &self.variables {
            if index < variable.n_coordinates {
                return match variable.n_coordinates == variable.n_values() {
                    true => variable.element(index),
                    false => format!("{}~{}", variable.name, index + 1),
                };
            }
            index -= variable.n_coordinates;
        }
        panic!("internal error: coordinate beyond the layout");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_from_one_with_the_first_index_fastest() {
        let layout = Layout::new(vec![
            Variable::real("mu"),
            Variable::constrained("p", &[3], 2, "simplex"),
            Variable::new("b", &[2, 2]),
            Variable::constrained("twice", &[], 0, ""),
        ]);
        assert_eq!((layout.dim(), layout.n_values()), (7, 9));
        assert_eq!(
            layout.value_names(),
            [
                "mu", "p[1]", "p[2]", "p[3]", "b[1,1]", "b[2,1]", "b[1,2]", "b[2,2]", "twice"
            ]
        );
        let names: Vec<String> = (0..7).map(|i| layout.coordinate(i)).collect();
        assert_eq!(
            names,
            ["mu", "p~1", "p~2", "b[1,1]", "b[2,1]", "b[1,2]", "b[2,2]"]
        );
    }
}
