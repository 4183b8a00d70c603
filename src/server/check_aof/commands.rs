//! Reads the commands of an append-only file one after the other and, of the first that is not whole, says what is wrong in the words of
//! Redis's tool. A load does not come here: it reads ahead and executes; this one only looks, and keeps nothing but the beginning of a
//! command's name, however long the file says that something is.

use std::io::{self, BufRead, Read};

/// Bytes of a header that are looked at, and of an annotation.
const HEADER_MAX: u64 = 127;
const ANNOTATION_MAX: u64 = 1023;
/// Bytes of a name that are kept: enough to tell the commands that matter here.
const NAME_KEPT: u64 = 8;

/// Why reading went no further.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Problem {
    /// There was nothing where something had to begin. Redis's tool has no words for it.
    Nothing,
    /// At [`Commands::mark`].
    Broken(String),
    /// Something else than a command or an annotation begins here.
    Format,
}

/// What was read.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Step {
    Annotation(Vec<u8>),
    /// A command by the beginning of its name.
    Command(Vec<u8>),
    End,
}

/// The commands of a file from some offset on.
pub(super) struct Commands<'a, R> {
    input: R,
    at: u64,
    mark: u64,
    /// Counted over all files of a manifest, as Redis's tool does; annotations are no lines to it.
    line: &'a mut u64,
}

type Checked<T> = io::Result<Result<T, Problem>>;

impl<'a, R: BufRead> Commands<'a, R> {
    pub fn new(input: R, at: u64, line: &'a mut u64) -> Self {
        Commands { input, at, mark: at, line }
    }

    /// Bytes before what comes next.
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// Where the header or string begins that was read last.
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// Reads an annotation or a command.
    ///
    /// # Errors
    /// Of the file.
    pub fn next(&mut self) -> Checked<Step> {
        match self.input.fill_buf()?.first() {
            None => Ok(Ok(Step::End)),
            Some(b'#') => self.annotation(),
            Some(b'*') => self.command(),
            Some(_) => Ok(Err(Problem::Format)),
        }
    }

    fn annotation(&mut self) -> Checked<Step> {
        let line = self.line_of_at_most(ANNOTATION_MAX)?;
        if line.ends_with(b"\n") {
            return Ok(Ok(Step::Annotation(line)));
        }
        self.mark = self.at;
        // Redis takes it for whole; but what is appended would become part of it.
        let is_long = line.len() as u64 == ANNOTATION_MAX;
        let problem =
            if is_long { "Expected a shorter annotation" } else { "Expected \\r\\n, got the end of the file" };
        Ok(Err(Problem::Broken(problem.to_owned())))
    }

    fn command(&mut self) -> Checked<Step> {
        let args = match self.header(b'*')? {
            Ok(args) => args,
            Err(problem) => return Ok(Err(problem)),
        };
        if args <= 0 {
            // Which Redis's tool goes over, and no server loads.
            return Ok(Err(Problem::Broken(format!("Expected a command of one argument or more, got {args}"))));
        }
        let mut name = Vec::new();
        for arg in 0..args {
            match self.bulk()? {
                Ok(begin) if arg == 0 => name = begin,
                Ok(_) => {}
                Err(problem) => return Ok(Err(problem)),
            }
        }
        Ok(Ok(Step::Command(name)))
    }

    /// The beginning of a string.
    fn bulk(&mut self) -> Checked<Vec<u8>> {
        let len = match self.header(b'$')? {
            Ok(len) => len,
            Err(problem) => return Ok(Err(problem)),
        };
        if !(0..=i64::MAX - 2).contains(&len) {
            let problem = format!("Expected to read string of {len} bytes, which is not in the suitable range");
            return Ok(Err(Problem::Broken(problem)));
        }
        self.mark = self.at;
        let len = len as u64;
        let mut begin = Vec::new();
        let kept = self.input.by_ref().take(len.min(NAME_KEPT)).read_to_end(&mut begin)? as u64;
        let skipped = io::copy(&mut self.input.by_ref().take(len - kept), &mut io::sink())?;
        let mut end = Vec::new();
        let read = kept + skipped + self.input.by_ref().take(2).read_to_end(&mut end)? as u64;
        self.at += read;
        if read < len + 2 {
            return Ok(Err(Problem::Broken(format!("Expected to read {} bytes, got {read} bytes", len + 2))));
        }
        Ok(self.line_end(&end).map(|()| begin))
    }

