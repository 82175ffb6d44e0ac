//! The `expression` of a policy group: `restricted() || (baseline() && !old())`.
//!
//! ```text
//! any     = all ("||" all)*
//! all     = not ("&&" not)*
//! not     = "!" not | "(" any ")" | name "(" ")"
//! name    = letter or "_", then letters, digits and "_"
//! ```
//!
//! As in policy-server, operands are evaluated from left to right and only as
//! far as they decide the result: a member that is not asked has no verdict.

use std::collections::BTreeSet;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// The verdict of the member with this name.
    Member(String),
    /// `!`
    Not(Box<Self>),
    /// `&&`, of two or more
    All(Vec<Self>),
    /// `||`, of two or more
    Any(Vec<Self>),
}

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    ///
    /// What was expected, and the text that stands in its place.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (expression, rest) = any(text, 0)?;
        if rest.trim_start().is_empty() {
            Ok(expression)
        } else {
            Err(expected("`&&`, `||` or the end", rest))
        }
    }

    /// The members that the expression names.
    #[must_use]
    pub fn members(&self) -> BTreeSet<&str> {
        match self {
            Self::Member(name) => BTreeSet::from([name.as_str()]),
            Self::Not(operand) => operand.members(),
            Self::All(operands) | Self::Any(operands) => {
                operands.iter().flat_map(Self::members).collect()
            }
        }
    }

    /// Whether it accepts just what every member that it names accepts: members joined by `&&`,
    /// and nothing else. `a() || a()` and `!!a()` mean no more than `a()`, and are not looked
    /// through.
    #[must_use]
    pub fn is_conjunction(&self) -> bool {
        match self {
            Self::Member(_) => true,
            Self::All(operands) => operands.iter().all(Self::is_conjunction),
            Self::Not(_) | Self::Any(_) => false,
        }
    }

    /// Evaluates the expression over the verdicts that `judge` gives.
    ///
    /// # Errors
    ///
    /// The first error of `judge`.
    pub fn evaluate<E>(&self, judge: &mut impl FnMut(&str) -> Result<bool, E>) -> Result<bool, E> {
        match self {
            Self::Member(name) => judge(name),
            Self::Not(operand) => Ok(!operand.evaluate(judge)?),
            Self::All(operands) => {
                for operand in operands {
                    if !operand.evaluate(judge)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(operands) => {
                for operand in operands {
                    if operand.evaluate(judge)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

type Parsed<'a> = Result<(Expression, &'a str), String>;

fn any(text: &str, depth: usize) -> Parsed<'_> {
    chain(text, "||", Expression::Any, |text| all(text, depth))
}

fn all(text: &str, depth: usize) -> Parsed<'_> {
    chain(text, "&&", Expression::All, |text| not(text, depth))
}

/// One or more operands with an operator between them.
fn chain<'a>(
    text: &'a str,
    operator: &str,
    of: fn(Vec<Expression>) -> Expression,
    operand: impl Fn(&'a str) -> Parsed<'a>,
) -> Parsed<'a> {
    let (first, mut rest) = operand(text)?;
    let mut others = Vec::new();
    while let Some(after) = rest.trim_start().strip_prefix(operator) {
        let (next, after) = operand(after)?;
        others.push(next);
        rest = after;
    }
    if others.is_empty() {
        return Ok((first, rest));
    }
    others.insert(0, first);
    Ok((of(others), rest))
}

fn not(text: &str, depth: usize) -> Parsed<'_> {
    if depth > MAXIMUM_DEPTH {
        return Err("the expression is nested too deeply".to_owned());
    }
    let deeper = depth.saturating_add(1);
    let text = text.trim_start();
    if let Some(rest) = text.strip_prefix('!') {
        let (operand, rest) = not(rest, deeper)?;
        return Ok((Expression::Not(Box::new(operand)), rest));
    }
    if let Some(rest) = text.strip_prefix('(') {
        let (expression, rest) = any(rest, deeper)?;
        return Ok((expression, token(rest, ")")?));
    }
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let end = text.find(|character| !is_part(character));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(expected("a member such as `name()`, `!` or `(`", text));
    }
    let rest = token(token(rest, "(")?, ")")?;
    Ok((Expression::Member(name.to_owned()), rest))
}

fn token<'a>(text: &'a str, token: &str) -> Result<&'a str, String> {
    let text = text.trim_start();
    text.strip_prefix(token)
        .ok_or_else(|| expected(&format!("`{token}`"), text))
}

