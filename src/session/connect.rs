//! Opens one ZooKeeper session from a configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zookeeper_client as zk;

use super::clock;
use super::handshake;
use crate::config::{Auth, Config, Tls};
use crate::error::{Error, Result};

/// How many entries the library's list of hosts has at least: pauses stay below 2 s for half a minute, 4 s for a whole.
const ENTRIES: usize = 32;

/// A client whose session is established, and when its first request was sent at the earliest.
pub(super) struct Opened {
    pub(super) client: zk::Client,
    pub(super) sent: Duration,
}

/// Tries every host once.
///
/// # Errors
/// `ConnectionLost` where none answered, `AuthFailed` where the credentials or a certificate were refused,
/// `Config` where a secret or a certificate cannot be read, or the servers speak TLS and we do not.
pub(super) async fn open(config: &Config) -> Result<Opened> {
    config.check()?;
    let connector = connector(config, &reveal(&config.auth).await?)?;
    let hosts: Vec<&str> = config.hosts.split(',').collect();
    let entries = entries(&hosts);
    let sent = clock::now();
    let connecting = async {
        match config.tls {
            Some(_) => connector.secure_connect(&entries).await,
            None => connector.connect(&entries).await,
        }
    };
    // A host that accepts and then stays silent would otherwise hold the caller for ever.
    let patience = (config.session_timeout * 2 / 5).saturating_mul(u32::try_from(hosts.len()).unwrap_or(u32::MAX));
    tokio::select! {
        biased;
        connected = tokio::time::timeout(patience.min(config.session_timeout), connecting) => match connected {
            Ok(Ok(client)) => Ok(Opened { client, sent }),
            Ok(Err(zk::Error::NoHosts)) => Err(handshake::refusal(config).await.unwrap_or_else(|| nobody(config))),
            // What broke on the way is `NoHosts`; this was said before anything was sent, of the files.
            Ok(Err(error @ zk::Error::Custom(_))) => Err(unusable(config.tls.as_ref(), &error)),
            Ok(Err(error)) => Err(Error::from_client(&error, "connect to", &config.hosts)),
            Err(_) => Err(nobody(config)),
        },
        why = handshake::refused_soon(config) => Err(why),
    }
}

/// The credentials as they are now, beside their schemes. They live as long as the handshake, and in the library as
/// long as the session, which presents them again whenever it reconnects.
async fn reveal(auth: &[Auth]) -> Result<Vec<(String, String)>> {
    let read = |auth: Vec<Auth>| auth.into_iter().map(|auth| Ok((auth.scheme, auth.credential.reveal()?))).collect();
    let auth = auth.to_vec();
    if !auth.iter().any(|auth| auth.credential.is_asked()) {
        return read(auth);
    }
    // Whoever is asked may take long, and want Python's lock, which these threads never wait for.
    let asking = tokio::task::spawn_blocking(move || read(auth)).await;
    asking.unwrap_or_else(|_| Err(Error::config("auth: asking for a secret failed")))
}

/// Nobody answered in time.
pub(super) fn nobody(config: &Config) -> Error {
    let error = Error::from_client(&zk::Error::Timeout, "connect to", &config.hosts);
    if config.tls.is_none() {
        return error;
    }
    error.reworded(|text| format!("{text}, and that the port speaks TLS"))
}

/// The hosts as the library gets them: each many times.
///
/// Looking for a server again after a lost connection, it pauses after each round through its list, twice as long each
/// time, without a limit: with one host it tries at 26 s and then at 51 s, and sees a server that is back at 30 s too
/// late for most sessions. Between entries of one round it pauses for at most 50 ms times their number.
fn entries(hosts: &[&str]) -> String {
    vec![hosts.join(","); ENTRIES.div_ceil(hosts.len().max(1))].join(",")
}

/// A text of the library's that lists its entries, with each host once.
#[must_use]
pub fn each_host_once(text: &str) -> String {
    let listed = text.split_once(" [").and_then(|(before, rest)| Some((before, rest.split_once(']')?)));
    let Some((before, (entries, after))) = listed else { return text.to_owned() };
    let mut hosts: Vec<&str> = Vec::new();
    for host in entries.split(", ") {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    format!("{before} [{}]{after}", hosts.join(", "))
}

fn connector(config: &Config, credentials: &[(String, String)]) -> Result<zk::Connector> {
    let mut connector = zk::Client::connector().with_session_timeout(config.session_timeout).with_fail_eagerly();
    for (scheme, credential) in credentials {
        match (scheme.as_str(), credential.split_once(':')) {
            ("sasl", Some((user, password))) => {
                connector = connector.with_sasl(zk::SaslOptions::digest_md5(user.to_owned(), password.to_owned()));
            }
            ("sasl" | "digest", None) => {
                return Err(Error::config(format!("auth: a {scheme} credential is written user:password")));
            }
            _ => connector = connector.with_auth(scheme, credential.as_bytes()),
        }
    }
    match &config.tls {
        Some(tls) => Ok(connector.with_tls(tls_options(tls)?)),
        None => Ok(connector),
    }
}

fn tls_options(tls: &Tls) -> Result<zk::TlsOptions> {
    let wrong = |error: zk::Error| unusable(Some(tls), &error);
    let identity = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        _ => return Err(Error::config("tls: cert and key go together; give both or neither")),
    };
    let Some(ca) = &tls.ca else {
        return Err(Error::config(
            "tls: give ca, the PEM file of the authorities that signed the servers' certificates",
        ));
    };
    let mut options = zk::TlsOptions::new().with_pem_ca(&pem(ca)?).map_err(wrong)?;
    if let Some((cert, key)) = identity {
        options = options.with_pem_identity(&pem(cert)?, &pem(key)?).map_err(wrong)?;
    }
    if tls.check_hostname { Ok(options) } else { Ok(any_host(options)) }
}

/// Takes any host's certificate, as the user told us to.
#[expect(unsafe_code, reason = "the library marks the risk to the connection so; no memory is at stake")]
fn any_host(options: zk::TlsOptions) -> zk::TlsOptions {
    // SAFETY: there is nothing to uphold.
    unsafe { options.with_no_hostname_verification() }
}

/// The library says what is wrong, but not with which file, and its words may be nobody's but a parser's.
fn unusable(tls: Option<&Tls>, error: &zk::Error) -> Error {
    let shown =
        |path: &Option<PathBuf>| path.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
    let files = tls.map(|tls| format!("ca {}, cert {}, key {}", shown(&tls.ca), shown(&tls.cert), shown(&tls.key)));
    Error::config(format!("tls: {error} ({})", files.unwrap_or_default()))
}

fn pem(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::config(format!("tls: cannot read the PEM file {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_each_host_once() {
        let said =
            format!("fail to connect to cluster [{}] due to timeout", entries(&["a:1", "b:2"]).replace(',', ", "));
        assert_eq!(each_host_once(&said), "fail to connect to cluster [a:1, b:2] due to timeout");
        assert_eq!(each_host_once("no list"), "no list");
    }
}
