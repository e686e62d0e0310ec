//! The text of a cron expression, as lists of numbers.
//!
//! Everything that the Node package `cron` accepts is accepted here with the same meaning, and
//! `L`, `W`, `#`, `?`, `+` and a year besides. What is refused is refused with the form to write
//! instead.

use std::collections::BTreeSet;

use crate::error::Error;

const SECOND: Field = Field::new("second", 0, 59, &[]);
const MINUTE: Field = Field::new("minute", 0, 59, &[]);
const HOUR: Field = Field::new("hour", 0, 23, &[]);
const DAY: Field = Field::new("day of month", 1, 31, &[]);
const MONTH: Field = Field::new("month", 1, 12, &MONTHS);
const WEEKDAY: Field = Field::new("day of week", 0, 6, &WEEKDAYS);
const YEAR: Field = Field::new("year", 1970, 5000, &[]);

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The nicknames, and what they stand for.
const NICKNAMES: [(&str, &str); 11] = [
    ("@secondly", "* * * * * *"),
    ("@minutely", "* * * * *"),
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@weekdays", "0 0 * * 1-5"),
    ("@weekends", "0 0 * * 0,6"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// A cron expression whose fields were understood.
pub(super) struct Expression {
    /// The expression in seven fields of numbers, for the search.
    pub(super) numbers: String,
    /// Whether one of second, minute and hour has `*` or a step, or every value.
    pub(super) repeating: bool,
}

/// One field of an expression.
struct Field {
    name: &'static str,
    min: u16,
    max: u16,
    /// The names of the values, from the smallest on.
    names: &'static [&'static str],
}

/// What one field means.
struct Values {
    numbers: BTreeSet<u16>,
    /// Elements with `L`, `W` or `#`, whose days depend on the month.
    special: Vec<String>,
    repeating: bool,
}

// ===== impl Expression =====

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        Self::read(text)
            .map_err(|why| Error::config(format!("the cron expression {text:?} is refused: {why}")))
    }

    fn read(text: &str) -> Result<Self, String> {
        let text = match text.trim() {
            nickname if nickname.starts_with('@') => resolve_nickname(nickname)?,
            expression => expression,
        };
        let mut fields: Vec<&str> = text.split_whitespace().collect();
        match fields.len() {
            5 => {
                fields.insert(0, "0");
                fields.push("*");
            }
            6 => fields.push("*"),
            7 => {}
            n => {
                return Err(format!(
                    "it has {n} fields; write 5 (minute, hour, day of month, month, day of week), \
                     6 with seconds in front, or 7 with a year at the end"
                ));
            }
        }
        let mut numbers = Vec::new();
        let mut repeating = false;
        let order = [SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR];
        for (field, text) in order.iter().zip(fields) {
            // Asks for a day that matches both the day of month and the day of week.
            let (both, text) = match text.strip_prefix('+') {
                Some(rest) if field.is_weekday() => ("+", rest),
                _ => ("", text),
            };
            let values = field.parse(text)?;
            repeating |= values.repeating && ["second", "minute", "hour"].contains(&field.name);
            numbers.push(format!("{both}{}", field.write(&values)));
        }
        Ok(Self {
            numbers: numbers.join(" "),
            repeating,
        })
    }
}

fn resolve_nickname(text: &str) -> Result<&'static str, String> {
    let named = NICKNAMES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    match named {
        Some((_, expression)) => Ok(expression),
        None if text.eq_ignore_ascii_case("@reboot") => Err(
            "replicas start at different instants, so @reboot is no common tick; do that work \
             when the service starts"
                .to_owned(),
        ),
        None => {
            let names: Vec<_> = NICKNAMES.iter().map(|(name, _)| *name).collect();
            Err(format!(
                "it is not one of {}, and not an interval such as \"@every 30s\"",
                names.join(", ")
            ))
        }
    }
}

// ===== impl Field =====

