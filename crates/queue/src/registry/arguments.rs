//! Positional and keyword arguments into a task's struct, as a Python call would bind them.

use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value};

use crate::message::plain;

/// Reads `T` from `args` and `kwargs`; positional arguments fill the fields in their order.
pub(super) fn read<T: DeserializeOwned>(
    args: Vec<Value>,
    kwargs: Map<String, Value>,
) -> Result<T, Error> {
    T::deserialize(Arguments {
        args: args.into_iter().map(plain).collect(),
        kwargs: kwargs
            .into_iter()
            .map(|(name, value)| (name, plain(value)))
            .collect(),
    })
}

struct Arguments {
    args: Vec<Value>,
    kwargs: Map<String, Value>,
}

impl Arguments {
    /// As a map, for a struct with these fields.
    fn bind(self, fields: &[&str]) -> Result<Value, Error> {
        let (given, most) = (self.args.len(), fields.len());
        if given > most {
            return Err(Error::custom(format_args!(
                "takes {most} positional arguments but {given} were given"
            )));
        }
        let mut bound = self.kwargs;
        for (field, value) in fields.iter().zip(self.args) {
            if bound.insert((*field).to_owned(), value).is_some() {
                return Err(Error::custom(format_args!(
                    "got multiple values for argument `{field}`"
                )));
            }
        }
        Ok(Value::Object(bound))
    }

    /// As what a task that is no struct with fields takes.
    fn loose(mut self) -> Result<Value, Error> {
        match (self.args.len(), self.kwargs.is_empty()) {
            (0, _) => Ok(Value::Object(self.kwargs)),
            (1, true) => Ok(self.args.remove(0)),
            (given, true) => Err(Error::custom(format_args!(
                "takes 1 positional argument but {given} were given"
            ))),
            (_, false) => Err(Error::custom("takes no keyword arguments")),
        }
    }

    fn positional(self) -> Result<Value, Error> {
        if self.kwargs.is_empty() {
            Ok(Value::Array(self.args))
        } else {
            Err(Error::custom("takes no keyword arguments"))
        }
    }
}

impl<'de> Deserializer<'de> for Arguments {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.bind(fields)?.deserialize_struct(name, fields, visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.bind(&[])?;
        visitor.visit_unit()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.bind(&[])?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.positional()?
            .deserialize_tuple_struct(name, length, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.positional()?.deserialize_tuple(length, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.loose()?.deserialize_option(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.loose()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.loose()?.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        seq map identifier ignored_any
    }
}
