//! The downloader against a server on the loopback interface that misbehaves as told.

use super::*;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

/// 70,000 bytes, more than one read.
const N_BYTES: u64 = 70_000;
/// Of [`content`].
const FILE: RemoteFile = RemoteFile {
    name: "numbers.bin",
    bytes: N_BYTES,
    sha256: "",
};

fn content() -> Vec<u8> {
    (0..N_BYTES as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// What the server does with one request.
#[derive(Clone)]
enum Act {
    /// Sends all that is asked for.
    Serve,
    /// Announces all, sends so many bytes, closes.
    CutAfter(usize),
    /// Sends everything from the start, whatever range is asked for.
    IgnoreRange,
    /// Sends other bytes of the same number.
    Wrong,
    /// Sends a short web page instead.
    Page,
    /// Answers with this status.
    Status(u16),
}

struct Server {
    base: String,
    /// The range header of each request, empty where there was none.
    ranges: Arc<Mutex<Vec<String>>>,
}

/// Answers one request after another as told; then connections are refused.
fn serve(acts: &[Act]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/data/", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let (acts, seen) = (acts.to_vec(), ranges.clone());
    thread::spawn(move || {
        for act in acts {
            let (mut socket, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            assert!(request.starts_with("GET /data/numbers.bin "), "{request}");
            let mut range = String::new();
            for line in lines.by_ref().map(Result::unwrap) {
                if line.is_empty() {
                    break;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("range: ") {
                    range = value.to_string();
                }
            }
            seen.lock().unwrap().push(range.clone());
            let begin = range
                .strip_prefix("bytes=")
                .and_then(|r| r.trim_end_matches('-').parse().ok())
                .unwrap_or(0);
            let all = content();
            let (from, body) = match act {
                Act::Serve | Act::CutAfter(_) => (begin, all[begin..].to_vec()),
                Act::IgnoreRange => (0, all),
                Act::Wrong => (begin, vec![7; all.len() - begin]),
                Act::Page => (0, b"<html>sign in</html>".to_vec()),
                Act::Status(_) => (0, Vec::new()),
            };
            let status = match act {
                Act::Status(code) => code,
                _ if from > 0 => 206,
                _ => 200,
            };
            let place = match from {
                0 => String::new(),
                _ => format!("content-range: bytes {from}-{}/{N_BYTES}\r\n", N_BYTES - 1),
            };
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{place}connection: close\r\n\r\n",
                body.len()
            );
            let sent = match act {
                Act::CutAfter(n) => &body[..n],
                _ => &body[..],
            };
            // The client may hang up first, as it should when it has seen enough.
            let _ = socket.write_all(head.as_bytes());
            let _ = socket.write_all(sent);
        }
    });
    Server { base, ranges }
}

/// An address that nobody listens on.
fn refused() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/data/", listener.local_addr().unwrap())
}

fn pinned() -> RemoteFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    fs::write(&path, content()).unwrap();
    RemoteFile {
        sha256: sha256_of_file(&path).unwrap().leak(),
        ..FILE
    }
}

fn fetch(bases: &[&str], folder: &Path) -> Result<(), DataError> {
    Downloader::new(bases.iter().copied())
        .fetch(&[pinned()], folder, &mut |_| ControlFlow::Continue(()))
}

fn check_fetched(folder: &Path) {
    assert_eq!(fs::read(folder.join(FILE.name)).unwrap(), content());
    assert!(!folder.join("numbers.bin.part").exists());
}

fn failures(result: Result<(), DataError>) -> Vec<Failure> {
    match result {
        Err(DataError::Download { attempts, .. }) => attempts
            .into_iter()
            .map(|attempt| attempt.failure)
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_download_is_whole_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&[Act::Serve]);
    let mut seen = Vec::new();
    Downloader::new([server.base.as_str()])
        .fetch(&[pinned()], folder.path(), &mut |p| {
            seen.push((p.done, p.total));
            ControlFlow::Continue(())
        })
        .unwrap();
    check_fetched(folder.path());
    assert_eq!(seen.last(), Some(&(N_BYTES, N_BYTES)));
    assert!(seen.windows(2).all(|w| w[0].0 < w[1].0));
    // The second time nobody is asked.
    fetch(&[&refused()], folder.path()).unwrap();
}

#[test]
fn a_truncated_body_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&[Act::CutAfter(30_000), Act::CutAfter(10_000), Act::Serve]);
    fetch(&[&server.base], folder.path()).unwrap();
    check_fetched(folder.path());
    assert_eq!(
        *server.ranges.lock().unwrap(),
        ["", "bytes=30000-", "bytes=40000-"]
    );
}

#[test]
fn a_truncated_body_is_kept_for_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&[Act::CutAfter(30_000), Act::CutAfter(0)]);
    let failed = failures(fetch(&[&server.base], folder.path()));
    let cut = Failure::Truncated {
        expected: N_BYTES,
        found: 30_000,
    };
    assert_eq!(failed, [cut.clone(), cut]);
    assert!(!folder.path().join(FILE.name).exists());
    let other = serve(&[Act::Serve]);
    fetch(&[&other.base], folder.path()).unwrap();
    check_fetched(folder.path());
    assert_eq!(*other.ranges.lock().unwrap(), ["bytes=30000-"]);
}