impl Field {
    const fn new(name: &'static str, min: u16, max: u16, names: &'static [&'static str]) -> Self {
        Self {
            name,
            min,
            max,
            names,
        }
    }

    fn is_day(&self) -> bool {
        self.name == DAY.name
    }

    fn is_weekday(&self) -> bool {
        self.name == WEEKDAY.name
    }

    fn parse(&self, text: &str) -> Result<Values, String> {
        let mut values = Values {
            numbers: BTreeSet::new(),
            special: Vec::new(),
            repeating: false,
        };
        if text == "?" && (self.is_day() || self.is_weekday()) {
            values.numbers.extend(self.min..=self.max);
            return Ok(values);
        }
        for element in text.split(',') {
            if element.is_empty() {
                return Err(format!(
                    "the {} field {text:?} has an empty element; remove the comma, or write * for \
                     every value",
                    self.name
                ));
            }
            if self.is_special(element) {
                values.special.push(element.to_ascii_uppercase());
                continue;
            }
            let (range, step) = match element.split_once('/') {
                Some((range, step)) => (range, Some(self.step(element, step)?)),
                None => (element, None),
            };
            let (first, last) = self.range(element, range, step)?;
            let found = (first..=last).step_by(step.unwrap_or(1).into());
            values.numbers.extend(found.map(|n| match n {
                7 if self.is_weekday() => 0,
                n => n,
            }));
            values.repeating |= range == "*" || step.is_some();
        }
        values.repeating |= self.is_full(&values);
        values.repeating &= values.numbers.len() > 1;
        Ok(values)
    }

    /// Returns the first and the last value of an element.
    fn range(&self, element: &str, range: &str, step: Option<u16>) -> Result<(u16, u16), String> {
        let name = self.name;
        if range == "*" {
            return Ok((self.min, self.max));
        }
        if range.is_empty() {
            return Err(format!("{element:?} in the {name} field: write *{element}"));
        }
        let Some((from, to)) = range.split_once('-') else {
            let first = self.value(element, range)?;
            // A step goes on to the maximum, which in Node is 7 for a day of week.
            let last = match step {
                Some(_) if self.is_weekday() => 7,
                Some(_) => self.max,
                None => first,
            };
            return Ok((first, last));
        };
        if from.is_empty() || to.is_empty() || to == "*" || from == "*" {
            return Err(format!(
                "{element:?} in the {name} field: a range needs two values, such as {}-{}",
                self.show(self.min),
                self.show(self.max)
            ));
        }
        let first = self.value(element, from)?;
        let last = match self.value(element, to)? {
            // Friday to Sunday: the Sunday that follows.
            0 if self.is_weekday() && first > 0 => 7,
            last => last,
        };
        if first > last {
            let until = |a: u16, b: u16| match a == b {
                true => self.show(a),
                false => format!("{}-{}", self.show(a), self.show(b)),
            };
            return Err(format!(
                "the range {range} in the {name} field runs backwards; write {},{}",
                until(first, self.max),
                until(self.min, last)
            ));
        }
        Ok((first, last))
    }

    fn step(&self, element: &str, step: &str) -> Result<u16, String> {
        let digits = step.bytes().all(|byte| byte.is_ascii_digit());
        match step.parse() {
            Ok(step) if step > 0 && digits => Ok(step),
            _ => Err(format!(
                "the step of {element:?} in the {} field must be a whole number from 1 on, such as \
                 */5",
                self.name
            )),
        }
    }

    fn value(&self, element: &str, text: &str) -> Result<u16, String> {
        let name = self.name;
        let (min, max) = (self.min, self.max);
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let highest = if self.is_weekday() { 7 } else { max };
            return match text.parse() {
                Ok(number) if (min..=highest).contains(&number) => Ok(number),
                _ => Err(format!(
                    "{text} is out of range in the {name} field; write {min} to {highest}"
                )),
            };
        }
        if let Some(at) = self.names.iter().position(|n| n.eq_ignore_ascii_case(text)) {
            return Ok(min + at as u16);
        }
        let short = |name: &&&str| {
            let long = text.get(..3);
            long.is_some_and(|start| start.eq_ignore_ascii_case(name))
                && text.bytes().all(|byte| byte.is_ascii_alphabetic())
        };
        if let Some(short) = self.names.iter().find(short) {
            return Err(format!("{text:?} in the {name} field: write {short}"));
        }
        Err(match text {
            _ if text.contains('~') => format!(
                "{element:?} in the {name} field: a random value would differ from replica to \
                 replica; write one value, and set the jitter of the job"
            ),
            _ if text.starts_with(['H', 'h']) => format!(
                "{element:?} in the {name} field: H stands for a value that is computed from the \
                 job's name; write the value, from {min} to {max}"
            ),
            _ if self.is_day() && text.starts_with(['L', 'l']) => format!(
                "{element:?} in the {name} field: only L (the last day) and LW (the last weekday) \
                 count from the end of the month; write one of them, or a day such as 28"
            ),
            _ if text == "?" => format!(
                "? stands for every day, in the day of month and day of week fields alone; write * \
                 in the {name} field"
            ),
            _ => {
                let names = match self.names {
                    [first, .., last] => format!(", or {first} to {last}"),
                    _ => String::new(),
                };
                format!(
                    "{element:?} in the {name} field is not a value, a range or a step; write *, \
                     {min} to {max}{names}, a list such as {a},{b}, a range such as {a}-{b}, or a \
                     step such as */{b}",
                    a = min,
                    b = min + 2,
                )
            }
        })
    }

