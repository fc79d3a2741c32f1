//! From words to nodes, with Go's complaints. See text/template/parse/parse.go.

use super::constant::{number, unquote};
use super::functions;
use super::lex::{KEYWORDS, Token, lex};
use super::node::{Arg, Branch, Command, Kind, Node, Pipe};

/// How many parts may stand one in another: each takes a piece of the stack.
const DEEPEST: u32 = 200;

/// Where it went wrong, and how.
type Wrong = (usize, String);

/// The nodes of a template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Wrong> {
    let mut parser = Parser { tokens: lex(text), at: 0, variables: vec!["$".into()], loops: 0, depth: 0 };
    let (nodes, end) = parser.list()?;
    match end {
        Ending::File => Ok(nodes),
        Ending::End => parser.wrong("unexpected {{end}}"),
        Ending::Else => parser.wrong("unexpected {{else}}"),
    }
}

/// What a list of nodes ends with.
#[derive(PartialEq)]
enum Ending {
    File,
    End,
    Else,
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    variables: Vec<String>,
    loops: u32,
    /// how many parts and parentheses are open
    depth: u32,
}

impl Parser {
    fn wrong<T>(&self, what: impl Into<String>) -> Result<T, Wrong> {
        Err((self.tokens[self.at.min(self.tokens.len() - 1)].1, what.into()))
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)].0
    }

    fn pos(&self) -> usize {
        self.tokens[self.at.min(self.tokens.len() - 1)].1
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn skip_space(&mut self) {
        while *self.peek() == Token::Space {
            self.at += 1;
        }
    }

    /// Reads what stands in something else.
    fn within<T>(&mut self, read: impl FnOnce(&mut Parser) -> Result<T, Wrong>) -> Result<T, Wrong> {
        if self.depth == DEEPEST {
            return self.wrong(format!("max expression depth exceeded: {DEEPEST}"));
        }
        self.depth += 1;
        let done = read(self);
        self.depth -= 1;
        done
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Result<T, Wrong> {
        match token {
            Token::Error(what) => self.wrong(what.clone()),
            _ => self.wrong(format!("unexpected {} in {context}", shown(token))),
        }
    }

    fn list(&mut self) -> Result<(Vec<Node>, Ending), Wrong> {
        let mut nodes = Vec::new();
        loop {
            match self.next() {
                Token::Text(text) => nodes.push(Node::Text(text)),
                Token::End => return Ok((nodes, Ending::File)),
                Token::Left => {
                    self.skip_space();
                    match self.peek() {
                        Token::Word(word) if word == "end" => {
                            self.at += 1;
                            self.right("end")?;
                            return Ok((nodes, Ending::End));
                        }
                        Token::Word(word) if word == "else" => {
                            self.at += 1;
                            return Ok((nodes, Ending::Else));
                        }
                        _ => nodes.push(self.action()?),
                    }
                }
                token => return self.unexpected(&token, "input"),
            }
        }
    }

    fn right(&mut self, context: &str) -> Result<(), Wrong> {
        self.skip_space();
        match self.next() {
            Token::Right => Ok(()),
            token => self.unexpected(&token, context),
        }
    }

    fn action(&mut self) -> Result<Node, Wrong> {
        let word = match self.peek() {
            Token::Word(word) => word.clone(),
            _ => String::new(),
        };
        match word.as_str() {
            "if" | "with" | "range" => {
                self.at += 1;
                self.within(|parser| parser.branch(&word))
            }
            "break" | "continue" => {
                self.at += 1;
                self.right(&word)?;
                if self.loops == 0 {
                    return self.wrong(format!("{{{{{word}}}}} outside {{{{range}}}}"));
                }
                Ok(if word == "break" { Node::Break } else { Node::Continue })
            }
            "define" | "template" | "block" => self
                .wrong(format!("{{{{{word}}}}} is not part of this --format: write out what it would hold")),
            _ => Ok(Node::Action(self.pipeline("command", &Token::Right)?)),
        }
    }

    fn branch(&mut self, word: &str) -> Result<Node, Wrong> {
        let known = self.variables.len();
        let pipe = self.pipeline(word, &Token::Right)?;
        self.loops += u32::from(word == "range");
        let (list, ending) = self.list()?;
        self.loops -= u32::from(word == "range");
        let otherwise = match ending {
            Ending::File => return self.wrong("unexpected EOF"),
            Ending::End => Vec::new(),
            Ending::Else => self.otherwise(word)?,
        };
        self.variables.truncate(known);
        let branch = Branch { pipe, list, otherwise };
        Ok(match word {
            "if" => Node::If(branch),
            "range" => Node::Range(branch),
            _ => Node::With(branch),
        })
    }

    /// Behind `{{else`: `}}` and a list, or ` if` and all that belongs to it.
    fn otherwise(&mut self, word: &str) -> Result<Vec<Node>, Wrong> {
        self.skip_space();
        if word == "if" && matches!(self.peek(), Token::Word(next) if next == "if") {
            self.at += 1;
            return Ok(vec![self.within(|parser| parser.branch("if"))?]);
        }
        self.right("else")?;
        match self.list()? {
            (list, Ending::End) => Ok(list),
            (_, Ending::Else) => self.wrong("expected end; found {{else}}"),
            (_, Ending::File) => self.wrong("unexpected EOF"),
        }
    }

    fn pipeline(&mut self, context: &str, end: &Token) -> Result<Pipe, Wrong> {
        self.skip_space();
        let pos = self.pos();
        let (variables, assigns) = self.declarations(context)?;
        let mut commands: Vec<Command> = Vec::new();
        loop {
            self.skip_space();
            let token = self.peek().clone();
            if token == *end {
                self.at += 1;
                if commands.is_empty() {
                    return self.wrong(format!("missing value for {context}"));
                }
                for (stage, command) in commands.iter().enumerate().skip(1) {
                    let first = &command.args[0].kind;
                    if matches!(
                        first,
                        Kind::Bool(_) | Kind::Dot | Kind::Nil | Kind::Number(..) | Kind::Text(..)
                    ) {
                        return self.wrong(format!("non executable command in pipeline stage {}", stage + 1));
                    }
                }
                if !assigns {
                    self.variables.extend(variables.iter().cloned());
                }
                return Ok(Pipe { pos, variables, assigns, commands });
            }
            match token {
                Token::Word(ref word) if KEYWORDS.contains(&word.as_str()) && word != "nil" => {
                    return self.unexpected(&token, context);
                }
                Token::Word(_)
                | Token::Field(_)
                | Token::Variable(_)
                | Token::Number(_)
                | Token::Char(_)
                | Token::Quoted(_)
                | Token::Open
                | Token::Dot => commands.push(self.command()?),
                other => return self.unexpected(&other, context),
            }
        }
    }

    /// `$x :=`, `$x =`, and for a range `$index, $value :=`.
    fn declarations(&mut self, context: &str) -> Result<(Vec<String>, bool), Wrong> {
        let begin = self.at;
        let mut names = Vec::new();
        while let Token::Variable(name) = self.peek().clone() {
            self.at += 1;
            names.push(name);
            self.skip_space();
            match self.peek() {
                Token::Declare | Token::Assign => {
                    let assigns = self.next() == Token::Assign;
                    if names.len() > if context == "range" { 2 } else { 1 } {
                        return self.wrong(format!("too many declarations in {context}"));
                    }
                    return Ok((names, assigns));
                }
                Token::Comma if context == "range" => {
                    self.at += 1;
                    self.skip_space();
                }
                _ => break,
            }
        }
        self.at = begin;
        Ok((Vec::new(), false))
    }

    fn command(&mut self) -> Result<Command, Wrong> {
        let pos = self.pos();
        let mut args = Vec::new();
        loop {
            self.skip_space();
            args.extend(self.operand()?);
            match self.peek().clone() {
                Token::Space => self.at += 1,
                Token::Right | Token::Close => break,
                Token::Pipe => {
                    self.at += 1;
                    break;
                }
                token => return self.unexpected(&token, "operand"),
            }
        }
        if args.is_empty() {
            return self.wrong("empty command");
        }
        Ok(Command { pos, args })
    }

    fn operand(&mut self) -> Result<Option<Arg>, Wrong> {
        let Some(arg) = self.term()? else { return Ok(None) };
        let pos = self.pos();
        let mut names = Vec::new();
        while let Token::Field(name) = self.peek().clone() {
            self.at += 1;
            names.push(name);
        }
        if names.is_empty() {
            return Ok(Some(arg));
        }
        let kind = match arg.kind {
            Kind::Field(before) => Kind::Field([before, names].concat()),
            Kind::Variable(before) => Kind::Variable([before, names].concat()),
            Kind::Function(_) | Kind::Pipe(_) | Kind::Chain(..) => Kind::Chain(Box::new(arg), names),
            _ => return self.wrong(format!("unexpected . after term {:?}", arg.to_string())),
        };
        Ok(Some(Arg { pos, kind }))
    }

    fn term(&mut self) -> Result<Option<Arg>, Wrong> {
        let pos = self.pos();
        let kind = match self.peek().clone() {
            Token::Word(word) => match word.as_str() {
                "true" | "false" => Kind::Bool(word == "true"),
                "nil" => Kind::Nil,
                name if functions::KNOWN.contains(&name) => Kind::Function(word),
                _ => return self.wrong(format!("function {word:?} not defined")),
            },
            Token::Dot => Kind::Dot,
            Token::Field(name) => Kind::Field(vec![name]),
            Token::Variable(name) if self.variables.contains(&name) => Kind::Variable(vec![name]),
            Token::Variable(name) => return self.wrong(format!("undefined variable {name:?}")),
            Token::Number(text) => match number(&text) {
                Some(number) => Kind::Number(text, number),
                None => return self.wrong(format!("bad number syntax: {text:?}")),
            },
            Token::Char(text) => match unquote(&text).and_then(|text| text.chars().next()) {
                Some(letter) => Kind::Number(text, (letter as u32).into()),
                None => return self.wrong(format!("malformed character constant: {text}")),
            },
            Token::Quoted(text) => match unquote(&text) {
                Some(value) => Kind::Text(text, value),
                None => return self.wrong("invalid syntax"),
            },
            Token::Open => {
                self.at += 1;
                let inner = |parser: &mut Parser| parser.pipeline("parenthesized pipeline", &Token::Close);
                let pipe = self.within(inner)?;
                return Ok(Some(Arg { pos, kind: Kind::Pipe(pipe) }));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(Arg { pos, kind }))
    }
}

/// A word as Go shows it in a message.
fn shown(token: &Token) -> String {
    let quoted = |text: &str| match text.chars().count() > 10 {
        true => format!("{:?}...", text.chars().take(10).collect::<String>()),
        false => format!("{text:?}"),
    };
    match token {
        Token::End => "EOF".into(),
        Token::Word(word) if KEYWORDS.contains(&word.as_str()) => format!("<{word}>"),
        Token::Word(text) | Token::Number(text) | Token::Variable(text) => quoted(text),
        Token::Text(text) | Token::Quoted(text) | Token::Char(text) => quoted(text),
        Token::Field(name) => quoted(&format!(".{name}")),
        Token::Left => quoted("{{"),
        Token::Right => quoted("}}"),
        Token::Declare => quoted(":="),
        Token::Assign => quoted("="),
        Token::Comma => quoted(","),
        Token::Pipe => quoted("|"),
        Token::Open => quoted("("),
        Token::Close => quoted(")"),
        Token::Space => quoted(" "),
        Token::Dot => "<.>".into(),
        Token::Other(letter) => quoted(&letter.to_string()),
        Token::Error(what) => what.clone(),
    }
}
