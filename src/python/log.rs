//! `tracing` events go to Python's `logging`, from a thread of their own.
//!
//! A logger that took Python's lock on the caller's thread would stop heartbeats while anybody holds it.

use std::sync::mpsc::{SyncSender, sync_channel};

use log::{Level, Log, Metadata, Record};
use pyo3::prelude::*;
use pyo3_log::{Caching, Logger};

use super::exit;
use crate::session::each_host_once;

/// Records waiting for Python's lock; more are dropped, since a session matters more than its log.
const BACKLOG: usize = 1024;

struct Line {
    level: Level,
    target: String,
    text: String,
}

struct Queue(SyncSender<Line>);

/// Installs the bridge once per process.
///
/// # Errors
/// Where Python's `logging` cannot be imported.
pub(super) fn install(py: Python<'_>) -> PyResult<()> {
    let logger = Logger::new(py, Caching::LoggersAndLevels)?.filter(log::LevelFilter::Info);
    let (sender, lines) = sync_channel::<Line>(BACKLOG);
    let forward = move || {
        for line in lines {
            let forwarded = exit::attach(|_| {
                let args = format_args!("{}", line.text).to_string();
                logger.log(
                    &Record::builder().level(line.level).target(&line.target).args(format_args!("{args}")).build(),
                );
            });
            if forwarded.is_none() {
                return;
            }
        }
    };
    let started = std::thread::Builder::new().name("sparkeeper-log".to_owned()).spawn(forward).is_ok();
    // Another extension of this process may have installed its own logger first: that one stays.
    if started && log::set_boxed_logger(Box::new(Queue(sender))).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
    Ok(())
}

impl Log for Queue {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let (mut level, target) = (record.level(), record.target().to_owned());
            let mut text = record.args().to_string();
            if target.starts_with("zookeeper_client") {
                text = each_host_once(&text);
                // Whether that was asked for, as by a close, we know better.
                if text.ends_with("session expired") {
                    level = Level::Info;
                }
            }
            // Full, or the interpreter is gone.
            let _ = self.0.try_send(Line { level, target, text });
        }
    }

    fn flush(&self) {}
}
