//! Where downloads are kept.

use crate::DataError;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folder for downloads: `$JENSEN_CACHE`, else `$XDG_CACHE_HOME/jensen`, else `~/.cache/jensen`.
pub fn cache_folder() -> Result<PathBuf, DataError> {
    folder_from(|name| env::var_os(name))
}

fn folder_from(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, DataError> {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    if let Some(folder) = variable("JENSEN_CACHE") {
        return Ok(folder.into());
    }
    if let Some(folder) = variable("XDG_CACHE_HOME") {
        return Ok(Path::new(&folder).join("jensen"));
    }
    match variable("HOME") {
        Some(home) => Ok(Path::new(&home).join(".cache/jensen")),
        None => Err(DataError::NoCacheFolder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let with = |pairs: &[(&str, &str)]| {
            folder_from(|name| {
                let pair = pairs.iter().find(|(key, _)| *key == name);
                pair.map(|(_, value)| OsString::from(value))
            })
        };
        let all = [
            ("HOME", "/h"),
            ("XDG_CACHE_HOME", "/x"),
            ("JENSEN_CACHE", "/j"),
        ];
        assert_eq!(with(&all).unwrap(), Path::new("/j"));
        assert_eq!(with(&all[..2]).unwrap(), Path::new("/x/jensen"));
        assert_eq!(with(&all[..1]).unwrap(), Path::new("/h/.cache/jensen"));
        assert_eq!(
            with(&[("JENSEN_CACHE", ""), ("HOME", "/h")]).unwrap(),
            Path::new("/h/.cache/jensen")
        );
        assert!(matches!(with(&[]), Err(DataError::NoCacheFolder)));
    }
}
