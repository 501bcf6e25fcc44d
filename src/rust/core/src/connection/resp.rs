//! Reads replies off a link. What a server sends is not trusted: lines, lengths and nesting are bounded,
//! and memory is taken as bytes arrive, never as a length announces.

use redis::{RedisError, RedisResult, Value, parse_redis_value};

use super::failure::unreadable;

/// The longest line: a number, a status or the message of an error.
const LINE_MAX: usize = 1 << 20;
/// The largest string. Servers refuse larger ones than 512 MB, unless told otherwise.
const STRING_MAX: usize = 1 << 30;
/// The most elements of an array.
const ITEMS_MAX: usize = 1 << 26;
/// What replies begin with.
const KINDS: &[u8] = b"+-:$*_#,(!=%~>|\r";
/// How deeply arrays may be nested.
const DEPTH_MAX: usize = 100;
/// How many bytes are asked for at once.
const READ: usize = 16 * 1024;

/// Where bytes come from: waits until there are some; returns how many, never 0.
pub(super) trait Source {
    fn receive(&mut self, into: &mut [u8]) -> std::io::Result<usize>;
}

/// Bytes that have arrived and have not been used: those of `buffer` from `at` to `end`.
#[derive(Default)]
pub(super) struct Reader {
    buffer: Vec<u8>,
    at: usize,
    end: usize,
}

impl Reader {
    /// Whether all that has arrived has been used.
    pub(super) fn is_empty(&self) -> bool {
        self.at == self.end
    }

    /// The next reply. After an error the rest of the stream makes no sense.
    pub(super) fn reply(&mut self, source: &mut impl Source) -> RedisResult<Value> {
        self.value(source, 0)
    }

    fn value(&mut self, source: &mut impl Source, depth: usize) -> RedisResult<Value> {
        if depth > DEPTH_MAX {
            return Err(malformed("arrays are nested too deeply"));
        }
        let (start, end) = self.line(source)?;
        let line = &self.buffer[start..end];
        let (kind, rest) = line.split_first().ok_or_else(|| malformed("an empty line"))?;
        match kind {
            b'+' => match rest {
                b"OK" => Ok(Value::Okay),
                status => Ok(Value::SimpleString(text(status)?)),
            },
            b':' => Ok(Value::Int(number(rest)?)),
            b'-' => error(rest),
            b'$' | b'=' | b'!' => match (*kind, length(rest, STRING_MAX)?) {
                (_, None) => Ok(Value::Nil),
                (kind, Some(size)) => {
                    let mut bytes = self.string(source, size)?;
                    match kind {
                        b'$' => Ok(Value::BulkString(bytes)),
                        // The first four bytes are its format.
                        b'=' => Ok(Value::BulkString(bytes.split_off(size.min(4)))),
                        _ => error(&bytes),
                    }
                }
            },
            b'*' | b'~' | b'>' => match length(rest, ITEMS_MAX)? {
                None => Ok(Value::Nil),
                Some(n) => Ok(Value::Array(self.items(source, n, depth)?)),
            },
            // The third version of the protocol, which only commands of the user can ask for.
            b'%' | b'|' => {
                let is_map = *kind == b'%';
                let n = length(rest, ITEMS_MAX / 2)?.unwrap_or(0);
                let mut items = self.items(source, 2 * n, depth)?.into_iter();
                if !is_map {
                    return self.value(source, depth + 1);
                }
                let mut pairs = Vec::with_capacity(n);
                while let (Some(field), Some(value)) = (items.next(), items.next()) {
                    pairs.push((field, value));
                }
                Ok(Value::Map(pairs))
            }
            b'_' => Ok(Value::Nil),
            b'#' => Ok(Value::Boolean(rest == b"t")),
            b'(' => Ok(Value::BulkString(rest.to_vec())),
            b',' => match text(rest)?.parse() {
                Ok(number) => Ok(Value::Double(number)),
                Err(_) => Err(malformed("a number that is none")),
            },
            other => Err(malformed(&format!("a reply of type {:?}", char::from(*other)))),
        }
    }

    fn items(
        &mut self,
        source: &mut impl Source,
        n: usize,
        depth: usize,
    ) -> RedisResult<Vec<Value>> {
        let mut items = Vec::with_capacity(n.min(1024));
        for _ in 0..n {
            items.push(self.value(source, depth + 1)?);
        }
        Ok(items)
    }

    /// Where the next line is, without its end.
    fn line(&mut self, source: &mut impl Source) -> RedisResult<(usize, usize)> {
        let mut seen = 0;
        loop {
            let unseen = &self.buffer[self.at + seen..self.end];
            if let Some(found) = unseen.iter().position(|byte| *byte == b'\n') {
                let (start, end) = (self.at, self.at + seen + found);
                self.at = end + 1;
                return match self.buffer[start..end].last() {
                    Some(b'\r') => Ok((start, end - 1)),
                    _ => Err(malformed("a line without a carriage return")),
                };
            }
            seen = self.end - self.at;
            // What is not Redis need not send lines.
            if seen > 0 && !KINDS.contains(&self.buffer[self.at]) {
                return Err(malformed("it is of no known type"));
            }
            if seen > LINE_MAX {
                return Err(malformed("an endless line"));
            }
            self.fill(source)?;
        }
    }

