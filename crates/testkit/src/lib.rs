//! For tests only: finite differences, quadrature, targets with known answers, pictures of examples, and the folder of
//! larger data.

mod finite_difference;
mod mean;
mod pictures;
mod quadrature;
pub mod targets;

pub use finite_difference::{gradient, gradient_error};
pub use mean::assert_mean;
pub use pictures::check_pictures;
pub use quadrature::{integrate, integrate_line};

use std::io::Write as _;
use std::path::PathBuf;

/// The folder `name` among the larger data sets, or `None` after saying "skipped: no data".
///
/// Looked for under the environment variable `JENSEN_TEST_DATA`, else `../shared/data` beside the
/// workspace. A test that gets `None` returns at once.
pub fn larger_data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("JENSEN_TEST_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    // Past the macros, whose text the test harness keeps to itself while a test succeeds.
    let said = writeln!(std::io::stderr(), "skipped: no data ({name})");
    // Whoever closed the stream does not want to know.
    drop(said);
    None
}
