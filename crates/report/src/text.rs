//! Small matters of text: escaping, numbers, base 64.

/// Numbers from this size on are written with a power of ten: nobody counts their digits.
const LARGE: f64 = 1e6;
/// So are numbers below this size.
const SMALL: f64 = 1e-3;

/// Text made safe inside HTML, SVG and quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            // Control characters are not allowed in SVG, which is XML.
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A number in a plain sentence or on a terminal, with as many digits as mean something: `27.61`,
/// `0.0145`, `1.78e-3`, `2.50e12`; whole numbers are written as such.
pub fn plain_number(x: f64) -> String {
    let size = x.abs();
    match x {
        x if size < LARGE && x.fract() == 0.0 => format!("{}", x + 0.0),
        x if !x.is_finite() => format!("{x}"),
        // Numbers that round to the limit belong above it.
        x if (0.1..LARGE - 0.005).contains(&size) => format!("{x:.2}"),
        x if (0.01..0.1).contains(&size) => format!("{x:.4}"),
        x => format!("{x:.2e}"),
    }
}

/// A count of things: all of its digits, thousands apart.
pub(crate) fn count(n: u64) -> String {
    thousands(&n.to_string())
}

/// A number on a page: five digits, a true minus sign, thousands apart; one that is very large or small as
/// digits and a power of ten.
pub(crate) fn number(x: f64) -> String {
    if x.is_nan() {
        return "not a number".into();
    }
    if x.is_infinite() {
        return if x > 0.0 {
            "∞".into()
        } else {
            "−∞".into()
        };
    }
    let size = x.abs();
    let text = if size != 0.0 && !(SMALL..LARGE).contains(&size) {
        let text = format!("{size:.3e}");
        let (digits, power) = text.split_once('e').expect("internal error: no exponent");
        format!("{digits} × 10{}", superscript(power))
    } else if size.fract() == 0.0 {
        thousands(&format!("{size:.0}"))
    } else {
        let decimals = (4.0 - size.log10().floor()).clamp(0.0, 6.0) as usize;
        thousands(&format!("{size:.decimals$}"))
    };
    let is_zero = !text.contains(|c: char| ('1'..='9').contains(&c));
    if x < 0.0 && !is_zero {
        format!("−{text}")
    } else {
        text
    }
}

/// A time span for people.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".into();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 if seconds < 9.95 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// Bytes as base 64 (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            // n bytes make n + 1 digits; the rest is padding.
            out.push(if i <= group.len() {
                DIGITS[(bits >> (18 - 6 * i) & 63) as usize].into()
            } else {
                '='
            });
        }
    }
    out
}

/// A narrow space between groups of three digits before the point, from five digits on.
fn thousands(digits: &str) -> String {
    let n_whole = digits.find('.').unwrap_or(digits.len());
    let mut out = String::new();
    for (i, c) in digits.char_indices() {
        if n_whole > 4 && i > 0 && i < n_whole && (n_whole - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

fn superscript(digits: &str) -> String {
    let one = |c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        c => char::from_u32('⁰' as u32 + c as u32 - '0' as u32).unwrap_or(c),
    };
    digits.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped() {
        assert_eq!(
            escape("a<b & \"c'\u{0}\n"),
            "a&lt;b &amp; &quot;c&#39;\u{fffd}\n"
        );
    }

    #[test]
    fn numbers() {
        for (x, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (7.0, "7"),
            (-104.236_78, "−104.24"),
            (0.25, "0.25000"),
            (0.012_345_678, "0.012346"),
            (1234.0, "1234"),
            (60_000.0, "60\u{202f}000"),
            (45_123.4, "45\u{202f}123"),
            (-1_234_567.0, "−1.235 × 10⁶"),
            (1e-4, "1.000 × 10⁻⁴"),
            (-2.5e12, "−2.500 × 10¹²"),
            (f64::NAN, "not a number"),
            (f64::NEG_INFINITY, "−∞"),
        ] {
            assert_eq!(number(x), text);
        }
    }

    #[test]
    fn plain_numbers() {
        for (x, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (100.0, "100"),
            (-23.456, "-23.46"),
            (999_999.5, "999999.50"),
            (999_999.999, "1.00e6"),
            (1e6, "1.00e6"),
            (-123_456_789.0, "-1.23e8"),
            (0.125, "0.12"),
            (0.014_46, "0.0145"),
            (0.001_778, "1.78e-3"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(plain_number(x), text);
        }
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn durations() {
        for (seconds, text) in [
            (0.25, "0.2 s"),
            (42.4, "42 s"),
            (59.7, "1 min 0 s"),
            (3725.0, "1 h 2 min"),
            (f64::NAN, "unknown"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    /// The vectors of RFC 4648, section 10.
    #[test]
    fn base_64() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }
}
