//! How a connection begins: in plain text or encrypted, as `sslmode` asks and the server answers.
//!
//! tokio-postgres would ask the server itself, and then read what is not encrypted straight from the socket. Asked for
//! encryption without that question (`sslnegotiation=direct`), it leaves both to the connector, so that [`Pieces`] is between it and
//! every server.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::conninfo::Conninfo;
use super::pieces::Pieces;
use super::tls::{Tls, Trust};

/// The question whether the server takes an encrypted connection: a length of 8 and the number of SSLRequest.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F];
const YES: u8 = b'S';

/// Begins connections to one server.
#[derive(Clone)]
pub(super) struct Connector {
    trust: Trust,
    tls: MakeRustlsConnect,
}

pub(super) struct Beginning<S: Socket> {
    trust: Trust,
    tls: <MakeRustlsConnect as MakeTlsConnect<S>>::TlsConnect,
}

/// A connection as it was agreed on.
pub(super) struct Agreed<S: Socket> {
    wire: Wire<S>,
    pieces: Pieces,
}

enum Wire<S: Socket> {
    Plain(S),
    Encrypted(<MakeRustlsConnect as MakeTlsConnect<S>>::Stream),
}

/// What leads to a server.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Socket for S {}

/// Why there is no connection.
pub(super) enum NotOpened {
    /// Nothing answers at the socket's file.
    Socket(io::Error),
    /// The server cannot be reached, or refused.
    Refused(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for NotOpened {
    fn from(cause: tokio_postgres::Error) -> Self {
        Self::Refused(cause)
    }
}

/// Connects, and returns the client together with the task that drives its connection.
pub(super) async fn open(conninfo: &Conninfo) -> Result<(Client, JoinHandle<()>), NotOpened> {
    let mut connector = Connector::new(conninfo.tls());
    let mut config = conninfo.config().clone();
    config
        .ssl_mode(SslMode::Require)
        .ssl_negotiation(SslNegotiation::Direct);
    let Some(file) = conninfo.socket_file() else {
        let (client, connection) = config.connect(connector).await?;
        return Ok((client, drive(connection)));
    };
    let socket = UnixStream::connect(file).await.map_err(NotOpened::Socket)?;
    let Ok(beginning) = connector.make_tls_connect("");
    let (client, connection) = config.connect_raw(socket, beginning).await?;
    Ok((client, drive(connection)))
}

fn drive<S: Socket, T: Socket>(connection: Connection<S, T>) -> JoinHandle<()> {
    tokio::spawn(async move {
        // How the connection ended is told by whichever statement was under way.
        let _ = connection.await;
    })
}

impl Connector {
    pub(super) fn new(tls: &Tls) -> Self {
        Self {
            trust: tls.trust(),
            tls: MakeRustlsConnect::new(tls.config()),
        }
    }
}

impl<S: Socket> MakeTlsConnect<S> for Connector {
    type Stream = Agreed<S>;
    type TlsConnect = Beginning<S>;
    type Error = Infallible;

    fn make_tls_connect(&mut self, host: &str) -> Result<Beginning<S>, Infallible> {
        let tls = MakeTlsConnect::<S>::make_tls_connect(&mut self.tls, host)?;
        Ok(Beginning {
            trust: self.trust,
            tls,
        })
    }
}

impl<S: Socket> TlsConnect<S> for Beginning<S> {
    type Stream = Agreed<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Agreed<S>>> + Send>>;

    fn connect(self, mut socket: S) -> Self::Future {
        let Self { trust, tls } = self;
        Box::pin(async move {
            let is_offered = trust != Trust::Plain && offers_encryption(&mut socket).await?;
            let wire = match (is_offered, trust) {
                (true, _) => Wire::Encrypted(tls.connect(socket).await?),
                (false, Trust::Plain | Trust::IfOffered) => Wire::Plain(socket),
                (false, _) => return Err(io::Error::other("server does not support TLS")),
            };
            Ok(Agreed {
                wire,
                pieces: Pieces::new(),
            })
        })
    }
}

/// Not a byte more is read than the answer: what follows it must come encrypted.
async fn offers_encryption(socket: &mut impl Socket) -> io::Result<bool> {
    socket.write_all(&SSL_REQUEST).await?;
    Ok(socket.read_u8().await? == YES)
}

impl<S: Socket> Wire<S> {
    fn socket(&mut self) -> Pin<&mut dyn Socket> {
        match self {
            Self::Plain(socket) => Pin::new(socket),
            Self::Encrypted(socket) => Pin::new(socket),
        }
    }
}

impl<S: Socket> AsyncRead for Agreed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { wire, pieces } = self.get_mut();
        pieces.poll_read(wire.socket(), context, room)
    }
}

impl<S: Socket> AsyncWrite for Agreed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.wire.socket().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.socket().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.socket().poll_shutdown(context)
    }
}

impl<S: Socket> TlsStream for Agreed<S> {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.wire {
            Wire::Plain(_) => ChannelBinding::none(),
            Wire::Encrypted(socket) => socket.channel_binding(),
        }
    }
}