fn expected(what: &str, text: &str) -> String {
    match text.trim() {
        "" => format!("expected {what} at the end"),
        text => format!("expected {what} at {text:?}"),
    }
}

/// As deep as policy-server lets an expression nest.
const MAXIMUM_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// The result when the members in `accepting` accept, and who was asked.
    fn evaluate(text: &str, accepting: &[&str]) -> (bool, Vec<String>) {
        let mut asked = Vec::new();
        let mut judge = |name: &str| {
            asked.push(name.to_owned());
            Ok::<_, ()>(accepting.contains(&name))
        };
        let result = Expression::parse(text)
            .unwrap()
            .evaluate(&mut judge)
            .unwrap();
        (result, asked)
    }

    #[test]
    fn operators_bind_as_in_most_languages() {
        for (text, accepting, expected) in [
            ("a()", &["a"][..], true),
            ("a()", &[], false),
            ("!a()", &[], true),
            ("!!a()", &["a"], true),
            ("a() || b() && c()", &["a"], true),
            ("a() || b() && c()", &["b"], false),
            ("(a() || b()) && c()", &["a"], false),
            ("!a() && b()", &["b"], true),
            ("!(a() && b())", &["b"], true),
            (" a ( )||\n( b_2() ) ", &["b_2"], true),
        ] {
            assert_eq!(evaluate(text, accepting).0, expected, "{text}");
        }
    }

    #[test]
    fn members_that_decide_nothing_are_not_asked() {
        assert_eq!(evaluate("a() || b()", &["a"]).1, ["a"]);
        assert_eq!(evaluate("a() && b()", &[]).1, ["a"]);
        assert_eq!(evaluate("a() && b() || c()", &[]).1, ["a", "c"]);
    }

    #[test]
    fn an_error_of_a_member_ends_the_evaluation() {
        let expression = Expression::parse("a() || b()").unwrap();
        assert_eq!(
            expression.evaluate(&mut |name| Err(name.to_owned())),
            Err("a".to_owned())
        );
    }

    #[test]
    fn the_members_of_an_expression_are_known() {
        let expression = Expression::parse("b() && (!a() || b())").unwrap();
        assert_eq!(expression.members(), BTreeSet::from(["a", "b"]));
    }

    #[test]
    fn a_conjunction_is_members_joined_by_and() {
        for (text, expected) in [
            ("a()", true),
            ("((a()))", true),
            ("a() && b()", true),
            ("a() && (b() && c()) && a()", true),
            ("a() || b()", false),
            ("!a()", false),
            ("!!a()", false),
            ("!(!a() || !b())", false),
            ("a() && !b()", false),
            ("a() && (b() || c())", false),
            ("(a() && b()) || c()", false),
            ("a() || a()", false),
        ] {
            let expression = Expression::parse(text).unwrap();
            assert_eq!(expression.is_conjunction(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_said() {
        for (text, message) in [
            (
                "",
                "expected a member such as `name()`, `!` or `(` at the end",
            ),
            ("a", "expected `(` at the end"),
            ("a(1)", "expected `)` at \"1)\""),
            ("(a()", "expected `)` at the end"),
            ("a() b()", "expected `&&`, `||` or the end at \"b()\""),
            ("a() & b()", "expected `&&`, `||` or the end at \"& b()\""),
            (
                "a() ||",
                "expected a member such as `name()`, `!` or `(` at the end",
            ),
            (
                "1a()",
                "expected a member such as `name()`, `!` or `(` at \"1a()\"",
            ),
            ("pod-security()", "expected `(` at \"-security()\""),
            // What the languages of the controller and of policy-server have besides.
            ("true", "expected `(` at the end"),
            ("a() || true", "expected `(` at the end"),
            (
                "a() ? b() : c()",
                "expected `&&`, `||` or the end at \"? b() : c()\"",
            ),
            ("a() == b()", "expected `&&`, `||` or the end at \"== b()\""),
            (
                "2 > 1",
                "expected a member such as `name()`, `!` or `(` at \"2 > 1\"",
            ),
        ] {
            assert_eq!(Expression::parse(text).unwrap_err(), message, "{text}");
        }
        assert_eq!(
            Expression::parse(&"(".repeat(100_000)).unwrap_err(),
            "the expression is nested too deeply"
        );
    }
}
