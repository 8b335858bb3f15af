//! The time that a chat template is told, and C's `strftime` of it, as far as templates use it.

/// A date and a time of day, of whichever zone the caller means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// Days since 1970-01-01.
    days: i64,
    /// Seconds since midnight.
    seconds: u32,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

impl DateTime {
    /// The time in UTC, so many seconds after 1970-01-01 00:00:00; years from 0 to 9999 are written as they are.
    pub fn from_unix_secs(secs: i64) -> Self {
        Self {
            days: secs.div_euclid(86_400),
            seconds: secs.rem_euclid(86_400) as u32,
        }
    }

    /// Year, month from 1, day from 1, and day of the year from 1 (Gregorian).
    fn date(self) -> (i64, usize, i64, i64) {
        // Years of 365.2425 days begin in March, so that a leap day is the last day of one.
        let shifted = self.days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        let year = year_of_era + 400 * era + i64::from(month <= 2);
        let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let from_january = if month <= 2 {
            day_of_year - 306 + 1
        } else {
            day_of_year + 59 + i64::from(is_leap) + 1
        };
        (year, month as usize, day, from_january)
    }

    /// The time in `format`; `Err` has a directive that is not known.
    pub(super) fn format(self, format: &str) -> Result<String, String> {
        let (year, month, day, day_of_year) = self.date();
        let (hour, minute, second) = (
            self.seconds / 3_600,
            self.seconds / 60 % 60,
            self.seconds % 60,
        );
        let month_name = MONTHS[month - 1];
        let weekday = WEEKDAYS[(self.days + 4).rem_euclid(7) as usize];
        let hour_of_12 = (hour + 11) % 12 + 1;
        let mut out = String::new();
        let mut rest = format.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let directive = rest.next();
            // `%-d` is `%d` without a leading zero.
            let (directive, is_bare) = match directive {
                Some('-') => (rest.next(), true),
                other => (other, false),
            };
            let text = match directive {
                Some('Y') => year.to_string(),
                Some('y') => format!("{:02}", year.rem_euclid(100)),
                Some('m') => format!("{month:02}"),
                Some('d') => format!("{day:02}"),
                Some('e') => format!("{day:2}"),
                Some('j') => format!("{day_of_year:03}"),
                Some('H') => format!("{hour:02}"),
                Some('I') => format!("{hour_of_12:02}"),
                Some('M') => format!("{minute:02}"),
                Some('S') => format!("{second:02}"),
                Some('p') => if hour < 12 { "AM" } else { "PM" }.to_owned(),
                Some('B') => month_name.to_owned(),
                Some('b' | 'h') => month_name[..3].to_owned(),
                Some('A') => weekday.to_owned(),
                Some('a') => weekday[..3].to_owned(),
                Some('F') => format!("{year}-{month:02}-{day:02}"),
                Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
                Some('%') => "%".to_owned(),
                other => return Err(other.map_or("%".to_owned(), |c| format!("%{c}"))),
            };
            let text = if is_bare && text.len() > 1 {
                text.trim_start_matches(['0', ' '])
            } else {
                &text
            };
            out.push_str(if text.is_empty() { "0" } else { text });
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (secs, want) in [
            (0, "1970-01-01 00:00:00 Thu 001"),
            (951_782_400, "2000-02-29 00:00:00 Tue 060"),
            (1_709_251_199, "2024-02-29 23:59:59 Thu 060"),
            (1_735_603_200, "2024-12-31 00:00:00 Tue 366"),
            (1_793_869_387, "2026-11-05 09:03:07 Thu 309"),
            (-1, "1969-12-31 23:59:59 Wed 365"),
        ] {
            let got = DateTime::from_unix_secs(secs).format("%F %T %a %j");
            assert_eq!(got.as_deref(), Ok(want));
        }
        let time = DateTime::from_unix_secs(1_793_869_387);
        assert_eq!(
            time.format("%-d %b %-H %I%p").as_deref(),
            Ok("5 Nov 9 09AM")
        );
        assert_eq!(time.format("%Q"), Err("%Q".to_owned()));
        assert_eq!(time.format("100%"), Err("%".to_owned()));
    }
}
