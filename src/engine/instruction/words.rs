//! Words: quotes, escapes and variables, as a shell reads them.
//!
//! ```text
//!   a'$B'"$B"\$B        B=x   ->  a$Bx$B
//!   ${B} ${B:-y} ${B:+y} ${B:?why}        with `:` an empty value counts as none
//! ```
//!
//! Docker reads Dockerfiles so since its beginning; it is a part of POSIX's shell. See the Dockerfile reference,
//! "Environment replacement".

use super::InstructionError;

type Result<T> = std::result::Result<T, InstructionError>;

/// Takes quotes away and puts values in the place of variables.
///
/// # Errors
/// A quote or `${` that does not end, and what `${A:?why}` says.
pub fn expand(word: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut lexer = Lexer::new(word, &variable);
    lexer.until(None)
}

/// The same; what blanks outside of quotes part, also in values, comes as words of their own.
///
/// # Errors
/// As [`expand`].
pub fn expand_words(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Vec<String>> {
    let mut lexer = Lexer::new(text, &variable);
    lexer.until(None)?;
    lexer.end_word();
    Ok(lexer.words)
}

struct Lexer<'a> {
    text: &'a str,
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    variable: &'a dyn Fn(&str) -> Option<String>,
    words: Vec<String>,
    /// the word that has begun
    word: Option<String>,
    /// how deep inside `${…}`, where words do not end
    depth: u32,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, variable: &'a dyn Fn(&str) -> Option<String>) -> Lexer<'a> {
        Lexer { text, rest: text.chars().peekable(), variable, words: Vec::new(), word: None, depth: 0 }
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    /// Adds what stands so: it never parts words.
    fn quoted(&mut self, into: &mut String, text: &str) {
        into.push_str(text);
        if self.depth == 0 {
            self.word.get_or_insert_default().push_str(text);
        }
    }

    /// Adds what parts words at its blanks.
    fn plain(&mut self, into: &mut String, text: &str) {
        into.push_str(text);
        if self.depth > 0 {
            return;
        }
        for letter in text.chars() {
            match letter.is_whitespace() {
                true => self.end_word(),
                false => self.word.get_or_insert_default().push(letter),
            }
        }
    }

    fn until(&mut self, stop: Option<char>) -> Result<String> {
        let mut out = String::new();
        while let Some(letter) = self.rest.next() {
            match letter {
                letter if Some(letter) == stop => return Ok(out),
                '\'' => self.single(&mut out)?,
                '"' => self.double(&mut out)?,
                '$' => {
                    let value = self.dollar()?;
                    self.plain(&mut out, &value);
                }
                '\\' => {
                    if let Some(next) = self.rest.next() {
                        self.quoted(&mut out, next.encode_utf8(&mut [0; 4]));
                    }
                }
                letter => self.plain(&mut out, letter.encode_utf8(&mut [0; 4])),
            }
        }
        if stop.is_some() { Err(InstructionError::Substitution(self.text.to_owned())) } else { Ok(out) }
    }

    fn single(&mut self, out: &mut String) -> Result<()> {
        let mut text = String::new();
        loop {
            match self.rest.next() {
                None => return Err(InstructionError::Quote("single")),
                Some('\'') => break,
                Some(letter) => text.push(letter),
            }
        }
        self.quoted(out, &text);
        Ok(())
    }

    fn double(&mut self, out: &mut String) -> Result<()> {
        let mut text = String::new();
        loop {
            match self.rest.next() {
                None => return Err(InstructionError::Quote("double")),
                Some('"') => break,
                Some('$') => text += &self.dollar()?,
                Some('\\') => match self.rest.next() {
                    None => return Err(InstructionError::Quote("double")),
                    Some(special @ ('"' | '$' | '\\')) => text.push(special),
                    Some(other) => text.extend(['\\', other]),
                },
                Some(letter) => text.push(letter),
            }
        }
        self.quoted(out, &text);
        Ok(())
    }

    /// What stands for a `$` and what follows it.
    fn dollar(&mut self) -> Result<String> {
        if self.rest.peek() != Some(&'{') {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_owned() } else { self.value(&name).unwrap_or_default() });
        }
        self.rest.next();
        let bad = InstructionError::Substitution(self.text.to_owned());
        let name = self.name();
        if name.is_empty() {
            return Err(bad);
        }
        let mut empty_is_none = false;
        let mut operator = self.rest.next();
        if operator == Some(':') {
            empty_is_none = true;
            operator = self.rest.next();
        }
        let value = self.value(&name);
        if operator == Some('}') && !empty_is_none {
            return Ok(value.unwrap_or_default());
        }
        let Some(operator @ ('-' | '+' | '?')) = operator else { return Err(bad) };
        self.depth += 1;
        let word = self.until(Some('}'));
        self.depth -= 1;
        let word = word?;
        let value = value.filter(|value| !value.is_empty() || !empty_is_none);
        match (operator, value) {
            ('+', Some(_)) => Ok(word),
            ('+', None) => Ok(String::new()),
            (_, Some(value)) => Ok(value),
            ('-', None) => Ok(word),
            (_, None) => {
                let why = if word.is_empty() { "is not allowed to be unset".to_owned() } else { word };
                Err(InstructionError::Unset { name, why })
            }
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        (self.variable)(name)
    }

    /// A name, a number, or one of the shell's own signs; empty where none stands here.
    fn name(&mut self) -> String {
        let mut name = String::new();
        let Some(first) = self.rest.peek().copied() else { return name };
        if matches!(first, '@' | '*' | '#' | '?' | '-' | '$' | '!') {
            self.rest.next();
            name.push(first);
            return name;
        }
        let part = |letter: &char| match first.is_ascii_digit() {
            true => letter.is_ascii_digit(),
            false => letter.is_ascii_alphanumeric() || *letter == '_',
        };
        while let Some(letter) = self.rest.next_if(part) {
            name.push(letter);
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        [("A", "a b"), ("E", ""), ("H", "/home")]
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn words_are_read_as_docker_reads_them() {
        for (text, wanted) in [
            ("plain", "plain"),
            ("$A", "a b"),
            ("${A}x$H/y", "a bx/home/y"),
            ("'$A'", "$A"),
            ("\"$A\"", "a b"),
            ("\\$A", "$A"),
            ("\"\\$A \\n \\\"\"", "$A \\n \""),
            ("a\\ b", "a b"),
            ("${N:-d}", "d"),
            ("${E:-d}", "d"),
            ("${E-d}", ""),
            ("${A:+d}", "d"),
            ("${E:+d}", ""),
            ("${N:-${H}/x}", "/home/x"),
            ("${N:-'}'}", "}"),
            ("$", "$"),
            ("a$/b", "a$/b"),
            ("$1x", "x"),
            ("${H}s", "/homes"),
            ("$Hs", ""),
            ("", ""),
            ("''", ""),
        ] {
            assert_eq!(expand(text, variable).as_deref(), Ok(wanted), "{text}");
        }
        for text in ["'a", "\"a", "\"\\", "${", "${}", "${A", "${A:}", "${A:x}", "${A:-", "${N:?no}"] {
            assert!(expand(text, variable).is_err(), "{text}");
        }
        assert_eq!(expand("${N?gone}", variable).expect_err("unset").to_string(), "N: gone");
    }

    #[test]
    fn blanks_outside_of_quotes_part_words() {
        let words = |text| expand_words(text, variable).expect("words");
        assert_eq!(
            words("80 $A '$A' \"x  $A\" '' ${N:-p q}"),
            ["80", "a", "b", "$A", "x  a b", "", "p", "q"]
        );
        assert_eq!(words("  "), Vec::<String>::new());
    }
}
