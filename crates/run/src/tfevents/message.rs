//! The few messages of protocol buffers that an event file needs, encoded by hand.
//!
//! A field is a key, `8 * number + kind`, and its value; kind 0 is a variable-length integer, 1 is
//! eight bytes, 2 is a length and that many bytes, 5 is four bytes. Numbers of fields:
//!
//! ```text
//! Event       1 wall_time f64, 2 step int, 3 file_version text, 5 summary, 7 session_log
//! SessionLog  1 status (1 = start)
//! Summary     1 value (repeated)
//! Value       1 tag text, 2 simple_value f32, 4 image, 5 histogram
//! Image       1 height, 2 width, 3 colorspace (channels), 4 encoded bytes
//! Histogram   1 min, 2 max, 3 num, 4 sum, 5 sum_squares, 6 bucket_limit, 7 bucket (all f64)
//! ```

use super::histogram::Histogram;

/// One record of the file.
pub(super) struct Event<'a> {
    /// Seconds since 1970.
    pub(super) wall_time: f64,
    /// Steps done.
    pub(super) step: u64,
    pub(super) what: What<'a>,
}

/// What a record says.
pub(super) enum What<'a> {
    /// The first record of every file.
    FileVersion,
    /// Records of earlier files from this step on are outdated.
    SessionStart,
    /// Data by tag.
    Summary(Vec<(&'a str, Datum<'a>)>),
}

/// One piece of data.
pub(super) enum Datum<'a> {
    Scalar(f32),
    Image {
        height: u32,
        width: u32,
        channels: u64,
        png: &'a [u8],
    },
    Histogram(Histogram),
}

impl<'a> Datum<'a> {
    /// A picture from the bytes of a PNG file, whose header tells its size; none for other bytes.
    pub(super) fn image(png: &'a [u8]) -> Option<Self> {
        let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
        let (width, rest) = header.split_first_chunk()?;
        let (height, rest) = rest.split_first_chunk()?;
        let channels = match rest.get(1)? {
            0 => 1,     // grey
            4 => 2,     // grey, alpha
            2 | 3 => 3, // colors, or a palette of them
            _ => 4,     // colors, alpha
        };
        Some(Self::Image {
            height: u32::from_be_bytes(*height),
            width: u32::from_be_bytes(*width),
            channels,
            png,
        })
    }

    fn put(&self, value: &mut Vec<u8>) {
        match self {
            Self::Scalar(x) => {
                value.push(2 << 3 | 5);
                value.extend(x.to_le_bytes());
            }
            Self::Image {
                height,
                width,
                channels,
                png,
            } => {
                let mut image = Vec::with_capacity(png.len() + 32);
                put_int(&mut image, 1, (*height).into());
                put_int(&mut image, 2, (*width).into());
                put_int(&mut image, 3, *channels);
                put_bytes(&mut image, 4, png);
                put_bytes(value, 4, &image);
            }
            Self::Histogram(histogram) => {
                let mut message = Vec::new();
                put_f64(&mut message, 1, histogram.min);
                put_f64(&mut message, 2, histogram.max);
                put_f64(&mut message, 3, histogram.num);
                put_f64(&mut message, 4, histogram.sum);
                put_f64(&mut message, 5, histogram.sum_squares);
                let (limits, counts): (Vec<_>, Vec<_>) = histogram.buckets.iter().copied().unzip();
                put_bytes(&mut message, 6, &packed(&limits));
                put_bytes(&mut message, 7, &packed(&counts));
                put_bytes(value, 5, &message);
            }
        }
    }
}

impl Event<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut event = Vec::new();
        put_f64(&mut event, 1, self.wall_time);
        put_int(&mut event, 2, self.step);
        match &self.what {
            What::FileVersion => put_bytes(&mut event, 3, b"brain.Event:2"),
            What::SessionStart => {
                let mut log = Vec::new();
                put_int(&mut log, 1, 1);
                put_bytes(&mut event, 7, &log);
            }
            What::Summary(values) => {
                let mut summary = Vec::new();
                for (tag, datum) in values {
                    let mut value = Vec::new();
                    put_bytes(&mut value, 1, tag.as_bytes());
                    datum.put(&mut value);
                    put_bytes(&mut summary, 1, &value);
                }
                put_bytes(&mut event, 5, &summary);
            }
        }
        event
    }
}

/// Seven bits a byte, the lowest first; the high bit says that more follow.
fn put_varint(out: &mut Vec<u8>, mut x: u64) {
    while x >= 0x80 {
        out.push(x as u8 | 0x80);
        x >>= 7;
    }
    out.push(x as u8);
}

/// A zero is the default and not written.
fn put_int(out: &mut Vec<u8>, field: u8, x: u64) {
    if x != 0 {
        out.push(field << 3);
        put_varint(out, x);
    }
}

fn put_f64(out: &mut Vec<u8>, field: u8, x: f64) {
    out.push(field << 3 | 1);
    out.extend(x.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn packed(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}
