use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};
use proptest::prelude::*;

use super::*;
use crate::scheduler::schedule::cron::{second_of, tick_of};

fn at(text: &str) -> Tick {
    let instant = match text.parse::<Zoned>() {
        Ok(zoned) => zoned.timestamp(),
        Err(_) => text.parse::<Timestamp>().expect("an instant"),
    };
    tick_of(instant).expect("not before the epoch")
}

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::cron(expression)
        .expect("an expression")
        .timezone(zone)
        .expect("a zone")
}

/// The ticks of one day in Toronto, where the clocks change at 02:00.
fn on(day: &str, expression: &str) -> Vec<String> {
    let day: jiff::civil::Date = day.parse().expect("a date");
    let zone = TimeZone::get("America/Toronto").expect("a zone");
    let start = day.to_zoned(zone.clone()).expect("a midnight");
    let end = day
        .tomorrow()
        .expect("a day")
        .to_zoned(zone.clone())
        .expect("a midnight");
    let (start, end) = (
        tick_of(start.timestamp()).expect("late"),
        tick_of(end.timestamp()).expect("late"),
    );
    schedule(expression, "America/Toronto")
        .between(
            Tick::from_millis(start.as_millis() - 1),
            Tick::from_millis(end.as_millis() - 1),
        )
        .map(|tick| {
            second_of(tick)
                .expect("small")
                .to_zoned(zone.clone())
                .strftime("%H:%M%:z")
                .to_string()
        })
        .collect()
}

const SPRING: &str = "2026-03-08";
const AUTUMN: &str = "2026-11-01";

#[test]
fn a_fixed_time_in_the_gap_runs_once_when_the_gap_ends() {
    assert_eq!(on(SPRING, "30 2 * * *"), ["03:00-04:00"]);
    assert_eq!(on(SPRING, "0 0 2 * * *"), ["03:00-04:00"]);
    assert_eq!(on(SPRING, "0,20,40 2 * * *"), ["03:00-04:00"]);
    assert_eq!(on(SPRING, "30 2,14 * * *"), ["03:00-04:00", "14:30-04:00"]);
    assert_eq!(on(SPRING, "0 2,3 * * *"), ["03:00-04:00"]);
}

#[test]
fn a_fixed_time_in_the_overlap_runs_once_the_first_time_round() {
    assert_eq!(on(AUTUMN, "30 1 * * *"), ["01:30-04:00"]);
    assert_eq!(on(AUTUMN, "0 0 1 * * *"), ["01:00-04:00"]);
    assert_eq!(on(AUTUMN, "30 1,13 * * *"), ["01:30-04:00", "13:30-05:00"]);
    assert_eq!(
        on(AUTUMN, "0,30 1-2 * * *"),
        ["01:00-04:00", "01:30-04:00", "02:00-05:00", "02:30-05:00"]
    );
}

#[test]
fn a_repeating_time_runs_evenly_through_gap_and_overlap() {
    let quarters = on(AUTUMN, "*/15 1 * * *");
    let first = ["01:00-04:00", "01:15-04:00", "01:30-04:00", "01:45-04:00"];
    let second = ["01:00-05:00", "01:15-05:00", "01:30-05:00", "01:45-05:00"];
    assert_eq!(quarters, [first, second].concat());
    assert_eq!(on(AUTUMN, "*/15 * * * *").len(), 100);
    assert_eq!(on(SPRING, "*/15 * * * *").len(), 92);
    assert_eq!(on(SPRING, "30 * * * *").len(), 23);
    assert!(on(SPRING, "*/30 2 * * *").is_empty());
}

#[test]
fn the_latest_tick_in_an_overlap_may_be_later_on_the_clock_face() {
    let nightly = schedule("45 1 * * *", "America/Toronto");
    // 01:10 for the second time: 01:45 was 25 minutes ago.
    let now = at("2026-11-01T06:10:00Z");
    assert_eq!(
        nightly.latest_at_or_before(now),
        Some(at("2026-11-01T05:45:00Z"))
    );
    assert_eq!(nightly.next_after(now), Some(at("2026-11-02T06:45:00Z")));
}

