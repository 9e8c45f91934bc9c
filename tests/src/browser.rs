//! A stranger who speaks HTTP to the page's server: with any headers, and over a WebSocket. It knows nothing of the project.

use crate::patience::PATIENCE;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

/// A browser at one server.
#[derive(Debug, Clone)]
pub struct Browser {
    /// `HOST:PORT`.
    pub host: String,
    /// The session's token, where it has it.
    pub session: Option<String>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(of, _)| of == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON, if it was answered with 200.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }
}

impl Browser {
    /// At the server of this link, as it is printed: with its session.
    pub fn by_link(link: &str) -> Self {
        let bare = link.strip_prefix("http://").unwrap();
        let (host, fragment) = bare.split_once("/#session=").unwrap();
        Self { host: host.to_owned(), session: Some(fragment.to_owned()) }
    }

    /// The same without the session.
    pub fn reader(&self) -> Self {
        Self { session: None, ..self.clone() }
    }

    /// Sends a request with exactly these headers (and a length).
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.begin(method, path, headers, body);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Answer { status, headers, body: answer[end + 4..].to_vec() }
    }

    /// Of HTTP/1.0: who answers closes at the end, and sends no chunks.
    fn begin(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.0\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes()).unwrap();
        // A server that refuses the head may close before it has read the body.
        let _ = stream.write_all(body);
        stream
    }

    fn with_own(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut headers = vec![("host".to_owned(), self.host.clone())];
        headers.extend(self.session.iter().map(|token| ("x-hedgerow-session".to_owned(), token.clone())));
        headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        headers
    }

    /// Asks as the page does.
    pub fn ask(&self, method: &str, path: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
        let headers = self.with_own(more);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.send(method, path, &headers, body)
    }

    /// Reads.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    /// Changes something, with a body of JSON.
    pub fn change(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.ask(method, path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// Server-sent events, one after another: name and data.
    pub fn events(&self, path: &str) -> impl Iterator<Item = (String, Value)> + use<> {
        let headers = self.with_own(&[]);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let lines = BufReader::new(self.begin("GET", path, &headers, b"")).lines();
        let mut name = String::new();
        lines.map_while(Result::ok).filter_map(move |line| {
            if let Some(word) = line.strip_prefix("event: ") {
                name = word.to_owned();
            }
            let data = line.strip_prefix("data: ")?;
            Some((name.clone(), serde_json::from_str(data).unwrap()))
        })
    }

    /// Opens a WebSocket, from a page of this origin.
    ///
    /// # Errors
    /// The status line, where it is refused.
    pub fn socket(&self, path: &str, origin: &str) -> Result<Socket, String> {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = &self.host;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if !line.contains(" 101 ") {
            return Err(line);
        }
        while line.trim() != "" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        Ok(Socket { stream, reader })
    }
}

/// An open WebSocket.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Socket {
    /// Sends a text of less than 64 KiB.
    pub fn say(&mut self, value: &Value) {
        self.send(1, value.to_string().as_bytes());
    }

    /// Sends a frame of any kind, with any bytes.
    pub fn send(&mut self, kind: u8, body: &[u8]) {
        let mut frame = vec![0x80 | kind, 0x80 | 127];
        frame.extend((body.len() as u64).to_be_bytes());
        // A mask of zeros changes nothing.
        frame.extend([0; 4]);
        // Control frames say their length in one byte.
        if kind & 8 != 0 {
            frame = vec![0x80 | kind, 0x80 | u8::try_from(body.len()).unwrap(), 0, 0, 0, 0];
        }
        frame.extend(body);
        // A server that refuses it may close before it has taken all.
        let _ = self.stream.write_all(&frame);
    }

    /// The next text; pings are passed over. `None`: it was closed.
    pub fn hear(&mut self) -> Option<Value> {
        loop {
            match self.frame()? {
                (1, body) => return Some(serde_json::from_slice(&body).unwrap()),
                (8, _) => return None,
                _ => {}
            }
        }
    }

    /// The code with which it is closed, whatever comes before.
    pub fn closed(&mut self) -> Option<u16> {
        loop {
            if let (8, body) = self.frame()? {
                return Some(u16::from_be_bytes([*body.first()?, *body.get(1)?]));
            }
        }
    }

    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.reader.read_exact(&mut head).ok()?;
        let mut length = u64::from(head[1] & 0x7f);
        let long = match length {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if long > 0 {
            let mut bytes = [0; 8];
            self.reader.read_exact(&mut bytes[8 - long..]).ok()?;
            length = u64::from_be_bytes(bytes);
        }
        let mut body = vec![0; usize::try_from(length).unwrap()];
        self.reader.read_exact(&mut body).ok()?;
        Some((head[0] & 0x0f, body))
    }
}
