//! An HTTP server that answers as a test tells it to, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and path, as in `GET /health`.
    pub what: String,
    pub body: String,
}

/// A server that lives as long as the runtime.
pub struct WebServer {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl WebServer {
    /// Answers the n-th request (from 0) with status and body, or takes it and never answers.
    pub async fn start(
        answer: impl Fn(usize) -> Option<(u16, &'static str)> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (answer, remembered) = (Arc::new(answer), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, remembered) = (Arc::clone(&answer), Arc::clone(&remembered));
                tokio::spawn(async move { serve(stream, &*answer, &remembered).await });
            }
        });
        Self { url, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

async fn serve(
    stream: TcpStream,
    answer: &(dyn Fn(usize) -> Option<(u16, &'static str)> + Send + Sync),
    remembered: &Mutex<Vec<Asked>>,
) {
    let mut stream = BufReader::new(stream);
    let (mut what, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a line");
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if what.is_empty() {
            let mut words = line.split(' ');
            let method = words.next().unwrap_or_default().to_ascii_uppercase();
            what = format!("{method} {}", words.next().unwrap_or_default());
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a body");
    let number = {
        let mut asked = remembered.lock().expect("no panic");
        let body = String::from_utf8(body).expect("text");
        asked.push(Asked { what, body });
        asked.len() - 1
    };
    match answer(number) {
        Some((status, body)) => {
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
        None => std::future::pending().await,
    }
}