#[test]
fn a_zone_that_skipped_a_whole_day_runs_the_job_when_the_day_would_have_ended() {
    let samoa = schedule("0 12 30 12 *", "Pacific/Apia");
    assert_eq!(
        samoa.next_after(at("2011-12-01T00:00:00Z")),
        Some(at("2011-12-31T00:00+14:00[Pacific/Apia]"))
    );
}

#[test]
fn a_leap_day_is_found_and_waited_for() {
    let leap = schedule("0 0 29 2 *", "UTC");
    assert_eq!(
        leap.next_after(at("2026-01-01T00:00:00Z")),
        Some(at("2028-02-29T00:00:00Z"))
    );
    assert_eq!(
        leap.latest_at_or_before(at("2026-01-01T00:00:00Z")),
        Some(at("2024-02-29T00:00:00Z"))
    );
    // 2100 has none.
    assert_eq!(
        leap.next_after(at("2096-03-01T00:00:00Z")),
        Some(at("2104-02-29T00:00:00Z"))
    );
}

#[test]
fn what_the_special_characters_mean() {
    // January 2026 begins on a Thursday; the 31st is a Saturday.
    for (name, expression, expected) in [
        ("seconds in front", "15 30 2 * * *", "2026-01-01T02:30:15Z"),
        ("a year behind", "0 0 0 1 1 * 2030", "2030-01-01T00:00:00Z"),
        ("last day", "0 0 L * *", "2026-01-31T00:00:00Z"),
        ("last weekday", "0 0 LW * *", "2026-01-30T00:00:00Z"),
        ("nearest weekday", "0 0 17W * *", "2026-01-16T00:00:00Z"),
        ("second Monday", "0 0 * * MON#2", "2026-01-12T00:00:00Z"),
        ("last Friday", "0 0 * * FRIL", "2026-01-30T00:00:00Z"),
        (
            "day of month or of week",
            "0 0 13 * FRI",
            "2026-01-02T00:00:00Z",
        ),
        (
            "day of month and of week",
            "0 0 13 * +FRI",
            "2026-02-13T00:00:00Z",
        ),
        ("seven is Sunday", "0 0 * * 7", "2026-01-04T00:00:00Z"),
        ("names of months", "0 0 1 mar-APR *", "2026-03-01T00:00:00Z"),
        ("a nickname", "@weekly", "2026-01-04T00:00:00Z"),
    ] {
        let found = schedule(expression, "UTC").next_after(at("2026-01-01T00:00:00Z"));
        assert_eq!(found, Some(at(expected)), "{name}: {expression}");
    }
}

