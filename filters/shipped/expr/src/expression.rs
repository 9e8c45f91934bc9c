//! Expressions: read once into a list of operations on a stack, then computed for each group. Nothing here recurses while it
//! computes; reading is bounded in length and depth.

use hedgerow_filter::{decimal, whole};

/// Longest expression, in bytes.
const LONGEST: usize = 2_000;
/// Parentheses and operators within one another.
const DEEPEST: u32 = 40;

/// What is asked of the samples of one parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Mean of the newest values of all series.
    Newest,
    /// Their sum.
    Total,
    /// How many series there are.
    Series,
    Mean,
    Min,
    Max,
    Sum,
    Count,
    Rate,
}

const AGGREGATES: [(&str, Of); 8] = [
    ("mean", Of::Mean),
    ("min", Of::Min),
    ("max", Of::Max),
    ("sum", Of::Sum),
    ("count", Of::Count),
    ("rate", Of::Rate),
    ("total", Of::Total),
    ("series", Of::Series),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Abs,
    Sqrt,
    Floor,
    Ceil,
    Round,
    Min,
    Max,
    Clamp,
    If,
    Default,
}

/// With how many values they take, at least and at most.
const FUNCTIONS: [(&str, Function, usize, usize); 10] = [
    ("abs", Function::Abs, 1, 1),
    ("sqrt", Function::Sqrt, 1, 1),
    ("floor", Function::Floor, 1, 1),
    ("ceil", Function::Ceil, 1, 1),
    ("round", Function::Round, 1, 1),
    ("min", Function::Min, 2, 16),
    ("max", Function::Max, 2, 16),
    ("clamp", Function::Clamp, 3, 3),
    ("if", Function::If, 3, 3),
    ("default", Function::Default, 2, 2),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    AtMost,
    AtLeast,
    Less,
    More,
    Plus,
    Minus,
    Times,
    Over,
}

/// How strongly `not` and the sign bind.
const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const SIGN: u8 = 7;

/// Longer ones before those that they begin with; words end where a name would.
const OPERATORS: [(&str, Operator, u8); 14] = [
    ("or", Operator::Or, 1),
    ("||", Operator::Or, 1),
    ("and", Operator::And, 2),
    ("&&", Operator::And, 2),
    ("==", Operator::Equal, COMPARISON),
    ("!=", Operator::Unequal, COMPARISON),
    ("<=", Operator::AtMost, COMPARISON),
    (">=", Operator::AtLeast, COMPARISON),
    ("<", Operator::Less, COMPARISON),
    (">", Operator::More, COMPARISON),
    ("+", Operator::Plus, 5),
    ("-", Operator::Minus, 5),
    ("*", Operator::Times, 6),
    ("/", Operator::Over, 6),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Number(f64),
    Read(usize, Of),
    Negate,
    Not,
    Apply(Operator),
    Call(Function, usize),
}

/// An expression that was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expression {
    /// The parameters that it names.
    pub names: Vec<String>,
    steps: Vec<Step>,
}

impl Expression {
    /// Reads one.
    ///
    /// # Errors
    /// What was expected, and at which character.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(["it has ", &whole(text.len() as u64), " bytes: expected at most 2000"].concat());
        }
        let mut reader = Reader { text, at: 0, depth: 0, expression: Self::default() };
        reader.expression(0)?;
        if reader.rest().is_empty() {
            Ok(reader.expression)
        } else {
            Err(reader.expected("an operator or the end"))
        }
    }

    /// Its value, where there are all the values that it takes. Yes is 1, no is 0.
    pub fn value(&self, read: impl Fn(usize, Of) -> Option<f64>) -> Option<f64> {
        let mut stack: Vec<Option<f64>> = Vec::new();
        for step in &self.steps {
            let value = match *step {
                Step::Number(number) => Some(number),
                Step::Read(name, of) => read(name, of),
                Step::Negate => stack.pop()?.map(|value| -value),
                Step::Not => stack.pop()?.map(|value| truth(value == 0.0)),
                Step::Apply(operator) => {
                    let (right, left) = (stack.pop()?, stack.pop()?);
                    left.zip(right).map(|(left, right)| apply(operator, left, right))
                }
                Step::Call(function, count) => {
                    let given = stack.split_off(stack.len().checked_sub(count)?);
                    call(function, &given)
                }
            };
            stack.push(value);
        }
        stack.pop()?
    }
}

