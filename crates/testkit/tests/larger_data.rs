//! A skipped test says so where a reader of the harness's output sees it.

use std::process::Command;

const VARIABLE: &str = "JENSEN_TEST_DATA";
const ABSENT: &str = "no such folder";

/// Runs itself as a child that has no data.
#[test]
fn a_skipped_test_is_seen() {
    if std::env::var_os(VARIABLE).is_some_and(|folder| folder == ABSENT) {
        assert_eq!(jensen_testkit::larger_data("digits"), None);
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_skipped_test_is_seen"])
        .env(VARIABLE, ABSENT)
        .output()
        .unwrap();
    assert!(child.status.success());
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(said.contains("skipped: no data (digits)"), "{said}");
}
