//! Named arrays of f32 with text beside them, in a safetensors file.
//!
//! ```text
//! 8 bytes   length of the header, little-endian
//! header    JSON: "__metadata__" (text to text), then dtype, shape and byte range of each tensor
//! data      the values, little-endian, row-major, without gaps
//! ```
//!
//! The bits of every value survive, payloads of NaNs and signs of zeros included. The same content
//! gives the same bytes: the header is written here, because the `safetensors` crate orders metadata
//! by a hash map, and read by that crate's checks. The metadata entry `crc32c` is a checksum of the
//! whole file with the checksum's own digits as zeros; it is added on writing and checked on reading
//! where present, so that a damaged checkpoint is never trained on. Other readers see one more entry.

mod header;

use crate::atomic::AtomicFile;
use crate::error::{Result, RunError};
use crc32c::crc32c_append;
use safetensors::Dtype;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;

/// A named array.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Unique in its file.
    pub name: String,
    /// Sizes, the slowest first; empty for a single number.
    pub shape: Vec<usize>,
    /// Row-major, as many as the product of the shape.
    pub values: Vec<f32>,
}

impl Tensor {
    /// This tensor, borrowed for writing.
    pub fn view(&self) -> View<'_> {
        View {
            name: &self.name,
            shape: &self.shape,
            values: &self.values,
        }
    }
}

/// A named array, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View<'a> {
    /// Unique in its file.
    pub name: &'a str,
    /// Sizes, the slowest first; empty for a single number.
    pub shape: &'a [usize],
    /// Row-major, as many as the product of the shape.
    pub values: &'a [f32],
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorFile {
    /// In the order of the file.
    pub tensors: Vec<Tensor>,
    /// Text beside them.
    pub metadata: BTreeMap<String, String>,
}

impl TensorFile {
    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }
}

/// Writes a file, atomically. The metadata entry `crc32c` is reserved.
pub fn write(
    path: impl AsRef<Path>,
    tensors: &[View<'_>],
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let path = path.as_ref();
    check(tensors, metadata)?;
    let mut header = header::build(tensors, metadata);
    let mut checksum = crc32c_append(0, &header);
    let mut block = Vec::new();
    for values in blocks(tensors) {
        checksum = crc32c_append(checksum, to_bytes(values, &mut block));
    }
    let place = header::checksum_place(&header).expect("internal error: the header has a checksum");
    header[place..place + 8].copy_from_slice(format!("{checksum:08x}").as_bytes());

    let mut file = AtomicFile::create(path)?;
    let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(RunError::io("write", path));
    put(&(header.len() as u64).to_le_bytes())?;
    put(&header)?;
    for values in blocks(tensors) {
        put(to_bytes(values, &mut block))?;
    }
    file.commit()
}

/// Reads a whole file; every tensor must be of dtype F32.
pub fn read(path: impl AsRef<Path>) -> Result<TensorFile> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(RunError::io("read", path))?;
    let (header, parsed) = header::parse(path, &bytes)?;
    let data = &bytes[8 + header.len()..];
    let mut metadata: BTreeMap<String, String> = (parsed.metadata().iter().flatten())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if let Some(stored) = metadata.remove(CHECKSUM) {
        header::verify(path, header, data, &stored)?;
    }
    let mut names = parsed.offset_keys();
    // Empty tensors share a place; their names make the order certain.
    names.sort_by_cached_key(|name| (parsed.info(name).map(|i| i.data_offsets), name.clone()));
    let mut tensors = Vec::new();
    for name in names {
        let info = parsed.info(&name).expect("internal error: a listed tensor");
        let (start, end) = info.data_offsets;
        if info.dtype != Dtype::F32 {
            return Err(RunError::Malformed {
                path: path.to_path_buf(),
                offset: (8 + header.len() + start) as u64,
                expected: format!("tensor `{name}` of dtype F32"),
                found: info.dtype.to_string(),
            });
        }
        let values = data[start..end]
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().expect("internal error: chunks of four")))
            .collect();
        tensors.push(Tensor {
            name,
            shape: info.shape.clone(),
            values,
        });
    }
    Ok(TensorFile { tensors, metadata })
}

/// Key of the checksum in the metadata.
const CHECKSUM: &str = "crc32c";

