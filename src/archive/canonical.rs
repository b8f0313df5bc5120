//! Canonical MessagePack: one way to write each value, so that the same rows are the same bytes.
//!
//! Reads bytes without allocating, refuses what is not in its shortest form, and holds a row against its
//! table's columns. Fields that a table does not know may say anything that is canonical.

use rmp::Marker;

use crate::schema::{Column, Kind, Presence};

/// How deep arrays and maps may lie in one another.
const DEEPEST: u32 = 16;

/// What is wrong with some bytes, in a few words.
pub(super) type Problem = String;

/// The next value, or the head of the next array or map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Nil,
    Bool,
    Integer,
    Text(&'a str),
    Array(u32),
    Map(u32),
}

/// Reads canonical MessagePack.
pub(super) struct Canonical<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether a text is one of the provider's ids.
    is_id: fn(&str) -> bool,
}

impl<'a> Canonical<'a> {
    pub(super) fn new(bytes: &'a [u8], is_id: fn(&str) -> bool) -> Self {
        Self {
            bytes,
            at: 0,
            is_id,
        }
    }

    /// How many bytes were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Checks that nothing follows.
    pub(super) fn end(&self) -> Result<(), Problem> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            more => Err(format!("{more} bytes follow its rows")),
        }
    }

    fn fail(&self, what: &str) -> Problem {
        format!("{what} at byte {}", self.at)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Problem> {
        let end = self.at.checked_add(len);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.fail("it is cut off"))?;
        self.at += len;
        Ok(taken)
    }

    /// An unsigned number in this many bytes, which is more than a shorter form takes.
    fn number(&mut self, len: usize, least: u64) -> Result<u64, Problem> {
        let bytes = self.take(len)?.iter();
        let number = bytes.fold(0, |number, byte| number << 8 | u64::from(*byte));
        if number < least {
            return Err(self.fail("a value is not in its shortest form"));
        }
        Ok(number)
    }

    /// A negative number in this many bytes, which is less than a shorter form takes.
    fn negative(&mut self, len: usize, most: i64) -> Result<Token<'a>, Problem> {
        let unused = 64 - 8 * u32::try_from(len).expect("at most 8");
        let number = self.number(len, 0)?.cast_signed() << unused >> unused;
        if number > most {
            return Err(self.fail("a value is not in its shortest form"));
        }
        Ok(Token::Integer)
    }

    fn text(&mut self, len: u64) -> Result<Token<'a>, Problem> {
        let len = usize::try_from(len).map_err(|_| self.fail("it is cut off"))?;
        let text = std::str::from_utf8(self.take(len)?);
        Ok(Token::Text(
            text.map_err(|_| self.fail("a text is no UTF-8"))?,
        ))
    }

    /// The number of an array's or map's items, each of which has at least one byte.
    fn items(&self, count: u64, values: u64) -> Result<u32, Problem> {
        let left = (self.bytes.len() - self.at) as u64;
        let fits = count.checked_mul(values).is_some_and(|least| least <= left);
        let count = u32::try_from(count).ok().filter(|_| fits);
        count.ok_or_else(|| self.fail("it is cut off"))
    }

    /// The next value, or the head of the next array or map.
    pub(super) fn next(&mut self) -> Result<Token<'a>, Problem> {
        let array = |own: &Self, count| Ok(Token::Array(own.items(count, 1)?));
        let map = |own: &Self, count| Ok(Token::Map(own.items(count, 2)?));
        match Marker::from_u8(self.take(1)?[0]) {
            Marker::Null => Ok(Token::Nil),
            Marker::True | Marker::False => Ok(Token::Bool),
            Marker::FixPos(_) | Marker::FixNeg(_) => Ok(Token::Integer),
            Marker::U8 => self.number(1, 1 << 7).map(|_| Token::Integer),
            Marker::U16 => self.number(2, 1 << 8).map(|_| Token::Integer),
            Marker::U32 => self.number(4, 1 << 16).map(|_| Token::Integer),
            Marker::U64 => self.number(8, 1 << 32).map(|_| Token::Integer),
            Marker::I8 => self.negative(1, -33),
            Marker::I16 => self.negative(2, i64::from(i8::MIN) - 1),
            Marker::I32 => self.negative(4, i64::from(i16::MIN) - 1),
            Marker::I64 => self.negative(8, i64::from(i32::MIN) - 1),
            Marker::FixStr(len) => self.text(len.into()),
            Marker::Str8 => self.number(1, 1 << 5).and_then(|len| self.text(len)),
            Marker::Str16 => self.number(2, 1 << 8).and_then(|len| self.text(len)),
            Marker::Str32 => self.number(4, 1 << 16).and_then(|len| self.text(len)),
            Marker::FixArray(count) => array(self, count.into()),
            Marker::Array16 => self.number(2, 1 << 4).and_then(|count| array(self, count)),
            Marker::Array32 => self.number(4, 1 << 16).and_then(|count| array(self, count)),
            Marker::FixMap(count) => map(self, count.into()),
            Marker::Map16 => self.number(2, 1 << 4).and_then(|count| map(self, count)),
            Marker::Map32 => self.number(4, 1 << 16).and_then(|count| map(self, count)),
            _ => Err(self.fail("a value is neither nil, bool, integer, text, array nor map")),
        }
    }

    /// The next value, which is a text.
    pub(super) fn expect_text(&mut self) -> Result<&'a str, Problem> {
        match self.next()? {
            Token::Text(text) => Ok(text),
            _ => Err(self.fail("something else stands where a text should")),
        }
    }

    /// The head of the next value, which is a map; how many fields it has.
    pub(super) fn expect_map(&mut self) -> Result<u32, Problem> {
        match self.next()? {
            Token::Map(count) => Ok(count),
            _ => Err(self.fail("something else stands where a map should")),
        }
    }

    /// The head of the next value, which is an array; how many items it has.
    pub(super) fn expect_array(&mut self) -> Result<u32, Problem> {
        match self.next()? {
            Token::Array(count) => Ok(count),
            _ => Err(self.fail("something else stands where an array should")),
        }
    }

    /// Passes over a value of any kind.
    pub(super) fn skip(&mut self) -> Result<(), Problem> {
        self.skip_at(0)
    }

    fn skip_at(&mut self, depth: u32) -> Result<(), Problem> {
        let token = self.next()?;
        self.skip_rest(token, depth)
    }

    /// Passes over what is in an array or map.
    fn skip_rest(&mut self, token: Token<'a>, depth: u32) -> Result<(), Problem> {
        if depth > DEEPEST {
            return Err(self.fail("values lie too deep in one another"));
        }
        match token {
            Token::Array(count) => (0..count).try_for_each(|_| self.skip_at(depth + 1)),
            Token::Map(count) => (0..count).try_for_each(|_| {
                self.expect_text()?;
                self.skip_at(depth + 1)
            }),
            _ => Ok(()),
        }
    }

    /// A row, or a map within one, with these columns: known fields in their order, each at most once.
    pub(super) fn row(&mut self, columns: &[Column]) -> Result<(), Problem> {
        let count = self.expect_map()?;
        self.fields(count, columns, 0)
    }

    fn fields(&mut self, count: u32, columns: &[Column], depth: u32) -> Result<(), Problem> {
        // The columns that may still come.
        let mut left = columns;
        for _ in 0..count {
            let name = self.expect_text()?;
            if !columns.iter().any(|column| column.name == name) {
                self.skip_at(depth + 1)?;
                continue;
            }
            let found = left.iter().position(|column| column.name == name);
            let found = found.ok_or_else(|| {
                self.fail(&format!("the field {name:?} is repeated or out of order"))
            })?;
            self.all_optional(&left[..found])?;
            let column = &left[found];
            left = &left[found + 1..];
            let token = self.next()?;
            if !self.is_of(token, &column.kind, column.presence, depth)? {
                return Err(self.fail(&format!("the field {name:?} is not as its table has it")));
            }
        }
        self.all_optional(left)
    }

    fn all_optional(&self, absent: &[Column]) -> Result<(), Problem> {
        let needed = |column: &&Column| column.presence != Presence::Optional;
        match absent.iter().find(needed) {
            Some(column) => Err(self.fail(&format!("the field {:?} is absent", column.name))),
            None => Ok(()),
        }
    }

    /// Whether the value that begins with this token is of a kind. Reads it to its end.
    fn is_of(
        &mut self,
        token: Token<'a>,
        kind: &Kind,
        presence: Presence,
        depth: u32,
    ) -> Result<bool, Problem> {
        if depth > DEEPEST {
            return Err(self.fail("values lie too deep in one another"));
        }
        Ok(match (token, kind) {
            (Token::Nil, _) => presence != Presence::Required,
            (Token::Text(text), Kind::Id | Kind::User) => (self.is_id)(text),
            (Token::Text(text), Kind::Bits) => {
                let number = text.parse::<u64>();
                number.is_ok_and(|number| number.to_string() == text)
            }
            (Token::Text(text), Kind::OneOf(texts)) => texts.contains(&text),
            (Token::Text(_), Kind::Text)
            | (Token::Integer, Kind::Integer | Kind::Time)
            | (Token::Bool, Kind::Bool) => true,
            (Token::Array(count), Kind::List(kind)) => {
                for _ in 0..count {
                    let item = self.next()?;
                    if !self.is_of(item, kind, Presence::Required, depth + 1)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Token::Map(count), Kind::Map(columns)) => {
                self.fields(count, columns, depth + 1)?;
                true
            }
            _ => false,
        })
    }
}
