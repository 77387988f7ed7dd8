//! Splits a command line into words as a POSIX shell does, and refuses whatever a shell would do beyond that.
//!
//! No shell runs, so nothing is expanded. What a shell would expand or interpret is refused rather than passed on as it is:
//! the command that is meant would not be the command that runs.

use std::iter::Peekable;
use std::str::Chars;

use crate::base::fault::Fault;
use crate::base::fault::Kind;

/// The command line cannot be run without a shell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCommand {
    /// No word at all.
    #[error("the command is empty")]
    Empty,
    /// A quotation mark without its partner.
    #[error("the command has a {0} without its partner")]
    OpenQuote(char),
    /// A backslash with nothing after it.
    #[error("the command ends in a backslash")]
    OpenEscape,
    /// Something that only a shell understands.
    #[error("the command holds {0}, which only a shell understands")]
    Shell(String),
    /// A variable set before the program.
    #[error("the command sets the variable {0} before its program, which only a shell understands")]
    Assignment(String),
    /// A character that no argument can hold.
    #[error("the command holds a NUL character")]
    Nul,
}

impl Fault for BadCommand {
    fn kind(&self) -> Kind {
        match self {
            Self::Empty | Self::OpenQuote(_) | Self::OpenEscape | Self::Shell(_) | Self::Assignment(_) | Self::Nul => {
                Kind::Usage
            }
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Empty => "Write the program and its arguments, as in command:dump='pg_dump --dbname=hub'.".into(),
            Self::OpenQuote(_) | Self::OpenEscape | Self::Nul => {
                "Quote as in a shell: '…' keeps everything, \"…\" keeps spaces, \\ keeps the next character.".into()
            }
            Self::Shell(what) => format!(
                "Put {what} in quotes if it is meant as it stands. If a shell is meant, name it: bash -o pipefail -c 'dump | filter'; \
                 without pipefail a shell hides the failure of all but the last program of a pipe."
            ),
            Self::Assignment(name) => {
                format!("Write env {name}=… PROGRAM, or let {name} through from the environment.")
            }
        };
        Some(hint)
    }
}

/// The words of a command line: the program first.
///
/// # Errors
/// See [`BadCommand`].
pub fn split(command: &str) -> Result<Vec<String>, BadCommand> {
    if command.contains('\0') {
        return Err(BadCommand::Nul);
    }
    let mut letters = command.chars().peekable();
    let mut words = Vec::new();
    loop {
        while letters.next_if(|letter| " \t".contains(*letter)).is_some() {}
        if letters.peek().is_none() {
            break;
        }
        words.push(word(&mut letters)?);
    }
    let first = words.first().ok_or(BadCommand::Empty)?;
    match first.split_once('=') {
        Some((name, _)) if !name.contains('/') => Err(BadCommand::Assignment(name.to_owned())),
        Some(_) | None if first.is_empty() => Err(BadCommand::Empty),
        Some(_) | None => Ok(words),
    }
}

fn word(letters: &mut Peekable<Chars<'_>>) -> Result<String, BadCommand> {
    let mut word = String::new();
    let mut is_first = true;
    while let Some(letter) = letters.next_if(|letter| !" \t".contains(*letter)) {
        match letter {
            '\'' => single_quoted(letters, &mut word)?,
            '"' => double_quoted(letters, &mut word)?,
            '\\' => word.push(letters.next().ok_or(BadCommand::OpenEscape)?),
            // `{}` alone means itself in every shell; find(1) needs it.
            '{' if letters.next_if_eq(&'}').is_some() => word.push_str("{}"),
            '$' if letters.peek() == Some(&'(') => return Err(BadCommand::Shell("$(".into())),
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '*' | '?' | '[' | '{' => return Err(shell(letter)),
            '#' | '~' if is_first => return Err(shell(letter)),
            '\n' | '\r' => return Err(BadCommand::Shell("a line break".into())),
            other => word.push(other),
        }
        is_first = false;
    }
    Ok(word)
}

fn single_quoted(letters: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), BadCommand> {
    for letter in letters {
        match letter {
            '\'' => return Ok(()),
            other => word.push(other),
        }
    }
    Err(BadCommand::OpenQuote('\''))
}

/// Between double quotes a shell still expands `$` and the backtick, and a backslash keeps only `$`, `` ` ``, `"`, `\` and the line break.
fn double_quoted(letters: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), BadCommand> {
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Ok(()),
            '$' | '`' => return Err(shell(letter)),
            '\\' => match letters.next().ok_or(BadCommand::OpenQuote('"'))? {
                '\n' => {}
                kept @ ('$' | '`' | '"' | '\\') => word.push(kept),
                other => word.extend(['\\', other]),
            },
            other => word.push(other),
        }
    }
    Err(BadCommand::OpenQuote('"'))
}

fn shell(letter: char) -> BadCommand {
    BadCommand::Shell(letter.to_string())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn words_are_those_of_the_shell() {
        for line in [
            "a b  c",
            " a\tb ",
            "a 'b c' d",
            r#"a "b c"'d'e\ f"#,
            r#"a "\$HOME \`x\` \" \\ \n""#,
            r"a '' b",
            "a it\\'s x=y ./z a#b a~b",
            r"find -name '*.rs' -exec echo {} \;",
            "a 'line\nbreak'",
            "a ä€ '💾'",
        ] {
            let script = format!("printf '%s\\0' {line}");
            let output = Command::new("sh")
                .arg("-c")
                .arg(&script)
                .output()
                .expect("a shell is installed");
            let shell = String::from_utf8(output.stdout).expect("text");
            let ours = split(line).expect(line).join("\0") + "\0";
            assert_eq!(ours, shell, "{line}");
        }
    }

    #[test]
    fn what_a_shell_would_do_is_refused() {
        for (line, what) in [
            ("dump | gzip", "|"),
            ("dump > x", ">"),
            ("dump 2>&1", ">"),
            ("dump < x", "<"),
            ("a; b", ";"),
            ("a & b", "&"),
            ("a $(b)", "$("),
            ("a `b`", "`"),
            ("a $HOME", "$"),
            ("a \"$HOME\"", "$"),
            ("a \"`b`\"", "`"),
            ("a *.txt", "*"),
            ("a x?", "?"),
            ("a [ab]", "["),
            ("a {b,c}", "{"),
            ("(a)", "("),
            ("a ~/x", "~"),
            ("a # b", "#"),
            ("a\nb", "a line break"),
        ] {
            let error = split(line).expect_err(line);
            assert_eq!(error, BadCommand::Shell(what.into()), "{line}");
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.hint().expect("a hint").contains("bash -o pipefail -c"), "{line}");
        }
    }

    #[test]
    fn unfinished_lines_are_refused() {
        for (line, error) in [
            ("", BadCommand::Empty),
            ("  ", BadCommand::Empty),
            ("''", BadCommand::Empty),
            ("a 'b", BadCommand::OpenQuote('\'')),
            ("a \"b", BadCommand::OpenQuote('"')),
            ("a \"b\\", BadCommand::OpenQuote('"')),
            ("a \\", BadCommand::OpenEscape),
            ("a\0b", BadCommand::Nul),
            ("A=b c", BadCommand::Assignment("A".into())),
        ] {
            assert_eq!(split(line).expect_err(line), error, "{line}");
        }
    }
}
