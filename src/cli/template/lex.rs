//! Words: a template's text, cut into text and what stands between `{{` and `}}`. See text/template/parse/lex.go.

/// One word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Text(String),
    Left,
    Right,
    Word(String),
    Field(String),
    Variable(String),
    Number(String),
    Char(String),
    /// with its quotes
    Quoted(String),
    Declare,
    Assign,
    Comma,
    Pipe,
    Open,
    Close,
    Space,
    Dot,
    Other(char),
    End,
    Error(String),
}

/// Words that begin or end a part.
pub(super) const KEYWORDS: &[&str] =
    &["block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with"];

/// The words of a template, each with its place in bytes; the last is `End` or `Error`.
pub(super) fn lex(text: &str) -> Vec<(Token, usize)> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new() };
    let last = match lexer.whole() {
        Ok(()) => Token::End,
        Err(error) => Token::Error(error),
    };
    lexer.tokens.push((last, lexer.at));
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<(Token, usize)>,
}

const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn push(&mut self, token: Token, length: usize) {
        self.tokens.push((token, self.at));
        self.at += length;
    }

    fn whole(&mut self) -> Result<(), String> {
        loop {
            let Some(length) = self.rest().find("{{") else {
                let rest = self.rest().to_owned();
                if !rest.is_empty() {
                    self.push(Token::Text(rest.clone()), rest.len());
                }
                return Ok(());
            };
            let inner = &self.rest()[length + 2..];
            let trims = inner.starts_with('-') && inner[1..].starts_with(BLANK);
            let text = &self.rest()[..length];
            let text = if trims { text.trim_end_matches(BLANK) } else { text }.to_owned();
            if !text.is_empty() {
                self.tokens.push((Token::Text(text), self.at));
            }
            self.at += length;
            let skip = if trims { 4 } else { 2 };
            if self.rest()[skip..].starts_with("/*") {
                self.at += skip;
                self.comment()?;
                continue;
            }
            self.push(Token::Left, skip);
            self.action()?;
        }
    }

    fn comment(&mut self) -> Result<(), String> {
        let end = self.rest().find("*/").ok_or("unclosed comment")?;
        self.at += end + 2;
        let trims = self.rest().starts_with(BLANK) && self.rest()[1..].starts_with("-}}");
        if !trims && !self.rest().starts_with("}}") {
            return Err("comment ends before closing delimiter".into());
        }
        self.close(trims);
        Ok(())
    }

    /// Goes on behind `}}` or ` -}}`.
    fn close(&mut self, trims: bool) {
        self.at += if trims { 4 } else { 2 };
        if trims {
            self.at += self.rest().len() - self.rest().trim_start_matches(BLANK).len();
        }
    }

    fn action(&mut self) -> Result<(), String> {
        let mut depth = 0;
        loop {
            let rest = self.rest();
            let trims = rest.starts_with(BLANK) && rest[1..].starts_with("-}}");
            if trims || rest.starts_with("}}") {
                if depth > 0 {
                    return Err("unclosed left paren".into());
                }
                self.tokens.push((Token::Right, self.at));
                self.close(trims);
                return Ok(());
            }
            let Some(first) = rest.chars().next() else { return Err("unclosed action".into()) };
            match first {
                letter if BLANK.contains(&letter) => {
                    // a blank that belongs to a closing ` -}}` is left for it
                    let blanks = rest.len() - rest.trim_start_matches(BLANK).len();
                    let kept = usize::from(rest[blanks..].starts_with("-}}"));
                    let length = (blanks - kept).max(1);
                    self.push(Token::Space, length);
                }
                ':' if rest.starts_with(":=") => self.push(Token::Declare, 2),
                ':' => return Err("expected :=".into()),
                '=' => self.push(Token::Assign, 1),
                ',' => self.push(Token::Comma, 1),
                '|' => self.push(Token::Pipe, 1),
                '(' => {
                    depth += 1;
                    self.push(Token::Open, 1);
                }
                ')' if depth == 0 => return Err("unexpected right paren".into()),
                ')' => {
                    depth -= 1;
                    self.push(Token::Close, 1);
                }
                '"' | '`' | '\'' => self.quoted(first)?,
                '.' if !rest[1..].starts_with(|next: char| next.is_ascii_digit()) => {
                    let name = word(&rest[1..]).to_owned();
                    match name.is_empty() {
                        true => self.push(Token::Dot, 1),
                        false => self.named(Token::Field(name.clone()), name.len() + 1)?,
                    }
                }
                '$' => {
                    let name = format!("${}", word(&rest[1..]));
                    self.named(Token::Variable(name.clone()), name.len())?;
                }
                '+' | '-' | '.' | '0'..='9' => self.number()?,
                letter if letter.is_alphabetic() || letter == '_' => {
                    let name = word(rest).to_owned();
                    self.named(Token::Word(name.clone()), name.len())?;
                }
                other if other.is_ascii_graphic() => self.push(Token::Other(other), 1),
                other => return Err(format!("unrecognized character in action: {}", shown(other))),
            }
        }
    }

    /// A name, which something that ends it must follow.
    fn named(&mut self, token: Token, length: usize) -> Result<(), String> {
        self.push(token, length);
        match self.rest().chars().next() {
            None => Ok(()),
            Some(next) if BLANK.contains(&next) || ".,|:)(".contains(next) => Ok(()),
            Some(_) if self.rest().starts_with("}}") => Ok(()),
            Some(next) => Err(format!("bad character {}", shown(next))),
        }
    }

    fn number(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let mut length = usize::from(rest.starts_with(['+', '-']));
        let run = |from: usize, digits: &str| {
            let end = rest[from..].find(|letter| !digits.contains(letter));
            from + end.unwrap_or(rest.len() - from)
        };
        let marked = |letters: [&str; 2]| letters.iter().any(|mark| rest[length..].starts_with(mark));
        let digits = match () {
            _ if marked(["0x", "0X"]) => "0123456789abcdefABCDEF_",
            _ if marked(["0o", "0O"]) => "01234567_",
            _ if marked(["0b", "0B"]) => "01_",
            _ => "0123456789_",
        };
        length = run(length + if digits == "0123456789_" { 0 } else { 2 }, digits);
        if rest[length..].starts_with('.') {
            length = run(length + 1, digits);
        }
        if digits == "0123456789_" && rest[length..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
            length = run(length + 1 + sign, digits);
        }
        match rest[length..].chars().next() {
            Some(next) if next.is_alphanumeric() => {
                Err(format!("bad number syntax: {:?}", &rest[..length + next.len_utf8()]))
            }
            _ => {
                self.push(Token::Number(rest[..length].to_owned()), length);
                Ok(())
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<(), String> {
        let what = match quote {
            '"' => "unterminated quoted string",
            '`' => "unterminated raw quoted string",
            _ => "unterminated character constant",
        };
        let mut escaped = false;
        for (at, letter) in self.rest().char_indices().skip(1) {
            if letter == '\n' && quote != '`' {
                break;
            }
            if letter == quote && !escaped {
                let text = self.rest()[..=at].to_owned();
                let length = text.len();
                self.push(if quote == '\'' { Token::Char(text) } else { Token::Quoted(text) }, length);
                return Ok(());
            }
            escaped = letter == '\\' && !escaped && quote != '`';
        }
        Err(what.into())
    }
}

/// The letters and digits that this text begins with.
fn word(text: &str) -> &str {
    let end = text.find(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    &text[..end.unwrap_or(text.len())]
}

/// A character as Go names it: `U+0040 '@'`.
pub(super) fn shown(letter: char) -> String {
    format!("U+{:04X} '{letter}'", letter as u32)
}
