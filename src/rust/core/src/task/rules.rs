//! What happens to a task after it has ended: whether it is retried, and when it expires. Scripts
//! read the stored form, numbers in the order of `lua/_end.lua`.

use serde::{Deserialize, Serialize};

/// Which failures are retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// An R error.
    Error = 1,
    /// The worker or the process was lost.
    Lost = 2,
    /// It exceeded its time limit.
    Timeout = 4,
}

impl Cause {
    const ALL: [Cause; 3] = [Cause::Error, Cause::Lost, Cause::Timeout];

    /// The word users have for it.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Error => "error",
            Cause::Lost => "lost",
            Cause::Timeout => "timeout",
        }
    }

    /// The cause with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Cause::ALL.into_iter().find(|cause| cause.word() == word)
    }
}

/// A retry policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)] // one stored by another version may have fewer fields
pub struct Retry {
    /// The total number of attempts.
    pub max_attempts: u32,
    /// Seconds before the second attempt.
    pub delay_s: f64,
    /// The factor by which the delay grows with each further attempt.
    pub backoff: f64,
    /// The longest delay in seconds.
    pub max_delay_s: f64,
    /// Which failures are retried.
    pub on: Vec<Cause>,
    /// Only errors of these classes are retried; all errors if there are none.
    pub classes: Vec<String>,
    /// A task is not retried once so many workers were lost while they ran it; 0 for the default.
    pub max_lost: u32,
}

/// The default for `max_lost`, also in `lua/_held.lua`.
const MAX_LOST: u32 = 3;

/// The rules of a task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Seconds after its end until it is deleted; infinite for never.
    pub ttl_s: Option<f64>,
    /// Whether and when it is retried.
    pub retry: Option<Retry>,
}

fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0).round().clamp(0.0, 1e15) as u64
}

impl Rules {
    /// These rules, with those of `others` where they are not set.
    pub fn or(&self, others: &Rules) -> Rules {
        Rules {
            ttl_s: self.ttl_s.or(others.ttl_s),
            retry: self.retry.clone().or_else(|| others.retry.clone()),
        }
    }

    /// The stored form: empty for no rules. Classes of errors are checked by the worker, so they
    /// are stored in the task's body.
    pub fn pack(&self) -> String {
        let ttl = self.ttl_s.filter(|seconds| seconds.is_finite());
        let ttl = ttl.map_or(0, |seconds| millis(seconds).max(1));
        let Some(retry) = &self.retry else {
            return if ttl == 0 { String::new() } else { format!("{ttl},0,0,0,0,0") };
        };
        let on: u32 = retry.on.iter().map(|cause| *cause as u32).sum();
        let (delay, longest) = (millis(retry.delay_s), millis(retry.max_delay_s));
        let rules = format!(
            "{ttl},{},{delay},{},{longest},{on}",
            retry.max_attempts,
            millis(retry.backoff)
        );
        match retry.max_lost {
            0 | MAX_LOST => rules,
            most => format!("{rules},{most}"),
        }
    }

    /// Read the stored form; anything else means no rules.
    pub fn parse(stored: &str) -> Self {
        let numbers: Vec<u64> = stored.split(',').map_while(|part| part.parse().ok()).collect();
        let &[ttl, attempts, delay, backoff, longest, on, ref rest @ ..] = numbers.as_slice()
        else {
            return Rules::default();
        };
        let seconds = |millis: u64| millis as f64 / 1000.0;
        let retry = (attempts > 0).then(|| Retry {
            max_attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            delay_s: seconds(delay),
            backoff: seconds(backoff),
            max_delay_s: seconds(longest),
            on: Cause::ALL.into_iter().filter(|cause| on & *cause as u64 != 0).collect(),
            classes: Vec::new(),
            max_lost: rest
                .first()
                .map_or(MAX_LOST, |most| u32::try_from(*most).unwrap_or(u32::MAX)),
        });
        Rules { ttl_s: (ttl > 0).then(|| seconds(ttl)), retry }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_causes_read_back() {
        assert!(Cause::ALL.into_iter().all(|cause| Cause::from_word(cause.word()) == Some(cause)));
        assert_eq!(Cause::from_word("other"), None);
    }

    #[test]
    fn rules_read_back_as_written() {
        let retry = Retry {
            max_attempts: 3,
            delay_s: 0.5,
            backoff: 1.5,
            max_delay_s: 60.0,
            on: vec![Cause::Error, Cause::Timeout],
            classes: Vec::new(),
            max_lost: MAX_LOST,
        };
        for rules in [
            Rules::default(),
            Rules { ttl_s: Some(2.5), retry: None },
            Rules { ttl_s: None, retry: Some(retry.clone()) },
            Rules { ttl_s: Some(1.0), retry: Some(retry) },
        ] {
            assert_eq!(Rules::parse(&rules.pack()), rules);
        }
        let never = Rules { ttl_s: Some(f64::INFINITY), retry: None };
        assert_eq!(Rules::parse(&never.pack()), Rules::default());
    }

    #[test]
    fn settings_written_by_another_version_can_be_read() {
        let stored = b"\x82\xa5ttl_s\xcb@\x04\x00\x00\x00\x00\x00\x00\xa5retry\x86\xacmax_attempts\x03\
            \xa7delay_s\xcb?\xe0\x00\x00\x00\x00\x00\x00\xa7backoff\xcb?\xf8\x00\x00\x00\x00\x00\x00\
            \xabmax_delay_s\xcb@N\x00\x00\x00\x00\x00\x00\xa2on\x92\xa5Error\xa4Lost\xa7classes\x91\xa1e";
        let retry = Retry {
            max_attempts: 3,
            delay_s: 0.5,
            backoff: 1.5,
            max_delay_s: 60.0,
            on: vec![Cause::Error, Cause::Lost],
            classes: vec!["e".into()],
            max_lost: 0,
        };
        let rules = Rules { ttl_s: Some(2.5), retry: Some(retry) };
        assert_eq!(rmp_serde::from_slice::<Rules>(stored).unwrap(), rules);
        // Only a field that this version does not know.
        let rules: Rules = rmp_serde::from_slice(b"\x81\xa3new\x01").unwrap();
        assert_eq!(rules, Rules::default());
    }
}