    /// The number behind `prefix`.
    fn header(&mut self, prefix: u8) -> Checked<i64> {
        self.mark = self.at;
        let line = self.line_of_at_most(HEADER_MAX)?;
        let Some(&first) = line.first() else { return Ok(Err(Problem::Nothing)) };
        if first != prefix {
            let (expected, got) = (char::from(prefix), char::from(first));
            return Ok(Err(Problem::Broken(format!("Expected prefix '{expected}', got: '{got}'"))));
        }
        let (number, rest) = leading_number(&line[1..]);
        Ok(self.line_end(rest).map(|()| number))
    }

    /// A line ends with what these begin with.
    fn line_end(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        if bytes.starts_with(b"\r\n") {
            *self.line += 1;
            return Ok(());
        }
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        Err(Problem::Broken(format!("Expected \\r\\n, got: {:02x}{:02x}", byte(0), byte(1))))
    }

    /// A line with its end, or so much of it as there is and may be looked at.
    fn line_of_at_most(&mut self, max: u64) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.input.by_ref().take(max).read_until(b'\n', &mut line)?;
        self.at += line.len() as u64;
        Ok(line)
    }
}

/// The number that these bytes begin with, 0 if there is none, and what is behind it. One that is too large becomes the largest there is.
fn leading_number(bytes: &[u8]) -> (i64, &[u8]) {
    let sign = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let digits = bytes[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (text, rest) = bytes.split_at(sign + digits);
    if digits == 0 {
        return (0, bytes);
    }
    let largest = if text[0] == b'-' { i64::MIN } else { i64::MAX };
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    (number.unwrap_or(largest), rest)
}

/// The second that an annotation names, Unix seconds: None if it is of another kind.
///
/// # Errors
/// It is of this kind, and names none.
pub(super) fn annotated_s(line: &[u8]) -> Option<Result<i64, ()>> {
    let time = line.strip_prefix(b"#TS:")?;
    let (time_s, rest) = leading_number(time);
    Some(if rest.starts_with(b"\r") { Ok(time_s) } else { Err(()) })
}

#[cfg(test)]
mod tests {
    use super::{Commands, Problem, Step, annotated_s};

    #[test]
    fn nothing_is_kept_of_what_is_not_there() {
        let bytes = b"*2\r\n$4\r\nINCR\r\n$9223372036854775805\r\nabc";
        let mut line = 1;
        let mut commands = Commands::new(&bytes[..], 100, &mut line);
        let problem = "Expected to read 9223372036854775807 bytes, got 3 bytes".to_owned();
        assert_eq!(commands.next().unwrap(), Err(Problem::Broken(problem)));
        assert_eq!((commands.mark(), commands.offset(), line), (136, 139, 5));
    }

    #[test]
    fn times_of_annotations() {
        assert_eq!(annotated_s(b"#TS:12\r\n"), Some(Ok(12)));
        assert_eq!(annotated_s(b"#TS:12"), Some(Err(())));
        assert_eq!(annotated_s(b"#TS:x\r\n"), Some(Err(())));
        assert_eq!(annotated_s(b"#hello\r\n"), None);
    }

    #[test]
    fn steps_of_a_file() {
        let bytes = b"#TS:1\r\n*1\r\n$9\r\nabcdefghi\r\nx";
        let mut line = 1;
        let mut commands = Commands::new(&bytes[..], 0, &mut line);
        assert_eq!(commands.next().unwrap(), Ok(Step::Annotation(b"#TS:1\r\n".to_vec())));
        assert_eq!(commands.next().unwrap(), Ok(Step::Command(b"abcdefgh".to_vec())));
        assert_eq!(commands.next().unwrap(), Err(Problem::Format));
        assert_eq!(line, 4);
    }
}
