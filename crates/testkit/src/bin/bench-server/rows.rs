//! Rows of a table as text, in the words of the program that takes them: psql or sqlite3.

use std::io::{self, Write};

/// Who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `COPY … FROM STDIN`, each row a line.
    Copy,
    /// `INSERT`, many rows to a statement.
    Insert,
}

/// One value of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Number(i64),
    Degrees(f64),
    /// Without anything that would have to be escaped.
    Text(&'a str),
    Bytes(&'a [u8]),
    Nothing,
}

/// Writes all rows of one table.
pub(crate) struct Table<'a, W: Write> {
    out: &'a mut W,
    format: Format,
    head: String,
    /// Rows of the statement that is open.
    rows: usize,
}

impl<'a, W: Write> Table<'a, W> {
    /// Begins a table: its name, and its columns with commas between.
    pub(crate) fn begin(out: &'a mut W, format: Format, name: &str, columns: &str) -> io::Result<Self> {
        if format == Format::Copy {
            writeln!(out, "COPY {name} ({columns}) FROM STDIN;")?;
        }
        Ok(Self { out, format, head: format!("INSERT INTO {name} ({columns}) VALUES"), rows: 0 })
    }

    pub(crate) fn row(&mut self, values: &[Value<'_>]) -> io::Result<()> {
        let (open, between, close) = match self.format {
            Format::Copy => ("", "\t", "\n"),
            Format::Insert if self.rows == 0 => ("(", ",", ")"),
            Format::Insert => (",(", ",", ")"),
        };
        if self.format == Format::Insert && self.rows == 0 {
            self.out.write_all(self.head.as_bytes())?;
        }
        self.out.write_all(open.as_bytes())?;
        for (n, value) in values.iter().enumerate() {
            if n > 0 {
                self.out.write_all(between.as_bytes())?;
            }
            self.value(*value)?;
        }
        self.out.write_all(close.as_bytes())?;
        self.rows += 1;
        if self.format == Format::Insert && self.rows == ROWS {
            self.out.write_all(b";\n")?;
            self.rows = 0;
        }
        Ok(())
    }

    pub(crate) fn end(self) -> io::Result<()> {
        match self.format {
            Format::Copy => self.out.write_all(b"\\.\n"),
            Format::Insert if self.rows > 0 => self.out.write_all(b";\n"),
            Format::Insert => Ok(()),
        }
    }

    fn value(&mut self, value: Value<'_>) -> io::Result<()> {
        match (self.format, value) {
            (_, Value::Number(number)) => write!(self.out, "{number}"),
            (_, Value::Degrees(degrees)) => write!(self.out, "{degrees:.6}"),
            (Format::Copy, Value::Text(text)) => self.out.write_all(text.as_bytes()),
            (Format::Insert, Value::Text(text)) => write!(self.out, "'{text}'"),
            (Format::Copy, Value::Nothing) => self.out.write_all(b"\\N"),
            (Format::Insert, Value::Nothing) => self.out.write_all(b"NULL"),
            (Format::Copy, Value::Bytes(bytes)) => {
                self.out.write_all(b"\\\\x")?;
                self.hexadecimal(bytes)
            }
            (Format::Insert, Value::Bytes(bytes)) => {
                self.out.write_all(b"x'")?;
                self.hexadecimal(bytes)?;
                self.out.write_all(b"'")
            }
        }
    }

    fn hexadecimal(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes.iter().try_for_each(|byte| write!(self.out, "{byte:02x}"))
    }
}

/// Rows of one `INSERT`: enough that its head does not count.
const ROWS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let mut out = Vec::new();
        let mut table = Table::begin(&mut out, format, "t", "a, b, c").unwrap();
        table.row(&[Value::Number(-1), Value::Text("x"), Value::Bytes(b"\xc3\xa9")]).unwrap();
        table.row(&[Value::Nothing, Value::Degrees(1.5), Value::Text("")]).unwrap();
        table.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_program_gets_its_own_words() {
        assert_eq!(written(Format::Copy), "COPY t (a, b, c) FROM STDIN;\n-1\tx\t\\\\xc3a9\n\\N\t1.500000\t\n\\.\n");
        assert_eq!(written(Format::Insert), "INSERT INTO t (a, b, c) VALUES(-1,'x',x'c3a9'),(NULL,1.500000,'');\n");
    }
}
