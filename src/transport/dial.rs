//! The other side of the WebSocket handshake: for our own client commands and the conformance suite.

use std::io;

use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The address or the token cannot be.
    #[error("{0}")]
    Address(String),
    /// Nobody is there.
    #[error(transparent)]
    Nobody(io::Error),
    /// The bridge does not let us in.
    #[error("the handshake is refused: {0}")]
    Refused(StatusCode),
    /// The handshake went wrong.
    #[error(transparent)]
    Handshake(Box<Error>),
}

/// Connects to `ws://HOST:PORT/PATH`, port 80 if none is named. A token goes into the handshake.
///
/// # Errors
/// What is wrong with the address, or what the other side says.
pub async fn websocket(
    url: &str,
    token: Option<&str>,
) -> Result<WebSocketStream<TcpStream>, DialError> {
    let wrong = |error: &dyn std::fmt::Display| DialError::Address(error.to_string());
    let mut request = url.into_client_request().map_err(|error| wrong(&error))?;
    if request.uri().scheme_str() != Some("ws") {
        return Err(wrong(&"expected ws://HOST:PORT/ws"));
    }
    if let Some(token) = token {
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let value = value.map_err(|error| wrong(&error))?;
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    let uri = request.uri();
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await;
    let stream = stream.map_err(DialError::Nobody)?;
    stream.set_nodelay(true).map_err(DialError::Nobody)?;
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer))
            if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&answer.status()) =>
        {
            Err(DialError::Refused(answer.status()))
        }
        Err(error) => Err(DialError::Handshake(Box::new(error))),
    }
}
