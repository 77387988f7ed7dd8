//! Scripts of SQL statements that the stock client reads and that are exact to take apart again, whatever the statements hold.
//!
//! ```text
//! DELIMITER $hub$
//! CREATE TABLE …$hub$
//! CREATE PROCEDURE … BEGIN …; …; END$hub$
//! DELIMITER ;
//! ```
//!
//! The delimiter is the first of `$hub$`, `$hub1$`, `$hub2$`, … that none of the statements holds.

/// What a script begins with, before its delimiter.
const HEAD: &str = "DELIMITER ";
/// What a script ends with.
const FOOT: &str = "DELIMITER ;\n";

/// The bytes are no script.
#[derive(Debug, thiserror::Error)]
#[error("it is not a script of statements: {0}")]
pub struct NotAScript(&'static str);

/// The script of `statements`.
#[must_use]
pub fn write(statements: &[String]) -> String {
    let delimiter = delimiter(statements);
    let mut script = format!("{HEAD}{delimiter}\n");
    for statement in statements {
        script.push_str(statement);
        script.push_str(&delimiter);
        script.push('\n');
    }
    script.push_str(FOOT);
    script
}

fn delimiter(statements: &[String]) -> String {
    let mut number = 0_u32;
    let mut delimiter = "$hub$".to_owned();
    while statements.iter().any(|statement| statement.contains(&delimiter)) {
        number += 1;
        delimiter = format!("$hub{number}$");
    }
    delimiter
}

/// The statements of a script, as they were given to [`write()`].
///
/// # Errors
/// [`NotAScript`] when it was not made by [`write()`].
pub fn read(script: &[u8]) -> Result<Vec<&str>, NotAScript> {
    let text = std::str::from_utf8(script).map_err(|_| NotAScript("it is not UTF-8"))?;
    let (head, rest) = text.split_once('\n').ok_or(NotAScript("it has no first line"))?;
    let delimiter = head
        .strip_prefix(HEAD)
        .ok_or(NotAScript("it does not begin with its delimiter"))?;
    let body = rest
        .strip_suffix(FOOT)
        .ok_or(NotAScript("it does not end with its delimiter"))?;
    let end = format!("{delimiter}\n");
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let body = body
        .strip_suffix(&end)
        .ok_or(NotAScript("its last statement has no end"))?;
    Ok(body.split(&end).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_come_back_as_they_were() {
        let hostile = [
            "CREATE PROCEDURE p() BEGIN SELECT ';', '$hub$'; END",
            "SELECT '$hub1$\nDELIMITER ;\n'",
            "",
            "-- a comment\nSELECT 1",
        ]
        .map(str::to_owned);
        let script = write(&hostile);
        assert!(script.starts_with("DELIMITER $hub2$\n"), "{script}");
        assert_eq!(read(script.as_bytes()).expect("a script"), hostile);
        assert_eq!(read(write(&[]).as_bytes()).expect("a script"), Vec::<&str>::new());
    }

    #[test]
    fn other_files_are_refused() {
        for other in [
            "",
            "SELECT 1;\n",
            "DELIMITER $hub$\n",
            "DELIMITER $hub$\nSELECT 1\nDELIMITER ;\n",
        ] {
            assert!(read(other.as_bytes()).is_err(), "{other:?}");
        }
        assert!(read(b"DELIMITER $hub$\n\xff$hub$\nDELIMITER ;\n").is_err());
    }
}
