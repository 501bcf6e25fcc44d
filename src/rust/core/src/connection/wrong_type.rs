//! Which key a request failed for because something else is stored there: the server does not say.

use redis::Cmd;

use super::Connection;
use crate::error::{Error, Result};
use crate::keys::{Keys, split, type_of};
use crate::scripts::Call;
use crate::value;

impl Connection {
    /// The error that names the key, if one of these, or another key of their queue that scripts use, has
    /// the wrong type. Other errors stay as they are.
    pub(super) fn name_key(&mut self, names: &[Vec<u8>], error: Error) -> Error {
        if !matches!(&error, Error::Redis(source) if source.to_string().contains("WRONGTYPE")) {
            return error;
        }
        let texts = names.iter().map(|name| String::from_utf8_lossy(name).into_owned());
        let mut keys: Vec<String> = texts.filter(|key| split(key).is_some()).collect();
        if let Some((prefix, _)) = keys.first().and_then(|key| split(key)) {
            keys.extend(Keys::with_prefix(prefix).all_fixed());
        }
        let wrong = keys.into_iter().find_map(|key| {
            let problem = self.wrong_type(&key).ok()??;
            Some(Error::corrupt(format!("key '{key}'"), problem))
        });
        wrong.unwrap_or(error)
    }

    /// The same for a script. It uses keys as it should, so if none has the wrong type, one was repaired
    /// meanwhile.
    pub(super) fn name_key_of(&mut self, call: &Call, error: Error) -> Error {
        match self.name_key(&call.key_names(), error) {
            Error::Redis(source) if source.to_string().contains("WRONGTYPE") => {
                Error::corrupt("what the queue stores", source)
            }
            named => named,
        }
    }

    /// What is wrong with a key of a queue that holds something else.
    pub(crate) fn wrong_type(&mut self, key: &str) -> Result<Option<String>> {
        let expected = type_of(split(key).map_or(key, |(_, rest)| rest));
        let found = value::text(self.command(Cmd::new().arg("TYPE").arg(key))?)?;
        let is_wrong = found != "none" && found != expected;
        Ok(is_wrong.then(|| format!("it is a {found}, not a {expected}")))
    }

    /// Delete those of the keys that hold something else.
    pub(crate) fn clear_wrong_types(&mut self, keys: &[String]) -> Result<()> {
        for key in keys {
            if self.wrong_type(key)?.is_some() {
                self.command(Cmd::new().arg("UNLINK").arg(key))?;
            }
        }
        Ok(())
    }
}
