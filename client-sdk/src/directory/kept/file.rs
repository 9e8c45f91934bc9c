//! The file of the kept directory: a head, records, and a sum over all. It must never be trusted: any bytes are read without
//! harm, and what does not hold together is refused as a whole.

use super::{Inner, KeptService, MAX_KEPT, MAX_LOOKUPS};
use hedgerow_model::registration::{Id, Mesh};
use hedgerow_proto::lookup::Signed;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What it begins with; the last character is the version of the format.
const HEAD: &[u8] = b"hedgerow directory 1\n";
/// A larger file is not read. One that is written is smaller, or holds fewer services.
const MAX_BYTES: usize = 64 * 1024 * 1024;

const KEY: u8 = b'k';
const MESH: u8 = b'm';
const LOOKUP: u8 = b'l';
const SERVICE: u8 = b's';

/// Why the last known directory cannot be used or kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeptError {
    /// The system refuses.
    #[error("cannot {what} the last known directory in {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// It is not what was written.
    #[error("the last known directory in {path} is damaged ({problem}): not used, and written anew")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// FNV-1a: against damage, not against people.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

pub(super) fn bytes_of(inner: &Inner) -> Vec<u8> {
    let mut bytes = HEAD.to_vec();
    record(&mut bytes, KEY, &[inner.key.as_bytes()]);
    if let Some(mesh) = &inner.mesh {
        record(&mut bytes, MESH, &[&mesh.id.0, mesh.name.as_bytes()]);
    }
    for url in &inner.lookups {
        record(&mut bytes, LOOKUP, &[url.as_bytes()]);
    }
    for (id, service) in &inner.services {
        let Signed { body, public_key, signature } = &service.signed;
        if bytes.len() + body.len() + 256 > MAX_BYTES {
            break;
        }
        let term = u64::try_from(service.term.as_millis()).unwrap_or(u64::MAX);
        let parts =
            [&id.0, &service.seen.to_le_bytes()[..], &term.to_le_bytes(), public_key, signature, body];
        record(&mut bytes, SERVICE, &parts);
    }
    let sum = checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

fn record(bytes: &mut Vec<u8>, tag: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    bytes.push(tag);
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
}

/// What the file holds; `None`: there is none, or it is that of other lookups.
pub(super) fn read(path: &Path, key: &str) -> Result<Option<Inner>, KeptError> {
    let io = |source| KeptError::Io { what: "read", path: path.to_owned(), source: Arc::new(source) };
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(io)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    parse(&bytes, key).map_err(|problem| KeptError::Damaged { path: path.to_owned(), problem })
}

pub(super) fn parse(bytes: &[u8], key: &str) -> Result<Option<Inner>, &'static str> {
    if bytes.len() > MAX_BYTES {
        return Err("larger than any that is written");
    }
    let (said, sum) = bytes.split_last_chunk::<8>().ok_or("too short")?;
    let mut rest = said.strip_prefix(HEAD).ok_or("it begins otherwise")?;
    if checksum(said) != u64::from_le_bytes(*sum) {
        return Err("its sum does not fit");
    }
    let mut inner = Inner::default();
    let mut ours = false;
    while let Some((tag, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk::<4>().ok_or("cut short")?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| "cut short")?;
        let (part, after) = after.split_at_checked(length).ok_or("cut short")?;
        rest = after;
        match *tag {
            KEY => ours = part == key.as_bytes(),
            MESH => inner.mesh = Some(mesh(part).ok_or("its mesh is none")?),
            LOOKUP if inner.lookups.len() < MAX_LOOKUPS => {
                let url = std::str::from_utf8(part).map_err(|_| "an address is none")?;
                inner.lookups.insert(url.to_owned());
            }
            SERVICE if inner.services.len() < MAX_KEPT => {
                let (id, service) = service(part).ok_or("a service is cut short")?;
                inner.services.insert(id, service);
            }
            LOOKUP | SERVICE => return Err("more than is ever written"),
            _ => return Err("a record of no known kind"),
        }
    }
    Ok(Some(inner).filter(|_| ours))
}

fn mesh(part: &[u8]) -> Option<Mesh> {
    let (id, name) = part.split_first_chunk::<16>()?;
    let name = std::str::from_utf8(name).ok()?;
    hedgerow_model::name::check(name).ok()?;
    Some(Mesh { name: name.to_owned(), id: Id(*id) })
}

fn service(part: &[u8]) -> Option<(Id, KeptService)> {
    let (id, part) = part.split_first_chunk::<16>()?;
    let (seen, part) = part.split_first_chunk::<8>()?;
    let (term, part) = part.split_first_chunk::<8>()?;
    let (key, part) = part.split_first_chunk::<32>()?;
    let (signature, body) = part.split_first_chunk::<64>()?;
    let signed = Signed {
        body: body.to_vec().into(),
        public_key: key.to_vec().into(),
        signature: signature.to_vec().into(),
    };
    let term = Duration::from_millis(u64::from_le_bytes(*term)).min(hedgerow_model::lease::CEILING);
    Some((Id(*id), KeptService { signed, term, seen: i64::from_le_bytes(*seen) }))
}
