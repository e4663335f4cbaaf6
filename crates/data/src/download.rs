//! Fetches pinned files over HTTPS into a folder: mirrors in turn, resumed after a break, checked by SHA-256.
//!
//! A file grows as `<name>.part` and gets its name when size and hash are right, so a file with its name is whole.
//! An interrupted part is asked on from where it ends (HTTP Range). A lock file keeps two processes apart.

use crate::DataError;
use crate::error::{Attempt, Failure};
use crate::files::{io_error, sha256_of_file, sync_folder_of};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Response, Uri};

#[cfg(test)]
mod tests;

/// Tries at one mirror; a try that brought bytes is followed by another that goes on from there.
const N_TRIES: usize = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// A connection that is silent for so long is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A file with its pinned size and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RemoteFile {
    /// Its name, at the mirrors and in the cache.
    pub(crate) name: &'static str,
    /// Its size, bytes.
    pub(crate) bytes: u64,
    /// Its SHA-256, 64 hexadecimal digits.
    pub(crate) sha256: &'static str,
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file that is coming.
    pub file: &'a str,
    /// Bytes of all wanted files that are here.
    pub done: u64,
    /// Bytes of all wanted files.
    pub total: u64,
}

/// Fetches files from base addresses, tried in turn.
pub(crate) struct Downloader {
    bases: Vec<String>,
    agent: Agent,
}

type Report<'a> = &'a mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>;

/// Why a try ended without the file.
enum Ended {
    /// Another try or mirror may help.
    Failed(Failure),
    /// Nothing else helps.
    Fatal(DataError),
}