#[test]
fn a_server_without_ranges_is_read_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&[Act::CutAfter(30_000), Act::IgnoreRange]);
    fetch(&[&server.base], folder.path()).unwrap();
    check_fetched(folder.path());
}

#[test]
fn a_wrong_hash_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&[Act::Wrong]);
    let result = fetch(&[&server.base], folder.path());
    let text = result.as_ref().unwrap_err().to_string();
    assert!(text.contains("numbers.bin: expected sha256 "), "{text}");
    let failed = failures(result);
    assert!(matches!(&failed[..], [Failure::Hash { expected, .. }] if expected == pinned().sha256));
    assert!(!folder.path().join(FILE.name).exists());
    assert!(!folder.path().join("numbers.bin.part").exists());
}

#[test]
fn a_wrong_older_piece_is_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("numbers.bin.part"), vec![1; 500]).unwrap();
    let server = serve(&[Act::Serve, Act::Serve]);
    fetch(&[&server.base], folder.path()).unwrap();
    check_fetched(folder.path());
    assert_eq!(*server.ranges.lock().unwrap(), ["bytes=500-", ""]);
}

#[test]
fn a_damaged_file_in_the_cache_is_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE.name), b"damaged").unwrap();
    fetch(&[&serve(&[Act::Serve]).base], folder.path()).unwrap();
    check_fetched(folder.path());
}

#[test]
fn mirrors_are_tried_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let bad = [
        serve(&[Act::Status(404)]).base,
        refused(),
        serve(&[Act::Page]).base,
        serve(&[Act::Wrong]).base,
        "http://example.com/data/".into(),
    ];
    let mut bases: Vec<&str> = bad.iter().map(String::as_str).collect();
    let failed = failures(fetch(&bases, folder.path()));
    assert_eq!(failed[0], Failure::Status(404));
    assert!(
        matches!(&failed[1], Failure::Connection(words) if words.to_lowercase().contains("refused")),
        "{:?}",
        failed[1]
    );
    let bad = [
        serve(&[Act::Status(404)]).base,
        refused(),
        serve(&[Act::Page]).base,
        serve(&[Act::Wrong]).base,
    ];
    assert_eq!(
        failed[2],
        Failure::Length {
            expected: N_BYTES,
            found: 20
        }
    );
    assert!(matches!(failed[3], Failure::Hash { .. }));
    assert_eq!(failed[4], Failure::NotHttps);
    let good = serve(&[Act::Serve]);
    bases = bad.iter().map(String::as_str).collect();
    bases.push(&good.base);
    fetch(&bases, folder.path()).unwrap();
    check_fetched(folder.path());
}

#[test]
fn a_refused_connection_tells_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let base = refused();
    let error = fetch(&[&base], folder.path()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("cannot download numbers.bin (70000 bytes)\n  "),
        "{text}"
    );
    assert!(text.contains(&format!("{base}numbers.bin: ")), "{text}");
    assert!(text.contains("hint: "), "{text}");
}

#[test]
fn a_stop_keeps_what_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&[Act::Serve]);
    let stopped =
        Downloader::new([server.base.as_str()])
            .fetch(&[pinned()], folder.path(), &mut |_| ControlFlow::Break(()));
    let Err(DataError::Stopped { done, bytes, .. }) = stopped else {
        panic!("{stopped:?}")
    };
    assert!(done > 0 && bytes == N_BYTES);
    assert_eq!(size_of(&folder.path().join("numbers.bin.part")), done);
}

#[test]
fn two_at_once_download_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&[Act::Serve]);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| fetch(&[&server.base], folder.path()).unwrap());
        }
    });
    check_fetched(folder.path());
    assert_eq!(server.ranges.lock().unwrap().len(), 1);
}

#[test]
fn https_is_spoken_and_a_server_that_does_not_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("https://{}/data/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut first = [0; 1];
        socket.read_exact(&mut first).unwrap();
        socket.write_all(b"no tls here").unwrap();
        first[0]
    });
    let folder = tempfile::tempdir().unwrap();
    let failed = failures(fetch(&[&base], folder.path()));
    assert!(
        matches!(&failed[..], [Failure::Connection(_)]),
        "{failed:?}"
    );
    // 22 opens a TLS handshake record.
    assert_eq!(server.join().unwrap(), 22);
}

#[test]
fn only_this_machine_goes_without_https() {
    for local in [
        "http://127.0.0.1:8/x",
        "http://localhost/x",
        "http://[::1]:80/x",
    ] {
        assert!(is_loopback(local), "{local}");
    }
    for other in [
        "http://example.com/",
        "http://127.0.0.1.example.com/",
        "https://127.0.0.1/",
        "ftp://127.0.0.1/",
    ] {
        assert!(!is_loopback(other), "{other}");
    }
}

#[test]
fn the_catalogue_downloads_through_the_mirrors_of_the_options() {
    let cache = tempfile::tempdir().unwrap();
    let options = crate::OpenOptions {
        cache: Some(cache.path().into()),
        mirrors: vec![refused()],
        ..crate::OpenOptions::default()
    };
    let error = crate::open("mnist", &options).unwrap_err();
    let DataError::Download { file, folder, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(file, "train-images-idx3-ubyte.gz");
    assert_eq!(*folder, cache.path().join("data/mnist"));
}
