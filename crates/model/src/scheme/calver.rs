//! Versions that are dates: `2026.02.24`, `2026.2`, `26.02.1`, `20260224`, and how they go on.
//!
//! The text shows what its numbers are, as far as it can: the year has four digits or two, or is
//! one number with month and day; then come the month and the day. What is no month or day counts
//! releases (the micro number), as does all that follows. Where one text may be read in two ways,
//! the task's other versions decide ([`DateForm::of`]).

use jiff::civil::Date;

use super::{NoNextVersion, VersionCount};
use crate::{Version, version::Bump};

/// Years that a number of four digits can be.
const YEARS: std::ops::RangeInclusive<i16> = 1990..=2199;

/// How a task writes dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DateForm {
    year: YearForm,
    has_month: bool,
    has_day: bool,
    /// Month and day have two digits: `02`.
    is_padded: bool,
}

/// How the year is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum YearForm {
    /// `2026`
    Four,
    /// `26`
    Two,
    /// `20260224`: month and day are in the same number.
    WithDay,
}

/// The numbers of a version, as they are written.
#[derive(Debug)]
struct DateText<'a> {
    year: YearForm,
    /// The year in four digits, for the length of a month.
    full_year: i16,
    /// What follows the year.
    rest: Vec<&'a str>,
}

impl<'a> DateText<'a> {
    /// Takes a version apart; `None` when it does not begin with a year.
    fn of(version: &'a Version) -> Option<Self> {
        let mut numbers = version.number_text().split('.');
        let first = numbers.next()?;
        let number = |text: &str| text.parse::<i16>().ok();
        let (year, full_year) = match first.len() {
            2 => (YearForm::Two, 2000 + number(first)?),
            4 => (YearForm::Four, number(first)?),
            8 => (YearForm::WithDay, day_in(first)?.year()),
            _ => return None,
        };
        YEARS.contains(&full_year).then(|| Self {
            year,
            full_year,
            rest: numbers.collect(),
        })
    }

    /// Returns the month, if there is one.
    fn month(&self) -> Option<(&'a str, i8)> {
        let text = *self
            .rest
            .first()
            .filter(|_| self.year != YearForm::WithDay)?;
        let month = text.parse().ok().filter(|month| (1..=12).contains(month))?;
        (text.len() <= 2).then_some((text, month))
    }

    /// Returns the number after the month when it can be a day.
    fn day(&self) -> Option<(&'a str, i8)> {
        let ((month_text, month), text) = (self.month()?, *self.rest.get(1)?);
        let day: i8 = text.parse().ok()?;
        Date::new(self.full_year, month, day).ok()?;
        // Beside a month such as `02`, a day has two digits, too.
        let is_alike = text.len() == 2 || text.len() == 1 && !month_text.starts_with('0');
        is_alike.then_some((text, day))
    }

    /// Returns the numbers that count releases.
    fn micros(&self, form: DateForm) -> &[&'a str] {
        let date = usize::from(form.has_month) + usize::from(form.has_day);
        self.rest.get(date..).unwrap_or_default()
    }
}

impl DateForm {
    /// Returns how a task with these versions writes dates as in `base`.
    fn of(base: &DateText<'_>, known: &[DateText<'_>]) -> Self {
        let alike = || known.iter().filter(|other| other.year == base.year);
        let has_month = base.month().is_some() && alike().all(|other| other.month().is_some());
        // A version that ends with the month, or one whose number is no day, shows that the number
        // after the month counts releases. So does a year of two digits, unless all days have two.
        let may_be_day = |other: &DateText<'_>| {
            let day = other.day();
            day.is_some_and(|(text, _)| base.year == YearForm::Four || text.len() == 2)
        };
        let has_day = has_month && base.rest.len() > 1 && alike().all(may_be_day);
        let dates = alike().flat_map(|other| {
            let day = other.day().filter(|_| has_day);
            [other.month(), day].into_iter().flatten()
        });
        let mut below_ten = dates.filter(|(_, number)| *number < 10);
        let is_padded = below_ten.all(|(text, _)| text.len() == 2);
        Self {
            year: base.year,
            has_month,
            has_day,
            is_padded,
        }
    }

    /// Returns the text of a date.
    fn write(self, today: Date) -> String {
        let number = |number: i8| {
            if self.is_padded {
                format!(".{number:02}")
            } else {
                format!(".{number}")
            }
        };
        let mut text = match self.year {
            YearForm::Four => today.year().to_string(),
            YearForm::Two => format!("{:02}", today.year() % 100),
            YearForm::WithDay => today.strftime("%Y%m%d").to_string(),
        };
        if self.has_month {
            text += &number(today.month());
        }
        if self.has_day {
            text += &number(today.day());
        }
        text
    }
}