fn check(tensors: &[View<'_>], metadata: &BTreeMap<String, String>) -> Result<()> {
    let refuse = |name: &str, reason| {
        Err(RunError::Name {
            name: name.into(),
            reason,
        })
    };
    if metadata.contains_key(CHECKSUM) {
        return refuse(CHECKSUM, "the file's checksum has this key");
    }
    let mut names = BTreeSet::new();
    for View {
        name,
        shape,
        values,
    } in tensors
    {
        if *name == "__metadata__" {
            return refuse(name, "the file's metadata has this key");
        }
        if !names.insert(name) {
            return refuse(name, "two tensors have it");
        }
        let expected = shape.iter().product();
        if expected != values.len() {
            return Err(RunError::Shape {
                name: (*name).into(),
                shape: shape.to_vec(),
                expected,
                got: values.len(),
            });
        }
    }
    Ok(())
}

/// All values in pieces of 64 KiB, so that no second copy of a model is made.
fn blocks<'a>(tensors: &'a [View<'a>]) -> impl Iterator<Item = &'a [f32]> {
    tensors
        .iter()
        .flat_map(|tensor| tensor.values.chunks(1 << 14))
}

fn to_bytes<'a>(values: &[f32], block: &'a mut Vec<u8>) -> &'a [u8] {
    block.clear();
    block.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use tempfile::{TempDir, tempdir};

    fn example() -> (Vec<Tensor>, BTreeMap<String, String>) {
        let tensor = |name: &str, shape: &[usize], bits: &[u32]| Tensor {
            name: name.into(),
            shape: shape.to_vec(),
            values: bits.iter().copied().map(f32::from_bits).collect(),
        };
        let tensors = vec![
            // +0, -0, 1, the smallest subnormal, the largest finite, -infinity
            tensor(
                "z/weight",
                &[2, 3],
                &[0, 1 << 31, 0x3f80_0000, 1, 0x7f7f_ffff, 0xff80_0000],
            ),
            // quiet and signaling NaNs with payloads and signs
            tensor(
                "a \"quoted\" bias",
                &[3],
                &[0x7fc1_2345, 0xffc0_0001, 0x7f80_0001],
            ),
            tensor("scalar", &[], &[0x4049_0fdb]),
            tensor("empty", &[0, 7], &[]),
        ];
        let metadata = [
            ("seed", "7"),
            ("note", r#"{"crc32c":"ffffffff"} ünïcode"#),
            ("a", ""),
        ];
        let metadata = metadata.map(|(k, v)| (k.to_owned(), v.to_owned()));
        (tensors, metadata.into())
    }

    fn write_example() -> (TempDir, PathBuf) {
        let (tensors, metadata) = example();
        let dir = tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        let views: Vec<_> = tensors.iter().map(Tensor::view).collect();
        write(&path, &views, &metadata).unwrap();
        (dir, path)
    }

    fn bits(tensors: &[Tensor]) -> Vec<(&str, &[usize], Vec<u32>)> {
        let bits = |t: &Tensor| t.values.iter().map(|x| x.to_bits()).collect();
        tensors
            .iter()
            .map(|t| (&*t.name, &*t.shape, bits(t)))
            .collect()
    }

    #[test]
    fn every_bit_survives_and_the_bytes_are_fixed() {
        let (_dir, path) = write_example();
        let (tensors, metadata) = example();
        let file = read(&path).unwrap();
        assert_eq!(bits(&file.tensors), bits(&tensors));
        assert_eq!(file.metadata, metadata);
        assert_eq!(file.get("scalar").unwrap().values, [std::f32::consts::PI]);
        assert!(file.get("other").is_none());
        let (_dir, again) = write_example();
        assert_eq!(fs::read(path).unwrap(), fs::read(again).unwrap());
    }

    #[test]
    fn large_tensors_cross_the_blocks() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("x");
        let values: Vec<f32> = (0..40_000).map(|i| i as f32 * 0.37).collect();
        let view = |name, shape| View {
            name,
            shape,
            values: &values,
        };
        write(
            &path,
            &[view("a", &[200, 200]), view("b", &[40_000])],
            &BTreeMap::new(),
        )
        .unwrap();
        let file = read(&path).unwrap();
        assert!(file.tensors.iter().all(|t| t.values == values));
    }

    /// The `safetensors` crate as a second reader and writer.
    #[test]
    fn other_readers_and_writers_agree() {
        use safetensors::tensor::{SafeTensors, TensorView, serialize};
        let (dir, path) = write_example();
        let bytes = fs::read(&path).unwrap();
        let other = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(other.len(), 4);
        let weight = other.tensor("z/weight").unwrap();
        assert_eq!((weight.dtype(), weight.shape()), (Dtype::F32, &[2, 3][..]));
        let start = weight.data().as_ptr() as usize - bytes.as_ptr() as usize;
        assert_eq!(start % 8, 0, "the values are aligned");

        let data: Vec<u8> = [1.5f32, -2.0]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let path = dir.path().join("y");
        let save = |dtype, shape: Vec<usize>| {
            let view = TensorView::new(dtype, shape, &data).unwrap();
            fs::write(&path, serialize([("w", view)], None).unwrap()).unwrap();
            read(&path)
        };
        assert_eq!(
            save(Dtype::F32, vec![2]).unwrap().tensors[0].values,
            [1.5, -2.0]
        );
        assert!(matches!(
            save(Dtype::F64, vec![1]).unwrap_err(),
            RunError::Malformed { expected, found, .. } if expected.contains("`w`") && found == "F64"
        ));
    }

    #[test]
    fn a_file_cut_anywhere_says_so() {
        let (_dir, path) = write_example();
        let whole = fs::read(&path).unwrap();
        for n in 0..whole.len() {
            fs::write(&path, &whole[..n]).unwrap();
            match read(&path).unwrap_err() {
                RunError::Length {
                    expected,
                    found,
                    path: named,
                } => {
                    assert!(
                        found == n as u64 && found < expected && expected <= whole.len() as u64
                    );
                    assert_eq!(named, path);
                }
                other => panic!("cut at {n}: {other}"),
            }
        }
        let longer = [&whole[..], b"x"].concat();
        fs::write(&path, longer).unwrap();
        assert!(matches!(
            read(&path).unwrap_err(),
            RunError::Length { expected, .. } if expected == whole.len() as u64
        ));
    }

    #[test]
    fn every_damaged_byte_is_found() {
        let (_dir, path) = write_example();
        let whole = fs::read(&path).unwrap();
        let mut unseen = 0;
        for place in 0..whole.len() {
            for flip in [0x01, 0x80] {
                let mut damaged = whole.clone();
                damaged[place] ^= flip;
                fs::write(&path, damaged).unwrap();
                match read(&path) {
                    Err(error) => assert_eq!(error.path(), Some(&*path)),
                    // Only the checksum's own key can be damaged unseen; the content is whole then.
                    Ok(file) => {
                        assert_eq!(bits(&file.tensors), bits(&example().0), "byte {place}");
                        assert_eq!(file.metadata["note"], example().1["note"]);
                        unseen += 1;
                    }
                }
            }
        }
        assert!(unseen <= CHECKSUM.len());
    }

    #[test]
    fn hostile_headers_are_refused() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("x");
        for (header, n_data) in [
            ("", 0),
            ("[]", 0),
            ("{", 0),
            (
                r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#,
                8,
            ),
            (
                r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
                8,
            ),
            (
                r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}"#,
                8,
            ),
            (
                r#"{"a":{"dtype":"Q32","shape":[1],"data_offsets":[0,4]}}"#,
                4,
            ),
            (
                r#"{"a":{"dtype":"F32","shape":[9223372036854775807,4],"data_offsets":[0,4]}}"#,
                4,
            ),
            (
                r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
                4,
            ),
            (r#"{"__metadata__":{"crc32c":"12"}}"#, 0),
            (r#"{"__metadata__":{"crc32c":"zzzzzzzz"}}"#, 0),
            (r#"{"__metadata__":{"crc32c" : "00000000"}}"#, 0),
        ] {
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.as_bytes());
            bytes.resize(bytes.len() + n_data, 0);
            fs::write(&path, bytes).unwrap();
            let error = read(&path).unwrap_err();
            assert!(
                matches!(error, RunError::Malformed { .. }),
                "{header}: {error}"
            );
        }
        fs::write(&path, b"step,elbo\n1,-30.0\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("no safetensors file"), "{error}");
        assert!(matches!(
            read(dir.path().join("missing")).unwrap_err(),
            RunError::Io { action: "read", .. }
        ));
    }

    #[test]
    fn a_callers_mistake_writes_nothing() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("x");
        let view = |name, shape| View {
            name,
            shape,
            values: &[1.0, 2.0],
        };
        let none = BTreeMap::new();
        assert!(matches!(
            write(&path, &[view("a", &[3])], &none).unwrap_err(),
            RunError::Shape {
                expected: 3,
                got: 2,
                ..
            }
        ));
        for (names, metadata) in [
            (["a", "a"], none.clone()),
            (["a", "__metadata__"], none),
            (
                ["a", "b"],
                BTreeMap::from([("crc32c".into(), String::new())]),
            ),
        ] {
            let error = write(&path, &names.map(|n| view(n, &[2])), &metadata).unwrap_err();
            assert!(matches!(error, RunError::Name { .. }));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
