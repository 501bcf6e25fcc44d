//! How structs are stored as MessagePack arrays, which omits the names of their fields. An array written
//! by another version may have fewer or more elements: missing ones get their defaults, and those after
//! the known ones are skipped. So new fields may only be added at the end.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};

/// A struct that is read from the elements of an array.
pub trait Stored: Sized {
    /// Read as many elements as there are fields.
    fn read<'de, A: SeqAccess<'de>>(elements: &mut A) -> Result<Self, A::Error>;
}

/// The next element, or the default behind the last one.
pub fn element<'de, T: Deserialize<'de> + Default, A: SeqAccess<'de>>(
    elements: &mut A,
) -> Result<T, A::Error> {
    Ok(elements.next_element()?.unwrap_or_default())
}

/// The next element, which must be there.
pub fn required<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    elements: &mut A,
) -> Result<T, A::Error> {
    elements.next_element()?.ok_or_else(|| Error::custom("it is too short"))
}

/// Read a whole array.
pub fn read<'de, T: Stored, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_seq(Array(PhantomData))
}

struct Array<T>(PhantomData<T>);

impl<'de, T: Stored> Visitor<'de> for Array<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<T, A::Error> {
        let stored = T::read(&mut elements)?;
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(stored)
    }
}

/// Reads structs of the given fields; those in brackets must be there.
macro_rules! stored_as_array {
    ($($name:ident { [$($required:ident),*] $($field:ident),* })*) => {$(
        impl $crate::stored::Stored for $name {
            fn read<'de, A: serde::de::SeqAccess<'de>>(elements: &mut A) -> std::result::Result<Self, A::Error> {
                $(let $required = $crate::stored::required(elements)?;)*
                $(let $field = $crate::stored::element(elements)?;)*
                Ok($name { $($required,)* $($field,)* })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
                $crate::stored::read(from)
            }
        }
    )*};
}
pub(crate) use stored_as_array;
