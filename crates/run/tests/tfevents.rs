//! Event files read back by a decoder that shares no code with the writer.
//!
//! The decoder knows protocol buffers only in general: it turns a message into fields by number,
//! and computes CRC-32C bit by bit.

use jensen_run::RunError;
use jensen_run::tfevents::EventWriter;
use std::fs;
use std::path::Path;

/// A field of a message: number and value.
#[derive(Clone, Debug, PartialEq)]
enum Field {
    Int(u64),
    Eight([u8; 8]),
    Bytes(Vec<u8>),
    Four([u8; 4]),
}

impl Field {
    fn f64(&self) -> f64 {
        match self {
            Self::Eight(bytes) => f64::from_le_bytes(*bytes),
            other => panic!("{other:?}"),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    fn f64s(&self) -> Vec<f64> {
        let chunks = self.bytes().chunks_exact(8);
        chunks
            .map(|c| f64::from_le_bytes(c.try_into().unwrap()))
            .collect()
    }
}

/// CRC-32C, reflected polynomial 0x82f63b78, a bit at a time.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0x82f6_3b78
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

fn check(bytes: &[u8], stored: &[u8]) {
    let crc = crc(bytes);
    let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
    assert_eq!(masked, u32::from_le_bytes(stored.try_into().unwrap()));
}

/// The messages of a file, all checksums checked.
fn messages(path: &Path) -> Vec<Vec<(u64, Field)>> {
    let bytes = fs::read(path).unwrap();
    let mut rest = &bytes[..];
    let mut messages = Vec::new();
    while !rest.is_empty() {
        check(&rest[..8], &rest[8..12]);
        let n = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        check(&rest[12..12 + n], &rest[12 + n..16 + n]);
        messages.push(fields(&rest[12..12 + n]));
        rest = &rest[16 + n..];
    }
    messages
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut x = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)[0];
        x |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return x;
        }
    }
    panic!("a number of more than 64 bits");
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(n);
    *rest = left;
    taken
}

fn fields(message: &[u8]) -> Vec<(u64, Field)> {
    let mut rest = message;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest);
        let field = match key & 7 {
            0 => Field::Int(varint(&mut rest)),
            1 => Field::Eight(take(&mut rest, 8).try_into().unwrap()),
            2 => {
                let n = varint(&mut rest) as usize;
                Field::Bytes(take(&mut rest, n).to_vec())
            }
            5 => Field::Four(take(&mut rest, 4).try_into().unwrap()),
            kind => panic!("kind {kind}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn get(fields: &[(u64, Field)], number: u64) -> &Field {
    let mut found = fields.iter().filter(|(n, _)| *n == number);
    let field = &found
        .next()
        .unwrap_or_else(|| panic!("no field {number}"))
        .1;
    assert!(found.next().is_none(), "field {number} twice");
    field
}

/// Tags and fields of the values in an event's summary.
fn values(event: &[(u64, Field)]) -> Vec<(String, Vec<(u64, Field)>)> {
    let summary = fields(get(event, 5).bytes());
    let value = |(number, field): &(u64, Field)| {
        assert_eq!(*number, 1);
        let value = fields(field.bytes());
        let tag = String::from_utf8(get(&value, 1).bytes().to_vec()).unwrap();
        (tag, value)
    };
    summary.iter().map(value).collect()
}

/// A PNG of one white pixel, made with Pillow.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\
    \0\0\0\nIDATx\x9cc\xf8\x0f\0\x01\x01\x01\0\x1b\xb6\xeeV\0\0\0\0IEND\xaeB`\x82";

#[test]
fn the_decoder_knows_crc_32c() {
    // RFC 3720, section B.4.
    assert_eq!(crc(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc(&[0xff; 32]), 0x62a8_ab43);
}

#[test]
fn what_was_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(dir.path()).unwrap();
    let numbers = [
        ("train/elbo", -103.25),
        ("train/kl", f64::NAN),
        ("Größe", 1e-3),
    ];
    writer.scalars(300, &numbers).unwrap();
    writer.scalars(u64::from(u32::MAX) + 7, &[]).unwrap();
    writer.image(300, "samples", PNG).unwrap();
    writer
        .histogram(300, "w", &[0.5, 0.5, -2.0, f32::NAN])
        .unwrap();
    writer.histogram(300, "nothing", &[f32::NAN]).unwrap();
    writer.flush().unwrap();

    let name = writer
        .path()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert!(name.starts_with("events.out.tfevents.1") || name.starts_with("events.out.tfevents.2"));
    let events = messages(writer.path());
    assert_eq!(events.len(), 5);
    assert_eq!(get(&events[0], 3).bytes(), b"brain.Event:2");
    for event in &events {
        assert!(
            (1.7e9..1e10).contains(&get(event, 1).f64()),
            "wall time in seconds"
        );
    }
    assert_eq!(get(&events[1], 2), &Field::Int(300));
    let scalars = values(&events[1]);
    for ((tag, value), (name, x)) in scalars.iter().zip(numbers) {
        assert_eq!(tag, name);
        assert_eq!(get(value, 2), &Field::Four((x as f32).to_le_bytes()));
    }
    assert_eq!(get(&events[2], 2), &Field::Int(u64::from(u32::MAX) + 7));
    assert!(values(&events[2]).is_empty());

    let (tag, value) = &values(&events[3])[0];
    let image = fields(get(value, 4).bytes());
    assert_eq!(tag, "samples");
    for number in [1, 2, 3] {
        assert_eq!(get(&image, number), &Field::Int(1));
    }
    assert_eq!(get(&image, 4).bytes(), PNG);

    let (tag, value) = &values(&events[4])[0];
    let histogram = fields(get(value, 5).bytes());
    assert_eq!(tag, "w");
    for (number, x) in [(1, -2.0), (2, 0.5), (3, 3.0), (4, -1.0), (5, 4.5)] {
        assert_eq!(get(&histogram, number).f64(), x);
    }
    let (limits, counts) = (get(&histogram, 6).f64s(), get(&histogram, 7).f64s());
    assert_eq!(counts, [0.0, 1.0, 0.0, 2.0]);
    assert!(limits[0] <= -2.0 && limits[1] > -2.0 && limits[2] <= 0.5 && limits[3] > 0.5);
}

#[test]
fn files_of_one_second_have_their_own_names() {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..5)
        .map(|step| {
            EventWriter::resume(dir.path(), step)
                .unwrap()
                .path()
                .to_path_buf()
        })
        .collect();
    assert!(paths.is_sorted_by(|a, b| a < b));
    let start = &messages(&paths[4])[1];
    assert_eq!(get(start, 2), &Field::Int(5));
    assert_eq!(fields(get(start, 7).bytes()), [(1, Field::Int(1))]);
}

#[test]
fn only_png_is_a_picture() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(dir.path()).unwrap();
    for bytes in [&b"GIF89a"[..], &PNG[..20], b""] {
        let error = writer.image(1, "samples", bytes).unwrap_err();
        assert!(
            matches!(error, RunError::Malformed { expected, .. } if expected.contains("samples"))
        );
    }
}
