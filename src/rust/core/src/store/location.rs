//! Where an object is stored, as scripts and `lua/_object.lua` know it.

use crate::error::{Error, Result};

/// How the bytes of an object are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Plain,
    /// Each chunk compressed by LZ4.
    Lz4,
}

/// The place of an object that is too large to stand in a hash with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the server, in this many chunks.
    Chunks(u64),
    /// In a file outside the server. Its name has this number, so that deleting the file of an object
    /// that is gone cannot affect the same object stored again.
    File(String),
}

/// A larger object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Where it is.
    pub place: Place,
    /// Its size.
    pub size: u64,
    /// The bytes it takes there.
    pub stored: u64,
    /// How it is stored.
    pub encoding: Encoding,
}

impl Location {
    /// The stored form.
    pub fn pack(&self) -> String {
        let (letter, detail) = match &self.place {
            Place::Chunks(n) => ('c', n.to_string()),
            Place::File(generation) => ('f', generation.clone()),
        };
        let encoding = match self.encoding {
            Encoding::Plain => "-",
            Encoding::Lz4 => "lz4",
        };
        format!("{letter} {} {} {detail} {encoding}", self.size, self.stored)
    }

    /// Read the stored form.
    pub fn unpack(hash: &str, stored: &[u8]) -> Result<Self> {
        let bad = || Error::corrupt(format!("object {hash}"), "it is not known how it is stored");
        Location::read(std::str::from_utf8(stored).unwrap_or_default()).ok_or_else(bad)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let letter = parts.next()?;
        let (size, stored) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let detail = parts.next()?;
        let place = match letter {
            "c" => Place::Chunks(detail.parse().ok()?),
            "f" => Place::File(detail.to_owned()),
            _ => return None,
        };
        let encoding = match parts.next()? {
            "-" => Encoding::Plain,
            "lz4" => Encoding::Lz4,
            _ => return None,
        };
        Some(Location { place, size, stored, encoding })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_reads_back_as_written() {
        for (place, encoding) in
            [(Place::Chunks(3), Encoding::Lz4), (Place::File("0a1b".into()), Encoding::Plain)]
        {
            let location = Location { place, size: 7, stored: 5, encoding };
            assert_eq!(Location::unpack("x", location.pack().as_bytes()).unwrap(), location);
        }
    }

    #[test]
    fn what_is_no_location_is_an_error_that_names_the_object() {
        for text in ["", "c 1 2", "x 1 2 3 -", "c 1 2 3 zip", "c 1 2 y -"] {
            let error = Location::unpack("abc", text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("object abc"), "{error}");
        }
    }
}
