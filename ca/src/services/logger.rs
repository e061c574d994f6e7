//! `spire.api.server.logger.v1.Logger`: the log's level, while the server runs.

use std::sync::Arc;

use symbolon_api::spire::api::server::logger::v1 as api;
use symbolon_api::spire::api::types::{LogLevel, Logger};
use symbolon_host::logging::{LogControl, LoggingError};
use tonic::{Request, Response, Status};
use tracing::level_filters::LevelFilter;

use super::Core;
use crate::status::failure;
use crate::telemetry::LOG_LEVEL_CHANGED;

/// The service.
#[derive(Debug)]
pub(crate) struct LoggerService(pub(crate) Arc<Core>);

impl LoggerService {
    fn log(&self) -> Result<&LogControl, Status> {
        let none = || {
            Status::failed_precondition(
                "the program around this server has its own log, whose level cannot be changed from here",
            )
        };
        self.0.log.as_ref().ok_or_else(none)
    }

    fn change(
        &self,
        change: impl FnOnce(&LogControl) -> Result<(), LoggingError>,
    ) -> Result<Response<Logger>, Status> {
        let log = self.log()?;
        // As loud as can be, and before and after: one of the two is there unless the log was off and stays so.
        tracing::error!(
            event = LOG_LEVEL_CHANGED,
            from = log.current(),
            "the log's level is being changed"
        );
        change(log).map_err(|error| failure("the log's level could not be changed", &error))?;
        tracing::error!(
            event = LOG_LEVEL_CHANGED,
            to = log.current(),
            "the log's level was changed"
        );
        Ok(Response::new(logger(log)))
    }
}

#[tonic::async_trait]
impl api::logger_server::Logger for LoggerService {
    async fn get_logger(&self, _request: Request<api::GetLoggerRequest>) -> Result<Response<Logger>, Status> {
        Ok(Response::new(logger(self.log()?)))
    }

    async fn set_log_level(
        &self,
        request: Request<api::SetLogLevelRequest>,
    ) -> Result<Response<Logger>, Status> {
        let level = request.get_ref().new_level;
        let filter = match LogLevel::try_from(level) {
            Ok(LogLevel::Unspecified) => {
                return Err(Status::invalid_argument("new_level is missing; name a level"));
            }
            Err(_) => {
                return Err(Status::invalid_argument(format!(
                    "new_level: there is no level {level}"
                )));
            }
            // Nothing here ends the process with a line in the log, so there is none of these weights. No command silences
            // the log altogether: it is the record of what was refused, and of who silenced it.
            Ok(LogLevel::Panic | LogLevel::Fatal | LogLevel::Error) => "error",
            Ok(LogLevel::Warn) => "warn",
            Ok(LogLevel::Info) => "info",
            Ok(LogLevel::Debug) => "debug",
            Ok(LogLevel::Trace) => "trace",
        };
        self.change(|log| log.set(filter))
    }

    async fn reset_log_level(
        &self,
        _request: Request<api::ResetLogLevelRequest>,
    ) -> Result<Response<Logger>, Status> {
        self.change(LogControl::reset)
    }
}

/// The levels as SPIRE names them. A filter by targets is as detailed as the most detailed of them.
fn logger(log: &LogControl) -> Logger {
    let level = |filter: LevelFilter| match filter {
        LevelFilter::OFF => LogLevel::Fatal,
        LevelFilter::ERROR => LogLevel::Error,
        LevelFilter::WARN => LogLevel::Warn,
        LevelFilter::INFO => LogLevel::Info,
        LevelFilter::DEBUG => LogLevel::Debug,
        _ => LogLevel::Trace,
    };
    Logger {
        current_level: level(log.current_level()).into(),
        launch_level: level(log.launched_level()).into(),
    }
}
