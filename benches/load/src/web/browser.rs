//! A browser as the server sees it: it opens views over a WebSocket and takes what comes; or asks once. It reads nothing of what
//! it is told, so that what it costs is not measured with the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const PATH: &str = "/api/v1/live/views";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);
const TEXT: u8 = 1;
const PING: u8 = 9;
/// The bit of the last frame of a message, and that of a mask. A mask of zeros changes nothing.
const LAST: u8 = 0x80;
const MASKED: u8 = 0x80;

/// What came over one WebSocket.
#[derive(Debug, Default)]
pub struct Came {
    /// Frames of views.
    pub frames: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
}

/// A browser that looks until it is dropped.
#[derive(Debug)]
pub struct Browser {
    /// What came.
    pub came: Arc<Came>,
    reading: JoinHandle<()>,
}

impl Browser {
    /// Opens views at the server of this `HOST:PORT`.
    pub async fn open(host: &str, views: &[String]) -> Result<Self, String> {
        let mut stream = connected(host).await?;
        let request = format!(
            "GET {PATH} HTTP/1.1\r\nhost: {host}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.map_err(text)?;
        let mut line = String::new();
        stream.read_line(&mut line).await.map_err(text)?;
        if !line.contains(" 101 ") {
            return Err(format!("no WebSocket: {line}"));
        }
        while !line.trim().is_empty() {
            line.clear();
            stream.read_line(&mut line).await.map_err(text)?;
        }
        for (number, view) in views.iter().enumerate() {
            let said = format!("{{\"open\":{number},\"view\":{view}}}");
            let length = u16::try_from(said.len()).map_err(text)?.to_be_bytes();
            let head = [LAST | TEXT, MASKED | 126, length[0], length[1], 0, 0, 0, 0];
            stream.write_all(&[&head, said.as_bytes()].concat()).await.map_err(text)?;
        }
        let came = Arc::new(Came::default());
        let counted = Arc::clone(&came);
        // It ends when the server closes, or says what cannot be.
        let reading = tokio::spawn(async move { drop(read(stream, &counted).await) });
        Ok(Self { came, reading })
    }

    /// Whether it still looks.
    pub fn looks(&self) -> bool {
        !self.reading.is_finished()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(mut stream: BufReader<TcpStream>, came: &Came) -> Result<(), String> {
    let mut body = Vec::new();
    loop {
        let (kind, short) = (stream.read_u8().await.map_err(text)?, stream.read_u8().await.map_err(text)?);
        let length = match short & 0x7f {
            126 => u64::from(stream.read_u16().await.map_err(text)?),
            127 => stream.read_u64().await.map_err(text)?,
            short => u64::from(short),
        };
        body.resize(usize::try_from(length).map_err(text)?, 0);
        stream.read_exact(&mut body).await.map_err(text)?;
        match kind & 0x0f {
            TEXT if body.starts_with(b"{\"view\":")
                && body.windows(7).take(32).any(|at| at == b"\"error\"") =>
            {
                return Err(String::from_utf8_lossy(&body).into_owned());
            }
            TEXT => {
                came.frames.fetch_add(1, Relaxed);
                came.bytes.fetch_add(length, Relaxed);
            }
            PING => stream.write_all(&[LAST | 10, MASKED, 0, 0, 0, 0]).await.map_err(text)?,
            _ => return Ok(()),
        }
    }
}

/// What one question came to.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Bytes of the answer.
    pub bytes: usize,
    /// From sending to its last byte.
    pub took: Duration,
}

/// Asks once; any answer but 200 is an error.
pub async fn get(host: &str, path: &str) -> Result<Told, String> {
    let begun = Instant::now();
    let asking = async {
        let mut stream = connected(host).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(text)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map_err(text)?;
        Ok::<_, String>(answer)
    };
    let answer =
        tokio::time::timeout(PATIENCE, asking).await.map_err(|_| format!("no answer to {path}"))??;
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return Err(format!("{path}: {}", String::from_utf8_lossy(&answer[..answer.len().min(2000)])));
    }
    Ok(Told { bytes: answer.len(), took: begun.elapsed() })
}

async fn connected(host: &str) -> Result<BufReader<TcpStream>, String> {
    let stream = TcpStream::connect(host).await.map_err(|error| format!("{host}: {error}"))?;
    stream.set_nodelay(true).map_err(text)?;
    Ok(BufReader::with_capacity(64 * 1024, stream))
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
