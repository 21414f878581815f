//! Headers: JSON to AMQP's tables and back.

use lapin::types::{AMQPValue, FieldArray, FieldTable, ShortString};
use serde_json::{Map, Number, Value};

use super::AmqpError;

/// Depth of headers that is followed; what is deeper is cut off.
const DEEPEST: usize = 16;

/// A table of what `map` says.
pub(super) fn to_table(map: &Map<String, Value>) -> Result<FieldTable, AmqpError> {
    let mut table = FieldTable::default();
    for (name, value) in map {
        table.insert(short("header", name)?, to_amqp(value)?);
    }
    Ok(table)
}

fn to_amqp(value: &Value) -> Result<AMQPValue, AmqpError> {
    Ok(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(it) => AMQPValue::Boolean(*it),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => AMQPValue::LongLongInt(integer),
            None => AMQPValue::Double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(items) => {
            let items = items.iter().map(to_amqp).collect::<Result<Vec<_>, _>>()?;
            AMQPValue::FieldArray(FieldArray::from(items))
        }
        Value::Object(map) => AMQPValue::FieldTable(to_table(map)?),
    })
}

/// What a table says, in JSON.
pub(super) fn to_map(table: &FieldTable) -> Map<String, Value> {
    map_at(table, 0)
}

fn map_at(table: &FieldTable, depth: usize) -> Map<String, Value> {
    table
        .into_iter()
        .map(|(name, value)| (name.to_string(), to_json(value, depth + 1)))
        .collect()
}

fn to_json(value: &AMQPValue, depth: usize) -> Value {
    if depth > DEEPEST {
        return Value::Null;
    }
    let float = |it: f64| Number::from_f64(it).map_or(Value::Null, Value::Number);
    match value {
        AMQPValue::Void => Value::Null,
        AMQPValue::Boolean(it) => Value::from(*it),
        AMQPValue::ShortShortInt(it) => Value::from(*it),
        AMQPValue::ShortShortUInt(it) => Value::from(*it),
        AMQPValue::ShortInt(it) => Value::from(*it),
        AMQPValue::ShortUInt(it) => Value::from(*it),
        AMQPValue::LongInt(it) => Value::from(*it),
        AMQPValue::LongUInt(it) => Value::from(*it),
        AMQPValue::LongLongInt(it) => Value::from(*it),
        AMQPValue::Timestamp(it) => Value::from(*it),
        AMQPValue::Float(it) => float(f64::from(*it)),
        AMQPValue::Double(it) => float(*it),
        AMQPValue::DecimalValue(it) => {
            float(f64::from(it.value) / 10_f64.powi(i32::from(it.scale)))
        }
        AMQPValue::ShortString(it) => Value::from(it.as_str()),
        AMQPValue::LongString(it) => Value::from(it.to_string()),
        AMQPValue::ByteArray(it) => Value::from(String::from_utf8_lossy(it.as_slice()).as_ref()),
        AMQPValue::FieldArray(items) => {
            let items = items.as_slice().iter();
            items.map(|item| to_json(item, depth + 1)).collect()
        }
        AMQPValue::FieldTable(table) => Value::Object(map_at(table, depth)),
    }
}

/// A name that AMQP can carry.
pub(crate) fn short(field: &'static str, text: &str) -> Result<ShortString, AmqpError> {
    ShortString::try_new(text).map_err(|_| AmqpError::Name { field })
}