#[test]
fn an_expression_that_never_matches_is_refused() {
    for expression in [
        "0 0 31 2 *",
        "0 0 30 FEB *",
        "0 0 31 4,6,9,11 *",
        "* * * 31 2 *",
        "0 0 30 2 +MON",
    ] {
        let error = Schedule::cron(expression).expect_err(expression);
        assert!(
            error.to_string().contains("no instant matches"),
            "{expression}: {error}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    for text in [
        "",
        "*",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "5-1 * * * *",
        "a * * * *",
        "@reboot",
        "@every",
        "@every ",
        "@every 1",
        "@every 0s",
        "@every -1s",
        "@every 1y",
        "@every 1.5s",
        "@every 400d",
        "@every 99999999999999999999s",
        "@every1s",
    ] {
        assert!(text.parse::<Schedule>().is_err(), "{text:?} was accepted");
    }
    assert!(Schedule::every(Duration::from_micros(1500)).is_err());
}

#[test]
fn an_unknown_time_zone_is_refused() {
    for name in [
        "Mars/Olympus",
        "",
        "America/Montrael",
        "../../etc/passwd",
        "EST5EDT4",
    ] {
        assert!(
            Schedule::cron("0 2 * * *")
                .expect("an expression")
                .timezone(name)
                .is_err(),
            "{name:?} was accepted"
        );
    }
    // An old name that distributions no longer install.
    assert!(
        Schedule::cron("0 2 * * *")
            .expect("an expression")
            .timezone("America/Montreal")
            .is_ok()
    );
}

#[test]
fn a_fixed_offset_is_a_time_zone() {
    for (zone, shown, due) in [
        ("UTC+3", "UTC+03", "2026-01-01T23:00:00Z"),
        ("utc-03:30", "UTC-03:30", "2026-01-01T05:30:00Z"),
        ("+02:00", "UTC+02", "2026-01-01T00:00:00Z"),
        ("UTC+0", "UTC", "2026-01-01T02:00:00Z"),
        ("UTC", "UTC", "2026-01-01T02:00:00Z"),
    ] {
        let nightly = schedule("0 2 * * *", zone);
        assert_eq!(nightly.to_string(), format!("0 2 * * * {shown}"), "{zone}");
        let next = nightly.next_after(at("2025-12-31T23:59:59Z"));
        assert_eq!(next, Some(at(due)), "{zone}");
    }
    let nightly = Schedule::cron("0 2 * * *").expect("an expression");
    for zone in [
        "+3",
        "3",
        "UTC3",
        "UTC+15",
        "UTC+3:60",
        "UTC+",
        "+02:00:00",
        "UTC+3:",
    ] {
        let error = nightly.clone().timezone(zone).expect_err(zone);
        assert!(error.to_string().contains("such as UTC+3"), "{error}");
    }
}

#[test]
fn a_fingerprint_is_the_same_for_the_same_schedule_and_reads_back() {
    for (text, zone) in [
        ("0 2 * * *", "America/Toronto"),
        ("*/5 * * * * *", "UTC"),
        ("30 2 * * MON#2", "UTC+03:30"),
        ("0 2 * * *", "-05:00"),
        ("@daily", "Europe/Paris"),
        ("@every 1h30m", "UTC"),
    ] {
        let schedule: Schedule = text.parse().expect("a schedule");
        let schedule = schedule.timezone(zone).expect("a zone");
        let fingerprint = schedule.fingerprint();
        let read = Schedule::from_text(fingerprint.as_str()).expect(text);
        assert_eq!(read.fingerprint(), fingerprint, "{text}");
        let now = at("2026-02-25T12:00:00Z");
        assert_eq!(read.next_after(now), schedule.next_after(now), "{text}");
    }
    let spaced = schedule("0  2 * *  *", "america/toronto");
    assert_eq!(
        spaced.fingerprint(),
        schedule("0 2 * * *", "America/Toronto").fingerprint()
    );
    for text in ["a later release", "", "0 2 * * * Mars/Olympus", "0 2 * * *"] {
        assert!(Schedule::from_text(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_schedule_with_a_past_year_has_a_latest_tick_and_no_next() {
    let past = schedule("0 0 0 1 1 * 2020", "UTC");
    assert_eq!(past.next_after(at("2026-01-01T00:00:00Z")), None);
    assert_eq!(
        past.latest_at_or_before(at("2026-01-01T00:00:00Z")),
        Some(at("2020-01-01T00:00:00Z"))
    );
}

#[test]
fn intervals_are_aligned_to_the_epoch() {
    let every: Schedule = "@every 1m30s".parse().expect("an interval");
    assert_eq!(
        every.next_after(Tick::from_millis(0)),
        Some(Tick::from_millis(90_000))
    );
    assert_eq!(
        every.next_after(Tick::from_millis(89_999)),
        Some(Tick::from_millis(90_000))
    );
    assert_eq!(
        every.next_after(Tick::from_millis(90_000)),
        Some(Tick::from_millis(180_000))
    );
    assert_eq!(
        every.latest_at_or_before(Tick::from_millis(179_999)),
        Some(Tick::from_millis(90_000))
    );
    assert_eq!(
        every.latest_at_or_before(Tick::from_millis(180_000)),
        Some(Tick::from_millis(180_000))
    );
    assert_eq!(every.next_after(Tick::from_millis(u64::MAX)), None);
}

const ZONES: [&str; 8] = [
    "UTC",
    "America/Toronto",
    "Europe/Paris",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "America/St_Johns",
    "Africa/Casablanca",
    "Pacific/Apia",
];

fn expressions() -> impl Strategy<Value = String> {
    let field = |max: u32| {
        prop_oneof![
            Just("*".to_owned()),
            (2..20_u32).prop_map(|step| format!("*/{step}")),
            (0..=max).prop_map(|one| one.to_string()),
            (0..=max, 0..=max).prop_map(|(a, b)| format!("{},{}", a.min(b), a.max(b))),
            (0..=max, 0..=max).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        ]
    };
    let day = prop_oneof![4 => Just("* * *"), 1 => Just("* * SUN"), 1 => Just("1,7,8,27 * *")];
    (field(59), field(4), day).prop_map(|(minute, hour, day)| format!("{minute} {hour} {day}"))
}

/// The minutes at which the expression is due between two instants, found by looking at each of
/// them: a second, slower statement of the table in the module's documentation.
fn minute_by_minute(schedule: &Schedule, from: Timestamp, minutes: i64) -> Vec<Timestamp> {
    let Rule::Cron(rule) = &schedule.rule else {
        panic!("not a cron expression")
    };
    let matches = |civil: DateTime| {
        rule.cron
            .is_time_matching(&civil.to_zoned(TimeZone::UTC).expect("near"))
            .expect("a pattern")
    };
    let fixed = !rule.repeating;
    let mut due = Vec::new();
    for minute in 0..minutes {
        let instant = from + Duration::from_secs(60 * u64::try_from(minute).expect("small"));
        let civil = rule.zone.to_datetime(instant);
        let before = rule.zone.to_datetime(instant - Duration::from_secs(60));
        let gap: i64 = (civil - before).total(jiff::Unit::Minute).expect("near") as i64 - 1;
        let served_in_gap = fixed
            && (0..gap.max(0)).any(|skipped| {
                matches(
                    before + Duration::from_secs(60 * (1 + u64::try_from(skipped).expect("small"))),
                )
            });
        let second_time_round = match rule.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Fold { after, .. } => rule.zone.to_offset(instant) == after,
            _ => false,
        };
        if served_in_gap || (matches(civil) && !(fixed && second_time_round)) {
            due.push(instant);
        }
    }
    due
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_search_finds_what_looking_at_each_minute_finds(
        expression in expressions(),
        zone in prop::sample::select(&ZONES[..]),
        year in 2024_i16..2032,
        change in 0_usize..2,
        lead in 0_i64..2000,
    ) {
        let schedule = schedule(&expression, zone);
        let Rule::Cron(rule) = &schedule.rule else { unreachable!() };
        let new_year = Timestamp::from_second(i64::from(year - 1970) * 31_556_952).expect("near");
        let near = rule.zone.following(new_year).nth(change).map_or(new_year, |change| change.timestamp());
        let from = Timestamp::from_second((near.as_second() / 60 - lead) * 60).expect("near");
        let minutes = 3000;
        let expected = minute_by_minute(&schedule, from, minutes);

        let start = tick_of(from).expect("late");
        let before = Tick::from_millis(start.as_millis() - 1);
        let end = Tick::from_millis(start.as_millis() + u64::try_from(minutes).expect("small") * 60_000 - 1);
        let found: Vec<Timestamp> = schedule.between(before, end).map(|tick| second_of(tick).expect("small")).collect();
        prop_assert_eq!(&found, &expected);

        // And backwards.
        let mut backwards: Vec<Timestamp> = std::iter::successors(schedule.latest_at_or_before(end), |tick| {
            schedule.latest_at_or_before(Tick::from_millis(tick.as_millis() - 1))
        })
        .take_while(|tick| *tick >= start)
        .map(|tick| second_of(tick).expect("small"))
        .collect();
        backwards.reverse();
        prop_assert_eq!(&backwards, &expected);
    }

    #[test]
    fn next_and_latest_are_each_others_inverse(
        expression in prop_oneof![expressions(), Just("@every 7s".to_owned()), Just("0 0 L * *".to_owned()), Just("*/7 * * * * *".to_owned())],
        zone in prop::sample::select(&ZONES[..]),
        millis in 1_600_000_000_000_u64..2_000_000_000_000,
    ) {
        let schedule: Schedule = expression.parse::<Schedule>().expect("an expression").timezone(zone).expect("a zone");
        let instant = Tick::from_millis(millis);
        let next = schedule.next_after(instant).expect("there is another");
        prop_assert!(next > instant);
        prop_assert_eq!(schedule.latest_at_or_before(next), Some(next));
        let latest = schedule.latest_at_or_before(instant).expect("there was one");
        prop_assert!(latest <= instant);
        prop_assert_eq!(schedule.next_after(latest), Some(next));
        prop_assert_eq!(schedule.latest_at_or_before(Tick::from_millis(next.as_millis() - 1)), Some(latest));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[-@*/,#LW+0-9a-zA-Z? ]{0,40}") {
        let _ = text.parse::<Schedule>();
    }
}
