//! SOURCE_DATE_EPOCH: the time that whoever wants the same bytes twice asks for
//! (reproducible-builds.org/specs/source-date-epoch).

use crate::error::{Error, Result};

/// Seconds since 1970, if the variable is set.
///
/// # Errors
/// It is no whole number: then the result would not be what was asked for.
pub fn asked() -> Result<Option<i64>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|v| !v.is_empty()) else { return Ok(None) };
    let number = text.to_str().and_then(|t| t.trim().parse::<i64>().ok()).filter(|n| *n >= 0);
    match number {
        Some(seconds) => Ok(Some(seconds)),
        None => {
            Err(Error::user(format!("read SOURCE_DATE_EPOCH: '{}' is no number of seconds", text.to_string_lossy())))
        }
    }
}

/// When something that is made now was made: the asked time, or the clock's. RFC 3339.
pub fn created(asked: Option<i64>) -> Result<String> {
    match asked {
        None => Ok(crate::state::events::now()),
        Some(seconds) => jiff::Timestamp::from_second(seconds)
            .map(|t| t.to_string())
            .map_err(|_| Error::user(format!("read SOURCE_DATE_EPOCH: {seconds} is out of range"))),
    }
}