/// Returns why a version is none of dates.
pub(super) fn why_not(version: &Version) -> Option<&'static str> {
    let text = version.as_str();
    if text.contains(['!', '+']) {
        return Some("`!` and `+` are not in versions that are dates");
    }
    let Some(written) = DateText::of(version) else {
        return Some("it does not begin with a year or a date, such as 2026, 26 or 20260224");
    };
    let rest = &text[version.number_text().len()..];
    if written.rest.len() > 4 {
        return Some("it has too many numbers");
    }
    let pre = rest.strip_prefix('-').unwrap_or_default();
    if pre.starts_with(|c: char| c.is_ascii_digit()) {
        return Some("it would come before its date; write a dot for the `-`");
    }
    let digits = pre.len() - pre.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let word = &pre[..pre.len() - digits];
    if digits > 1 && !word.ends_with('.') && version.hotfix_day().is_none() {
        return Some("`rc10` would come before `rc2`; write a dot before the number: `rc.10`");
    }
    None
}

/// True for a version that can only be a date: one whose year has four digits and a month with a
/// zero before it or nothing but the month behind it, or a date in one number.
pub fn is_dated(version: &Version) -> bool {
    let Some(written) = DateText::of(version).filter(|_| why_not(version).is_none()) else {
        return false;
    };
    let month = written.month();
    match written.year {
        YearForm::WithDay => true,
        YearForm::Four => month.is_some() && !version.is_semantic(),
        YearForm::Two => month.is_some_and(|(text, _)| text.starts_with('0')),
    }
}

/// Returns the text of the version after another one: the date of today, or the same date with the
/// micro number raised. `None` when that is the largest possible.
pub(super) fn next(
    base: &Version,
    bump: Option<Bump>,
    count: &VersionCount<'_>,
) -> Result<Option<String>, NoNextVersion> {
    match bump {
        Some(Bump::Major) => return Err(NoNextVersion::NotOfDates(base.clone(), "major")),
        Some(Bump::Minor) => return Err(NoNextVersion::NotOfDates(base.clone(), "minor")),
        Some(Bump::Patch) | None => {}
    }
    let Some(written) = DateText::of(base) else {
        return Ok(Some(count.first().to_string()));
    };
    let known = count.known.iter().copied().chain([base]);
    let known: Vec<DateText<'_>> = known.filter_map(DateText::of).collect();
    let form = DateForm::of(&written, &known);
    let date = form.write(count.today);
    // A month begins with the lowest micro number that any has; a day has none.
    let micros = known.iter().filter(|other| other.year == form.year);
    let micros = micros.map(|other| other.micros(form).first());
    let lowest = micros.map(|micro| micro.map(|micro| micro.parse().unwrap_or(u64::MAX)));
    let date = match lowest.min().flatten() {
        Some(lowest) if !form.has_day && form.year != YearForm::WithDay => {
            format!("{date}.{}", lowest.min(1))
        }
        _ => date,
    };
    let is_newer = |text: &&String| text.parse::<Version>().is_ok_and(|next| next > *base);
    let today = Some(date).filter(|_| bump.is_none());
    let next = today.filter(|text| is_newer(&text));
    Ok(next.or_else(|| same_date(base, &written, form)))
}

/// Returns the text of the next version of the same date.
fn same_date(base: &Version, written: &DateText<'_>, form: DateForm) -> Option<String> {
    let numbers = base.number_text();
    // A pre-release already has the numbers of what it leads to.
    if base.is_prerelease() {
        return Some(numbers.into());
    }
    let Some(micro) = written.micros(form).last() else {
        return Some(format!("{numbers}.1"));
    };
    let before = &numbers[..numbers.len() - micro.len()];
    let next = micro.parse::<u64>().ok()?.checked_add(1)?;
    Some(format!("{before}{next:0width$}", width = micro.len()))
}

/// Returns the day that eight digits are.
fn day_in(digits: &str) -> Option<Date> {
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    let (month, day) = (number(4, 6)?, number(6, 8)?);
    Date::new(number(0, 4)?, month.try_into().ok()?, day.try_into().ok()?).ok()
}