impl Downloader {
    /// A downloader for these base addresses, each ending in a slash or not.
    pub(crate) fn new<'a>(bases: impl IntoIterator<Item = &'a str>) -> Self {
        let bases: Vec<String> = bases
            .into_iter()
            .map(|base| format!("{}/", base.trim_end_matches('/')))
            .collect();
        // Redirects have to stay on HTTPS too; what is on this machine needs neither HTTPS nor a proxy.
        let local = bases.iter().any(|base| is_loopback(base));
        let config = Agent::config_builder()
            .https_only(!local)
            .http_status_as_error(false)
            .accept_encoding("identity")
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(READ_TIMEOUT));
        let config = if local { config.proxy(None) } else { config };
        Self {
            bases,
            agent: config.build().into(),
        }
    }

    /// Sees to it that all `files` lie in `folder`, whole and with the right hash.
    pub(crate) fn fetch(
        &self,
        files: &[RemoteFile],
        folder: &Path,
        progress: Report<'_>,
    ) -> Result<(), DataError> {
        fs::create_dir_all(folder).map_err(|e| io_error(folder, "create the folder", e))?;
        let lock_path = folder.join(".lock");
        let lock = File::create(&lock_path).map_err(|e| io_error(&lock_path, "create", e))?;
        lock.lock().map_err(|e| io_error(&lock_path, "lock", e))?;
        let total = files.iter().map(|file| file.bytes).sum();
        let mut before = 0;
        for file in files {
            self.fetch_one(file, folder, &mut |done| {
                progress(&Progress {
                    file: file.name,
                    done: before + done,
                    total,
                })
            })?;
            before += file.bytes;
        }
        Ok(())
    }

    fn fetch_one(
        &self,
        file: &RemoteFile,
        folder: &Path,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), DataError> {
        let path = folder.join(file.name);
        if let Ok(hash) = sha256_of_file(&path) {
            if hash == file.sha256 {
                return Ok(());
            }
            fs::remove_file(&path).map_err(|e| io_error(&path, "remove the damaged", e))?;
        }
        let part = folder.join(format!("{}.part", file.name));
        let mut attempts = Vec::new();
        for base in &self.bases {
            let url = format!("{base}{}", file.name);
            for _ in 0..N_TRIES {
                let had = size_of(&part);
                match self.try_once(&url, file, &part, progress) {
                    Ok(()) => {
                        let rename = || {
                            fs::rename(&part, &path)?;
                            sync_folder_of(&path)
                        };
                        return rename().map_err(|e| io_error(&path, "rename the download to", e));
                    }
                    Err(Ended::Fatal(error)) => return Err(error),
                    Err(Ended::Failed(failure)) => {
                        // A wrong hash after a resume may be the fault of the older piece: begin anew.
                        let again = match failure {
                            Failure::Truncated { found, .. } => found > had,
                            Failure::Hash { .. } => had > 0,
                            _ => false,
                        };
                        attempts.push(Attempt {
                            url: url.clone(),
                            failure,
                        });
                        if !again {
                            break;
                        }
                    }
                }
            }
        }
        Err(DataError::Download {
            file: file.name.into(),
            bytes: file.bytes,
            folder: folder.to_path_buf(),
            attempts,
        })
    }

    /// One request; on success `part` is whole and has the pinned hash.
    fn try_once(
        &self,
        url: &str,
        file: &RemoteFile,
        part: &Path,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), Ended> {
        if !(url.starts_with("https://") || is_loopback(url)) {
            return Err(Ended::Failed(Failure::NotHttps));
        }
        let broken = |e: ureq::Error| Ended::Failed(Failure::Connection(e.to_string()));
        let fatal = |action| move |e| Ended::Fatal(io_error(part, action, e));
        let mut have = size_of(part);
        if have > file.bytes {
            have = 0;
        }
        if have < file.bytes {
            let mut request = self.agent.get(url);
            if have > 0 {
                request = request.header("range", format!("bytes={have}-"));
            }
            let mut response = request.call().map_err(broken)?;
            have = match response.status().as_u16() {
                200 => 0,
                206 if range_start(&response) == Some(have) => have,
                code => return Err(Ended::Failed(Failure::Status(code))),
            };
            if let Some(offered) = response.body().content_length()
                && have + offered != file.bytes
            {
                return Err(Ended::Failed(Failure::Length {
                    expected: file.bytes,
                    found: have + offered,
                }));
            }
            let mut out = File::options()
                .create(true)
                .write(true)
                .truncate(false)
                .open(part)
                .map_err(fatal("open"))?;
            out.set_len(have).map_err(fatal("shorten"))?;
            std::io::Seek::seek(&mut out, std::io::SeekFrom::End(0)).map_err(fatal("seek in"))?;
            let mut body = response.body_mut().as_reader();
            let mut buffer = vec![0; 1 << 16];
            while have < file.bytes {
                let room = usize::try_from(file.bytes - have).unwrap_or(usize::MAX);
                let room = room.min(buffer.len());
                // A broken connection shows as an error or as an early end; both leave a part to go on from.
                let n = body.read(&mut buffer[..room]).unwrap_or(0);
                if n == 0 {
                    break;
                }
                out.write_all(&buffer[..n]).map_err(fatal("write"))?;
                have += n as u64;
                if progress(have).is_break() {
                    out.sync_all().map_err(fatal("write"))?;
                    return Err(Ended::Fatal(DataError::Stopped {
                        file: file.name.into(),
                        done: have,
                        bytes: file.bytes,
                    }));
                }
            }
            out.sync_all().map_err(fatal("write"))?;
            if have < file.bytes {
                return Err(Ended::Failed(Failure::Truncated {
                    expected: file.bytes,
                    found: have,
                }));
            }
        }
        let found = sha256_of_file(part).map_err(fatal("read"))?;
        if found != file.sha256 {
            fs::remove_file(part).map_err(fatal("remove"))?;
            return Err(Ended::Failed(Failure::Hash {
                expected: file.sha256.into(),
                found,
            }));
        }
        Ok(())
    }
}

/// The first byte that a partial answer brings.
fn range_start<T>(response: &Response<T>) -> Option<u64> {
    let value = response.headers().get("content-range")?.to_str().ok()?;
    value
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .parse()
        .ok()
}

fn is_loopback(url: &str) -> bool {
    url.starts_with("http://")
        && url.parse::<Uri>().is_ok_and(|uri| {
            let host = uri.host().unwrap_or_default();
            let address = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost"
                || address
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        })
}

fn size_of(path: &Path) -> u64 {
    path.metadata().map_or(0, |found| found.len())
}
