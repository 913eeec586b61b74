//! Opens one ZooKeeper session from a configuration.

use std::path::Path;
use std::time::Duration;

use zookeeper_client as zk;

use super::clock;
use crate::config::{Config, Tls};
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
/// `ConnectionLost` where none answered, `AuthFailed` where the credentials were refused,
/// `Config` where a secret or a certificate cannot be read.
pub(super) async fn open(config: &Config) -> Result<Opened> {
    let connector = connector(config)?;
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
    match tokio::time::timeout(patience.min(config.session_timeout), connecting).await {
        Ok(Ok(client)) => Ok(Opened { client, sent }),
        Ok(Err(error)) => Err(Error::from_client(&error, "connect to", &config.hosts)),
        Err(_) => Err(nobody(config)),
    }
}

/// Nobody answered in time.
pub(super) fn nobody(config: &Config) -> Error {
    Error::from_client(&zk::Error::Timeout, "connect to", &config.hosts)
}

/// The hosts as the library gets them: each many times.
///
/// Looking for a server again after a lost connection, it pauses after each round through its list, twice as long each
/// time, without a limit: with one host it tries at 26 s and then at 51 s, and sees a server that is back at 30 s too
/// late for most sessions. Between entries of one round it pauses for at most 50 ms times their number.
fn entries(hosts: &[&str]) -> String {
    vec![hosts.join(","); ENTRIES.div_ceil(hosts.len().max(1))].join(",")
}

fn connector(config: &Config) -> Result<zk::Connector> {
    let mut connector = zk::Client::connector().with_session_timeout(config.session_timeout).with_fail_eagerly();
    for auth in &config.auth {
        let credential = auth.credential.reveal()?;
        if auth.scheme == "sasl" {
            let (user, password) = credential
                .split_once(':')
                .ok_or_else(|| Error::config("auth: a sasl credential is written user:password"))?;
            connector = connector.with_sasl(zk::SaslOptions::digest_md5(user.to_owned(), password.to_owned()));
        } else if auth.scheme == "digest" && !credential.contains(':') {
            return Err(Error::config("auth: a digest credential is written user:password"));
        } else {
            connector = connector.with_auth(&auth.scheme, credential.as_bytes());
        }
    }
    match &config.tls {
        Some(tls) => Ok(connector.with_tls(tls_options(tls)?)),
        None => Ok(connector),
    }
}

fn tls_options(tls: &Tls) -> Result<zk::TlsOptions> {
    let wrong = |error: zk::Error| Error::config(format!("tls: {error}"));
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
    Ok(options)
}

fn pem(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::config(format!("tls: cannot read the PEM file {}: {error}", path.display())))
}