fn truth(yes: bool) -> f64 {
    if yes { 1.0 } else { 0.0 }
}

fn apply(operator: Operator, left: f64, right: f64) -> f64 {
    match operator {
        Operator::Or => truth(left != 0.0 || right != 0.0),
        Operator::And => truth(left != 0.0 && right != 0.0),
        Operator::Equal => truth(left == right),
        Operator::Unequal => truth(left != right),
        Operator::AtMost => truth(left <= right),
        Operator::AtLeast => truth(left >= right),
        Operator::Less => truth(left < right),
        Operator::More => truth(left > right),
        Operator::Plus => left + right,
        Operator::Minus => left - right,
        Operator::Times => left * right,
        Operator::Over => left / right,
    }
}

/// Only `if` and `default` do with a value that is not there.
fn call(function: Function, given: &[Option<f64>]) -> Option<f64> {
    let [first, rest @ ..] = given else { return None };
    match (function, rest) {
        (Function::If, [yes, no]) => return if (*first)? != 0.0 { *yes } else { *no },
        (Function::Default, [otherwise]) => return first.or(*otherwise),
        _ => {}
    }
    let mut value = (*first)?;
    for (at, next) in rest.iter().enumerate() {
        let next = (*next)?;
        let higher = match function {
            Function::Min => false,
            Function::Max => true,
            _ => at == 0,
        };
        value = if (next > value) == higher { next } else { value };
    }
    Some(match function {
        Function::Abs => value.abs(),
        Function::Sqrt => value.sqrt(),
        Function::Floor => value.floor(),
        Function::Ceil => value.ceil(),
        Function::Round => value.round_ties_even(),
        _ => value,
    })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    expression: Expression,
}