    /// A string of that size, with the line end behind it.
    fn string(&mut self, source: &mut impl Source, size: usize) -> RedisResult<Vec<u8>> {
        let buffered = size.min(self.end - self.at);
        let mut bytes = self.buffer[self.at..self.at + buffered].to_vec();
        self.at += buffered;
        let mut filled = bytes.len();
        while filled < size {
            if filled == bytes.len() {
                let step = (size - filled).min(filled.max(READ));
                bytes.try_reserve(step).map_err(|_| malformed("a string larger than memory"))?;
                bytes.resize(filled + step, 0);
            }
            filled += source.receive(&mut bytes[filled..])?;
        }
        match self.line(source)? {
            (start, end) if start == end => Ok(bytes),
            _ => Err(malformed("a string longer than announced")),
        }
    }

    /// Get more bytes. What has been used makes room.
    fn fill(&mut self, source: &mut impl Source) -> RedisResult<()> {
        if self.at > 0 {
            self.buffer.copy_within(self.at..self.end, 0);
            self.end -= self.at;
            self.at = 0;
        }
        if self.buffer.len() < self.end + READ {
            self.buffer.resize(self.end + READ, 0);
        }
        self.end += source.receive(&mut self.buffer[self.end..])?;
        Ok(())
    }
}

fn malformed(what: &str) -> RedisError {
    unreadable(format!("it is malformed: {what}"))
}

fn text(bytes: &[u8]) -> RedisResult<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| malformed("a status that is not text"))
}

fn number(bytes: &[u8]) -> RedisResult<i64> {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| malformed("a number that is none"))
}

/// How much follows; `None` for nil.
fn length(bytes: &[u8], max: usize) -> RedisResult<Option<usize>> {
    match number(bytes)? {
        -1 => Ok(None),
        n => match usize::try_from(n) {
            Ok(n) if n <= max => Ok(Some(n)),
            _ => Err(malformed(&format!("a length of {n}"))),
        },
    }
}

/// Only the client library can make this value. It expects one line.
fn error(message: &[u8]) -> RedisResult<Value> {
    let line = String::from_utf8_lossy(message).replace(['\r', '\n'], " ");
    parse_redis_value(format!("-{line}\r\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::ErrorKind;
    use std::io;

    /// Gives a few bytes at a time, then ends, or goes on with one byte for ever.
    struct Bytes<'a>(&'a [u8], usize, Option<u8>);

    impl Source for Bytes<'_> {
        fn receive(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(into.len()).min(self.0.len());
            match (n, self.2) {
                (0, None) => return Err(io::ErrorKind::UnexpectedEof.into()),
                (0, Some(byte)) => {
                    into.fill(byte);
                    return Ok(into.len());
                }
                _ => {}
            }
            into[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn read(bytes: &[u8], step: usize) -> RedisResult<Value> {
        Reader::default().reply(&mut Bytes(bytes, step, None))
    }

    #[test]
    fn replies_are_read_however_they_arrive() {
        let bytes = b"*4\r\n$5\r\na\r\nbc\r\n:-12\r\n*-1\r\n*2\r\n+OK\r\n-ERR no\r\n";
        let whole = read(bytes, 1000).unwrap();
        let Value::Array(items) = &whole else { panic!("{whole:?}") };
        assert_eq!(items[0], Value::BulkString(b"a\r\nbc".to_vec()));
        assert_eq!(items[1..3], [Value::Int(-12), Value::Nil]);
        for step in 1..10 {
            assert_eq!(read(bytes, step).unwrap(), whole);
        }
        // Several at once.
        let mut reader = Reader::default();
        let mut source = Bytes(b":1\r\n$-1\r\n+x\r\n", 100, None);
        let mut next = || reader.reply(&mut source).unwrap();
        let expected = [Value::Int(1), Value::Nil, Value::SimpleString("x".into())];
        assert_eq!([next(), next(), next()], expected);
    }

    #[test]
    fn errors_keep_their_code() {
        let Value::ServerError(error) = read(b"-OOM no memory\r\n", 100).unwrap() else { panic!() };
        assert_eq!((error.code(), error.details()), ("OOM", Some("no memory")));
        let Value::ServerError(error) = read(b"!5\r\nERR x\r\n", 100).unwrap() else { panic!() };
        assert_eq!(error.details(), Some("x"));
    }

    #[test]
    fn malformed_replies_are_errors() {
        let nested = b"*1\r\n".repeat(1000);
        for bytes in [
            &b"hello\r\n"[..],
            b"\r\n",
            b"+OK\n",
            b":1x\r\n",
            b":\r\n",
            b"$-2\r\n",
            b"$99999999999999\r\n",
            b"$1\r\nab\r\n",
            b"*99999999999999\r\n",
            b"*1\r\n?\r\n",
            b"\x15\x03\x01",
            b"+\xff\r\n",
            b",x\r\n",
            &nested,
        ] {
            let error = read(bytes, 100).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Parse, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn what_never_ends_takes_little_memory() {
        for (bytes, filler) in [(&b"+"[..], b'a'), (b"-", b'a'), (b"*3\r\n:", b'1')] {
            let mut reader = Reader::default();
            let error = reader.reply(&mut Bytes(bytes, 100, Some(filler))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Parse);
            assert!(reader.buffer.len() < 2 * LINE_MAX);
        }
        // A length alone takes none.
        assert!(read(b"$1000000000\r\nabc", 100).unwrap_err().is_io_error());
        assert!(read(b"*60000000\r\n:1\r\n", 100).unwrap_err().is_io_error());
    }
}