    /// Whether the days of an element depend on the month: `L`, `LW`, `15W`; `FRIL`, `5L`, `MON#2`.
    fn is_special(&self, element: &str) -> bool {
        let upper = element.to_ascii_uppercase();
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if self.is_day() {
            return upper == "L" || upper == "LW" || upper.strip_suffix('W').is_some_and(number);
        }
        let weekday = |text: &str| {
            text.split('-')
                .all(|part| number(part) || WEEKDAYS.contains(&part))
        };
        self.is_weekday()
            && (upper.strip_suffix('L').is_some_and(weekday)
                || upper
                    .split_once('#')
                    .is_some_and(|(day, nth)| weekday(day) && (number(nth) || nth == "L")))
    }

    fn is_full(&self, values: &Values) -> bool {
        values.numbers.len() == usize::from(self.max - self.min) + 1
    }

    /// Writes the field for the search. A day field with every value restricts nothing, as in Node.
    fn write(&self, values: &Values) -> String {
        if self.is_full(values) && values.special.is_empty() {
            return "*".to_owned();
        }
        let numbers = values.numbers.iter().map(u16::to_string);
        let elements: Vec<_> = numbers.chain(values.special.iter().cloned()).collect();
        elements.join(",")
    }

    fn show(&self, value: u16) -> String {
        let at = usize::from(value - self.min);
        match self.names.get(at) {
            Some(name) => (*name).to_owned(),
            None => value.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> String {
        match Expression::read(text) {
            Ok(expression) => expression.numbers,
            Err(why) => panic!("{text:?}: {why}"),
        }
    }

    /// The values of `CronExpression` in `@nestjs/schedule`, but for those that differ in a number
    /// only, which the test makes.
    const NEST: [&str; 30] = [
        "* * * * * *",
        "*/5 * * * * *",
        "*/10 * * * * *",
        "*/30 * * * * *",
        "*/1 * * * *",
        "0 */5 * * * *",
        "0 */10 * * * *",
        "0 */30 * * * *",
        "0 12 * * *",
        "0 23 * * *",
        "0 0 * * *",
        "0 0 * * 0",
        "0 0 * * 1-5",
        "0 0 * * 6,0",
        "0 0 1 * *",
        "0 12 1 * *",
        "0 */2 * * *",
        "0 1-23/2 * * *",
        "0 0 1 */2 *",
        "0 0 1 */3 *",
        "0 0 1 */6 *",
        "0 0 1 1 *",
        "0 */30 9-17 * * *",
        "0 */30 9-18 * * *",
        "0 */30 10-19 * * *",
        "0 30 09 * * 1-5",
        "0 30 11 * * 1-5",
        "0 0 09 * * 1-5",
        "0 01 * * *",
        "0 0-23/1 * * *",
    ];

    #[test]
    fn every_named_expression_of_nest_is_accepted() {
        let hours = (1..=12).map(|n| format!("0 0-23/{n} * * *"));
        let days = (1..=23).map(|hour| format!("0 {hour:02} * * *"));
        let weekdays = (1..=23).map(|hour| format!("0 0 {hour:02} * * 1-5"));
        let all = NEST.iter().map(|text| (*text).to_owned());
        for text in all.chain(hours).chain(days).chain(weekdays) {
            numbers(&text);
        }
    }

    #[test]
    fn what_the_npm_package_cron_accepts_means_the_same_here() {
        for (text, expected) in [
            ("*/20 * * * *", "0 0,20,40 * * * * *"),
            ("5/15 * * * *", "0 5,20,35,50 * * * * *"),
            ("10-40/15 * * * *", "0 10,25,40 * * * * *"),
            // A step that is larger than the range gives the first value.
            ("*/90 * * * *", "0 0 * * * * *"),
            ("7/90 * * * *", "0 7 * * * * *"),
            ("00 02 * * *", "0 0 2 * * * *"),
            ("0 0 * * 7", "0 0 0 * * 0 *"),
            ("0 0 * * 5-7", "0 0 0 * * 0,5,6 *"),
            ("0 0 * * 1/2", "0 0 0 * * 0,1,3,5 *"),
            ("0 0 * * mon-Fri", "0 0 0 * * 1,2,3,4,5 *"),
            ("0 0 1 jan,Jul *", "0 0 0 1 1,7 * *"),
            ("0 0 1 feb-apr/2 *", "0 0 0 1 2,4 * *"),
            ("*,5 * * * *", "0 * * * * * *"),
            // Restricts nothing, so that only the other day field decides.
            ("0 0 1-31 * 5", "0 0 0 * * 5 *"),
            ("0 0 13 * 0-6", "0 0 0 13 * * *"),
            ("0 0 13 * 0-7", "0 0 0 13 * * *"),
            ("  0\t0  *  *  * ", "0 0 0 * * * *"),
            ("@secondly", "* * * * * * *"),
            ("@minutely", "0 * * * * * *"),
            ("@hourly", "0 0 * * * * *"),
            ("@Daily", "0 0 0 * * * *"),
            ("@midnight", "0 0 0 * * * *"),
            ("@weekly", "0 0 0 * * 0 *"),
            ("@weekdays", "0 0 0 * * 1,2,3,4,5 *"),
            ("@weekends", "0 0 0 * * 0,6 *"),
            ("@monthly", "0 0 0 1 * * *"),
            ("@yearly", "0 0 0 1 1 * *"),
            ("@annually", "0 0 0 1 1 * *"),
        ] {
            assert_eq!(numbers(text), expected, "{text}");
        }
    }

    #[test]
    fn an_expression_that_is_refused_says_what_to_write_instead() {
        for (text, hint) in [
            ("", "it has 0 fields; write 5"),
            ("* * * *", "it has 4 fields; write 5"),
            ("* * * * * * * *", "it has 8 fields; write 5"),
            ("0 22-2 * * *", "write 22-23,0-2"),
            ("0 23-1 * * *", "write 23,0-1"),
            ("0 0 * * FRI-MON", "write FRI-SAT,SUN-MON"),
            ("0 0 * * 6-1", "write SAT,SUN-MON"),
            ("0 0 1 NOV-FEB *", "write NOV-DEC,JAN-FEB"),
            ("50-10/5 * * * *", "write 50-59,0-10"),
            ("0 0 1 JANUARY *", "write JAN"),
            ("0 0 * * monday", "write MON"),
            ("0 0 * * tues", "write TUE"),
            ("0 0 L-3 * *", "write one of them, or a day such as 28"),
            ("0 0 * * L", "write *, 0 to 6, or SUN to SAT"),
            ("H 2 * * *", "write the value, from 0 to 59"),
            ("H/15 * * * *", "write the value, from 0 to 59"),
            ("0~30 2 * * *", "set the jitter of the job"),
            ("? 2 * * *", "write * in the minute field"),
            ("60 * * * *", "write 0 to 59"),
            ("* 24 * * *", "write 0 to 23"),
            ("* * 0 * *", "write 1 to 31"),
            ("* * * 13 *", "write 1 to 12"),
            ("* * * * 8", "write 0 to 7"),
            ("0 0 0 1 1 * 1969", "write 1970 to 5000"),
            ("99999999999 * * * *", "write 0 to 59"),
            ("*/0 * * * *", "whole number from 1 on"),
            ("*/x * * * *", "whole number from 1 on"),
            ("*/ * * * *", "whole number from 1 on"),
            ("*/-5 * * * *", "whole number from 1 on"),
            ("*/+5 * * * *", "whole number from 1 on"),
            ("/5 * * * *", "write */5"),
            ("5-* * * * *", "two values, such as 0-59"),
            ("-1 * * * *", "two values, such as 0-59"),
            ("5- * * * *", "two values, such as 0-59"),
            ("1,,2 * * * *", "remove the comma"),
            (", * * * *", "remove the comma"),
            ("1, * * * *", "remove the comma"),
            ("a * * * *", "write *, 0 to 59"),
            ("ä * * * *", "write *, 0 to 59"),
            ("0 0 * * ööö", "write *, 0 to 6"),
            ("1.5 * * * *", "write *, 0 to 59"),
            ("@reboot", "when the service starts"),
            ("@fortnightly", "@weekly"),
            ("@every1s", "@every 30s"),
        ] {
            match Expression::read(text) {
                Ok(_) => panic!("{text:?} was accepted"),
                Err(why) => assert!(why.contains(hint), "{text:?}: {why}"),
            }
        }
    }
}