impl<'a> Reader<'a> {
    /// What is still to be read, from the next character that is not white.
    fn rest(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let rest = rest.trim_ascii_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn wrong(&self, at: usize, what: &str) -> String {
        let is_first = |byte: &u8| byte & 0xc0 != 0x80;
        let before = self.text.bytes().take(at).filter(is_first).count();
        ["at character ", &whole(before as u64 + 1), ": ", what].concat()
    }

    fn expected(&mut self, what: &str) -> String {
        let rest = self.rest();
        let found = match rest.chars().next() {
            None => "the end".to_owned(),
            Some(_) if word(rest) > 0 => ["`", &rest[..word(rest)], "`"].concat(),
            Some(other) => ["`", other.encode_utf8(&mut [0; 4]), "`"].concat(),
        };
        self.wrong(self.at, &["expected ", what, ", found ", &found].concat())
    }

    fn takes(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        if found {
            self.at += what.len();
        }
        found
    }

    fn word_is(&mut self, what: &str) -> bool {
        let rest = self.rest();
        let found = &rest[..word(rest)] == what;
        if found {
            self.at += what.len();
        }
        found
    }

    fn push(&mut self, step: Step) {
        self.expression.steps.push(step);
    }

    /// All that binds at least that strongly.
    fn expression(&mut self, least: u8) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong(self.at, "expected at most 40 levels"));
        }
        if self.word_is("not") || !self.rest().starts_with("!=") && self.takes("!") {
            self.expression(NOT)?;
            self.push(Step::Not);
        } else if self.takes("-") {
            self.expression(SIGN)?;
            self.push(Step::Negate);
        } else {
            self.value()?;
        }
        let mut compared = false;
        while let Some((written, operator, power)) = self.operator().filter(|(_, _, power)| *power >= least) {
            if power == COMPARISON && compared {
                return Err(
                    self.wrong(self.at, "comparisons do not follow one another: join them with `and`")
                );
            }
            compared = power == COMPARISON;
            self.at += written.len();
            self.expression(power + 1)?;
            self.push(Step::Apply(operator));
        }
        self.depth -= 1;
        Ok(())
    }

    fn operator(&mut self) -> Option<(&'static str, Operator, u8)> {
        let rest = self.rest();
        let is_next = |written: &str| match word(rest) {
            0 => rest.starts_with(written),
            letters => &rest[..letters] == written,
        };
        OPERATORS.iter().find(|(written, ..)| is_next(written)).copied()
    }

    fn value(&mut self) -> Result<(), String> {
        const EXPECTED: &str = "a number, the name of a parameter, a function or `(`";
        let rest = self.rest();
        if let Some((number, length)) = decimal(rest) {
            self.at += length;
            self.push(Step::Number(number));
        } else if self.takes("(") {
            self.expression(0)?;
            if !self.takes(")") {
                return Err(self.expected("`)`"));
            }
        } else if let Some(name) = self.quoted()? {
            self.read(name, Of::Newest);
        } else {
            let begin = self.at;
            let name = &rest[..word(rest)];
            if name.is_empty() || matches!(name, "and" | "or" | "not") {
                return Err(self.expected(EXPECTED));
            }
            self.at += name.len();
            if self.takes("(") {
                return self.call(name, begin);
            }
            self.read(name, Of::Newest);
        }
        Ok(())
    }

    /// A name in quotes.
    fn quoted(&mut self) -> Result<Option<&'a str>, String> {
        let Some(rest) = self.rest().strip_prefix("\"") else { return Ok(None) };
        let end = rest.bytes().position(|byte| byte == b'"');
        let Some(name) = end.and_then(|end| rest.get(..end)) else {
            return Err(self.wrong(self.at, "expected a `\"` that ends the name"));
        };
        self.at += name.len() + 2;
        Ok(Some(name))
    }

    fn read(&mut self, name: &str, of: Of) {
        let names = &mut self.expression.names;
        let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name.into());
            names.len() - 1
        });
        self.push(Step::Read(at, of));
    }

    /// What stands in the parentheses of `name`, which begins at `begin`.
    fn call(&mut self, name: &str, begin: usize) -> Result<(), String> {
        let aggregate = AGGREGATES.iter().find(|(known, _)| *known == name);
        let function = FUNCTIONS.iter().find(|(known, ..)| *known == name);
        if let Some((_, of)) = aggregate {
            let inside = self.at;
            let rest = self.rest();
            let parameter = match self.quoted()? {
                Some(quoted) => quoted,
                None => {
                    self.at += word(rest);
                    &rest[..word(rest)]
                }
            };
            if !parameter.is_empty() && self.takes(")") {
                self.read(parameter, *of);
                return Ok(());
            }
            if function.is_none() {
                self.at = inside;
                self.rest();
                let what =
                    ["`", name, "` takes the name of one parameter and nothing else, as ", name, "(load1)"]
                        .concat();
                return Err(self.wrong(self.at, &what));
            }
            self.at = inside;
        }
        let Some((_, function, least, most)) = function else {
            let names =
                AGGREGATES.iter().map(|(name, _)| *name).chain(FUNCTIONS.iter().map(|(name, ..)| *name));
            let mut known = String::new();
            for name in names {
                known.push(' ');
                known.push_str(name);
            }
            return Err(
                self.wrong(begin, &["there is no function `", name, "`; there are:", &known].concat())
            );
        };
        let mut count = 0;
        loop {
            self.expression(0)?;
            count += 1;
            if self.takes(")") {
                break;
            }
            if !self.takes(",") {
                return Err(self.expected("`,` or `)`"));
            }
        }
        if count < *least || count > *most {
            let [least, most, found] = [*least, *most, count].map(|number| whole(number as u64));
            let to = if least == most { ["", ""] } else { [" to ", &most] };
            let what = ["`", name, "` takes ", &least, to[0], to[1], " values, found ", &found].concat();
            return Err(self.wrong(begin, &what));
        }
        self.push(Step::Call(*function, count));
        Ok(())
    }
}

/// Bytes of the word that a text begins with.
fn word(text: &str) -> usize {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let count = text.bytes().take_while(|byte| is_letter(*byte) || byte.is_ascii_digit()).count();
    if text.bytes().next().is_some_and(is_letter) { count } else { 0 }
}

#[cfg(test)]
mod tests;
