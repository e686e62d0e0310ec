//! As much of Redis as the scripts of civic-lock ask of it, with a clock that a test sets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value};

/// The data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Data {
    /// Microseconds.
    pub(crate) now_us: u64,
    keys: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    kept: Kept,
    /// Milliseconds of the clock; none for ever.
    expires: Option<u64>,
}

#[derive(Clone, Debug)]
enum Kept {
    Text(String),
    Hash(BTreeMap<String, String>),
}

/// A server that runs scripts.
pub(crate) struct Redis {
    lua: Lua,
    pub(crate) data: Rc<RefCell<Data>>,
}

// ===== impl Data =====

impl Data {
    fn now(&self) -> u64 {
        self.now_us / 1000
    }

    fn entry(&mut self, key: &str) -> Option<&mut Entry> {
        let now = self.now();
        let over = |entry: &Entry| entry.expires.is_some_and(|at| at <= now);
        if self.keys.get(key).is_some_and(over) {
            self.keys.remove(key);
        }
        self.keys.get_mut(key)
    }

    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        match &self.entry(key)?.kept {
            Kept::Text(text) => Some(text.clone()),
            Kept::Hash(_) => panic!("WRONGTYPE {key}"),
        }
    }

    /// Milliseconds of the clock at which a key expires.
    pub(crate) fn expires(&mut self, key: &str) -> Option<u64> {
        self.entry(key)?.expires
    }

    fn hash(&mut self, key: &str) -> &mut BTreeMap<String, String> {
        if self.entry(key).is_none() {
            let kept = Kept::Hash(BTreeMap::new());
            let entry = Entry {
                kept,
                expires: None,
            };
            self.keys.insert(key.to_owned(), entry);
        }
        match &mut self.entry(key).expect("it is there").kept {
            Kept::Hash(hash) => hash,
            Kept::Text(_) => panic!("WRONGTYPE {key}"),
        }
    }

    pub(crate) fn field(&mut self, key: &str, field: &str) -> Option<String> {
        self.entry(key)?;
        self.hash(key).get(field).cloned()
    }

    fn expire(&mut self, key: &str, millis: &str) {
        let at = self.now() + millis.parse::<u64>().expect("milliseconds");
        if let Some(entry) = self.entry(key) {
            entry.expires = Some(at);
        }
    }

    fn left(&mut self, key: &str) -> i64 {
        let now = self.now() as i64;
        match self.entry(key) {
            None => -2,
            Some(entry) => entry.expires.map_or(-1, |at| at as i64 - now),
        }
    }
}

// ===== impl Redis =====

impl Redis {
    pub(crate) fn new() -> Self {
        let lua = Lua::new();
        let data = Rc::new(RefCell::new(Data::default()));
        let redis = lua.create_table().expect("a table");
        for name in ["call", "pcall"] {
            let data = data.clone();
            let call = lua.create_function(move |lua, words: MultiValue| {
                let words: Vec<String> = words.iter().map(word).collect();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                run(lua, &mut data.borrow_mut(), &words)
            });
            redis.set(name, call.expect("a function")).expect("set");
        }
        lua.globals().set("redis", redis).expect("set");
        Self { lua, data }
    }

    /// Runs a script, and returns what it answers after the echo, the serial and the clock.
    pub(crate) fn eval(&self, script: &str, keys: &[&str], arguments: &[String]) -> Vec<String> {
        let globals = self.lua.globals();
        globals.set("KEYS", keys.to_vec()).expect("set");
        globals.set("ARGV", arguments.to_vec()).expect("set");
        let reply: Value = self.lua.load(script).eval().expect("the script runs");
        let reply: Vec<String> = match reply {
            Value::Table(list) => {
                let items = list.sequence_values();
                items.map(|item| word(&item.expect("an item"))).collect()
            }
            text => word(&text).split('\n').map(without_zeros).collect(),
        };
        assert_eq!(reply[0], arguments[0], "the echo");
        assert_eq!(reply[1], arguments[2], "the serial");
        reply[3..].to_vec()
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => without_zeros(&text.to_string_lossy()),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => format!("{number:.0}"),
        other => panic!("a command or a reply of strings and numbers, not {other:?}"),
    }
}

/// A number as the models write it. The clock of a test stands shortly after 1970, where the
/// scripts write zeros in front.
fn without_zeros(text: &str) -> String {
    let rest = text.trim_start_matches('0');
    let is_number = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    (if is_number { rest } else { text }).to_owned()
}

fn text(lua: &Lua, text: Option<String>) -> mlua::Result<Value> {
    Ok(match text {
        Some(text) => Value::String(lua.create_string(text)?),
        None => Value::Boolean(false),
    })
}

fn list(lua: &Lua, items: Vec<Option<String>>) -> mlua::Result<Value> {
    let table: Table = lua.create_table()?;
    for (index, item) in (1..).zip(items) {
        table.set(index, text(lua, item)?)?;
    }
    Ok(Value::Table(table))
}

fn run(lua: &Lua, data: &mut Data, words: &[&str]) -> mlua::Result<Value> {
    let number = |number: i64| Ok(Value::Number(number as f64));
    match *words {
        ["TIME"] => {
            let (seconds, micros) = (data.now_us / 1_000_000, data.now_us % 1_000_000);
            list(
                lua,
                vec![Some(seconds.to_string()), Some(micros.to_string())],
            )
        }
        ["GET", key] => text(lua, data.text(key)),
        ["SET", key, value, "PX", millis] => {
            let kept = Kept::Text(value.to_owned());
            let entry = Entry {
                kept,
                expires: None,
            };
            data.keys.insert(key.to_owned(), entry);
            data.expire(key, millis);
            text(lua, Some("OK".to_owned()))
        }
        ["DEL", key] => {
            let there = data.entry(key).is_some();
            data.keys.remove(key);
            number(i64::from(there))
        }
        ["PEXPIRE", key, millis] => {
            data.expire(key, millis);
            number(1)
        }
        ["PTTL", key] => number(data.left(key)),
        ["PUBLISH", ..] => number(0),
        ["HGET", key, field] => text(lua, data.field(key, field)),
        ["HMGET", key, ref fields @ ..] => {
            let values = fields.iter().map(|field| data.field(key, field)).collect();
            list(lua, values)
        }
        ["HSET", key, ref pairs @ ..] => {
            for pair in pairs.chunks(2) {
                data.hash(key)
                    .insert(pair[0].to_owned(), pair[1].to_owned());
            }
            number(0)
        }
        ["HSETNX", key, field, value] => {
            let absent = data.field(key, field).is_none();
            if absent {
                data.hash(key).insert(field.to_owned(), value.to_owned());
            }
            number(i64::from(absent))
        }
        ["HDEL", key, ref fields @ ..] => {
            if data.entry(key).is_some() {
                for field in fields {
                    data.hash(key).remove(*field);
                }
            }
            number(0)
        }
        _ => panic!("the scripts use a command that this test does not know: {words:?}"),
    }
}
