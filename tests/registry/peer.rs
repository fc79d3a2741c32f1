//! A peer that answers by hand: what it is asked goes to a function of the test, which may answer anything.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub method: String,
    /// path and query
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// What it answers.
#[derive(Debug, Clone)]
pub struct Answer {
    status: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// the length that it claims; its own where nothing is said
    length: Option<usize>,
    /// the body again and again
    endless: bool,
    /// nothing comes after the body, and the connection stays
    stalls: bool,
    /// the body again and again, with a pause after each
    trickles: bool,
}

impl Answer {
    pub fn status(status: &'static str) -> Answer {
        let (headers, body) = (Vec::new(), Vec::new());
        Answer { status, headers, body, length: None, endless: false, stalls: false, trickles: false }
    }

    pub fn ok(body: impl Into<Vec<u8>>) -> Answer {
        Answer { body: body.into(), ..Answer::status("200 OK") }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn bytes(mut self, body: &[u8]) -> Answer {
        self.body = body.to_vec();
        self
    }

    pub fn saying(mut self, body: &str) -> Answer {
        self.body = body.into();
        self
    }

    /// It claims to be so long, and ends where it ends.
    pub fn claiming(mut self, length: usize) -> Answer {
        self.length = Some(length);
        self
    }

    /// It says nothing any more, for as long as a test may take.
    pub fn stalling(mut self) -> Answer {
        self.stalls = true;
        self
    }

    /// It says its body again and again, slowly, and never comes to an end.
    pub fn trickling(mut self) -> Answer {
        self.trickles = true;
        if self.body.is_empty() {
            self.body.push(b' ');
        }
        self.claiming(60_000)
    }

    pub fn endless(mut self) -> Answer {
        self.endless = true;
        self
    }
}

/// A listener on a free port of 127.0.0.1. It speaks no TLS.
pub struct Peer {
    /// `127.0.0.1:PORT`
    pub host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Starts one. The function gets a request and the peer's own address.
    pub fn start(answer: impl Fn(&Asked, &str) -> Answer + Send + Sync + 'static) -> Peer {
        Peer::start_cutting(usize::MAX, answer)
    }

    /// The same, but of the first body that is longer than this only so much is read: then the connection is cut,
    /// without an answer.
    pub fn start_cutting(
        most: usize,
        answer: impl Fn(&Asked, &str) -> Answer + Send + Sync + 'static,
    ) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let (asked, stop) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<AtomicBool>::default());
        let (log, ended, name) = (asked.clone(), stop.clone(), host.clone());
        let answer = Arc::new(answer);
        let cuts = Arc::new(AtomicBool::new(most != usize::MAX));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (answer, log, name, cuts) = (answer.clone(), log.clone(), name.clone(), cuts.clone());
                std::thread::spawn(move || {
                    // who hangs up has heard enough
                    let _ = serve(stream, most, &cuts, &log, |asked| answer(asked, &name));
                });
            }
        });
        Peer { host, asked, stop, thread: Some(thread) }
    }

    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // wakes it up
        let _ = TcpStream::connect(&self.host);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    stream: TcpStream,
    most: usize,
    cuts: &AtomicBool,
    log: &Mutex<Vec<Asked>>,
    answer: impl Fn(&Asked) -> Answer,
) -> std::io::Result<()> {
    let mut first = [0];
    // TLS begins with 22, and nobody here speaks it
    if stream.peek(&mut first)? == 0 || first[0] == 22 {
        return Ok(());
    }
    let mut reader = BufReader::new(stream.try_clone()?);
    let Some(mut asked) = head(&mut reader)? else { return Ok(()) };
    let length: usize = asked.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let cut = length > most && cuts.swap(false, Ordering::Relaxed);
    let mut body = vec![0; if cut { most } else { length }];
    reader.read_exact(&mut body)?;
    asked.body = body;
    log.lock().expect("no panic").push(asked.clone());
    if cut {
        return stream.shutdown(std::net::Shutdown::Both);
    }
    let answer = answer(&asked);
    let mut out = &stream;
    let length = answer.length.unwrap_or(answer.body.len());
    let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", answer.status);
    if !answer.endless {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    out.write_all(format!("{head}\r\n").as_bytes())?;
    if asked.method == "HEAD" {
        return Ok(());
    }
    loop {
        out.write_all(&answer.body)?;
        if answer.stalls {
            out.flush()?;
            // until the other side is gone
            return reader.read(&mut [0]).map(drop);
        }
        if answer.trickles {
            std::thread::sleep(std::time::Duration::from_millis(20));
        } else if !answer.endless {
            return out.flush();
        }
    }
}

fn head(reader: &mut impl BufRead) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut asked = Asked { method, path, ..Asked::default() };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(Some(asked));
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        asked.headers.push((name.trim().into(), value.trim().into()));
    }
}
