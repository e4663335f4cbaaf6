//! Paths inside commands that are suggested to people: quoted where a shell would take them apart.

use std::path::Path;

/// A path as one word of a command line, in single quotes where it holds more than letters, digits and
/// harmless signs; the current folder where it is empty. A backslash is harmless only where it parts folders:
/// elsewhere a shell takes it away.
pub fn shell_word(path: impl AsRef<Path>) -> String {
    let text = path.as_ref().to_string_lossy();
    let is_harmless =
        |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c) || std::path::is_separator(c);
    let mut word = match text.as_ref() {
        "" => ".".to_owned(),
        text if text.chars().all(is_harmless) => text.to_owned(),
        text => format!("'{}'", text.replace('\'', "'\\''")),
    };
    // It would be taken for an option.
    if text.starts_with('-') {
        word.insert_str(0, "./");
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(unix)]
    use std::process::Command;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        for (path, word) in [
            ("runs/vae-001", "runs/vae-001"),
            ("my runs/a", "'my runs/a'"),
            (" ", "' '"),
            ("it's", "'it'\\''s'"),
            ("a$b", "'a$b'"),
            ("-x", "./-x"),
            ("-x y", "./'-x y'"),
            ("", "."),
            ("größe", "größe"),
        ] {
            assert_eq!(shell_word(path), word);
        }
    }

    #[cfg(unix)]
    #[test]
    fn words_come_back_from_a_shell_as_they_were() {
        for path in [
            "a\\b", "a\\", "\\\\x", "it's\\n", "a b\nc", "*?[x]", "~", "#x", "$HOME",
        ] {
            let script = format!("printf %s {}", shell_word(path));
            let said = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), path, "{script}");
        }
    }
}
