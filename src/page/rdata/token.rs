//! Cuts text into the tokens of a master file (RFC 1035 section 5.1), copying nothing.
//!
//! A token's escapes are left as they are: what `\` means depends on the field it stands in.

use super::RdataRefusal;

/// One word or quoted string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// As written, without the quotes around it.
    pub raw: &'a [u8],
    /// Whether it stood in quotes.
    pub quoted: bool,
    /// Offset of its first byte in the text, a quote included.
    pub at: usize,
}

/// What comes next in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    Token(Token<'a>),
    /// A line ends outside parentheses.
    EndOfLine,
    EndOfText,
    /// A quote opened here is not closed on its line.
    OpenQuote(usize),
    /// A parenthesis here has no partner.
    Parenthesis(usize),
}

/// Cuts a text into tokens and ends of lines.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    /// Offset of the open parenthesis, plus its depth.
    open: Option<usize>,
    depth: usize,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a [u8]) -> Tokens<'a> {
        Tokens { text, at: 0, open: None, depth: 0 }
    }

    /// Offset of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether a blank is next: on a fresh line, the owner is the previous one.
    pub fn at_blank(&self) -> bool {
        matches!(self.text.get(self.at), Some(b' ' | b'\t'))
    }

    /// Skips `prefix` if it is next, and tells whether it was.
    pub fn skip(&mut self, prefix: &[u8]) -> bool {
        let found = self.text[self.at..].starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    /// The next token or end. Inside parentheses, ends of lines are blanks.
    pub fn step(&mut self) -> Step<'a> {
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return self.open.map_or(Step::EndOfText, Step::Parenthesis);
            };
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\n' => {
                    self.at += 1;
                    if self.depth == 0 {
                        return Step::EndOfLine;
                    }
                }
                b';' => self.skip_comment(),
                b'(' => {
                    self.open.get_or_insert(self.at);
                    self.depth += 1;
                    self.at += 1;
                }
                b')' if self.depth == 0 => return Step::Parenthesis(self.at),
                b')' => {
                    self.depth -= 1;
                    self.at += 1;
                    if self.depth == 0 {
                        self.open = None;
                    }
                }
                b'"' => return self.quoted(),
                _ => return self.word(),
            }
        }
    }

    fn skip_comment(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }

    fn quoted(&mut self) -> Step<'a> {
        let at = self.at;
        match self.closing_quote(at) {
            Some(end) => {
                self.at = end + 1;
                Step::Token(Token { raw: &self.text[at + 1..end], quoted: true, at })
            }
            None => Step::OpenQuote(at),
        }
    }

    /// A word; a quote inside (`alpn="h2"`) holds together what it encloses.
    fn word(&mut self) -> Step<'a> {
        let start = self.at;
        let mut at = start;
        while let Some(&byte) = self.text.get(at) {
            if ORDINARY[usize::from(byte)] {
                at += 1;
                continue;
            }
            match byte {
                b'\\' if !matches!(self.text.get(at + 1), None | Some(b'\n' | b'\r')) => at += 2,
                b'\\' => at += 1,
                b'"' => match self.closing_quote(at) {
                    Some(end) => at = end + 1,
                    None => return Step::OpenQuote(at),
                },
                _ => break,
            }
        }
        self.at = at;
        Step::Token(Token { raw: &self.text[start..at], quoted: false, at: start })
    }

    /// Offset of the quote that closes the one at `open`, on the same line.
    fn closing_quote(&self, open: usize) -> Option<usize> {
        let mut at = open + 1;
        loop {
            match self.text.get(at)? {
                b'"' => return Some(at),
                b'\n' => return None,
                b'\\' => at += if self.text.get(at + 1) == Some(&b'\n') { 1 } else { 2 },
                _ => at += 1,
            }
        }
    }
}

/// Bytes that neither end a word nor mean anything inside it.
const ORDINARY: [bool; 256] = {
    let mut ordinary = [true; 256];
    let special = b" \t\r\n;()\"\\";
    let mut i = 0;
    while i < special.len() {
        ordinary[special[i] as usize] = false;
        i += 1;
    }
    ordinary
};

/// The tokens of a text that is one record's data. A comment would hide what a person typed
/// without quotes (`v=DKIM1; k=rsa`), so it is refused.
pub(super) fn one_line(text: &str) -> Result<Vec<Token<'_>>, RdataRefusal> {
    let mut cutter = Tokens::new(text.as_bytes());
    let mut tokens = Vec::new();
    loop {
        let before = cutter.at();
        let step = cutter.step();
        let start = match step {
            Step::Token(token) => token.at,
            _ => cutter.at(),
        };
        if text.as_bytes()[before..start].contains(&b';') {
            return Err(RdataRefusal::Comment);
        }
        match step {
            Step::Token(token) => tokens.push(token),
            Step::EndOfText => return Ok(tokens),
            Step::EndOfLine if text[cutter.at()..].trim().is_empty() => return Ok(tokens),
            Step::EndOfLine => return Err(RdataRefusal::SecondLine),
            Step::OpenQuote(_) => return Err(RdataRefusal::OpenQuote),
            Step::Parenthesis(_) => return Err(RdataRefusal::Parenthesis),
        }
    }
}
