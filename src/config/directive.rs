//! What a directive is: its names, the kind of its value, its default, who may change it when, and what Zedis does with it.

use super::settings::Settings;
use super::value::{self, Value};

/// One directive of redis.conf.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    pub name: &'static str,
    /// The name it had in older versions, which works as well.
    pub alias: Option<&'static str>,
    pub kind: Kind,
    /// As redis.conf would write it, in one string.
    pub default: &'static str,
    pub mutability: Mutability,
    pub effect: Effect,
    /// Copies the value to its typed field.
    pub apply: Option<fn(&mut Settings, &Value)>,
    /// What the server has to do when it changes at run time; None: reading the new value is enough.
    pub action: Option<Action>,
    /// Known, but not listed by a CONFIG GET pattern.
    pub hidden: bool,
    /// Moves an accepted number to the nearest that makes sense.
    pub adjust: Option<fn(i64) -> i64>,
}

/// What values a directive takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    /// Permission bits, read and printed in base 8.
    Octal {
        min: i64,
        max: i64,
    },
    /// Bytes, with units.
    Memory {
        min: u64,
        max: u64,
    },
    /// Bytes, or a percentage of `maxmemory`.
    MemoryOrPercent,
    /// One of the names; a name with `=` in it (`relative=yes`) is another spelling of what follows.
    Enum(&'static [&'static str]),
    /// Any of the names but the first, which means none.
    Flags(&'static [&'static str]),
    Text(TextRule),
    Save,
    BufferLimits,
    Bind,
    KeyspaceEvents,
    OomScores,
    Percentiles,
    ReplicaOf,
}

impl Kind {
    /// Whether its value is several words.
    pub fn takes_words(self) -> bool {
        matches!(
            self,
            Kind::Flags(_)
                | Kind::Save
                | Kind::BufferLimits
                | Kind::Bind
                | Kind::OomScores
                | Kind::Percentiles
                | Kind::ReplicaOf
        )
    }
}

/// What a text must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextRule {
    Any,
    /// No slash. The word is what the error calls it.
    PlainName {
        what: &'static str,
        may_be_empty: bool,
    },
    Hostname,
    ProcTitle,
}

/// When it may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// Only in the file and on the command line.
    Immutable,
    Modifiable,
    /// By CONFIG SET only where `enable-protected-configs` allows.
    Protected,
}

/// What Zedis does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nobody has said; a test finds it.
    Unsaid,
    /// It acts on it.
    Works,
    /// It remembers it, so that existing files start and CONFIG GET answers; a note says why that is all.
    None(&'static str),
    /// Only the default is accepted, because to ignore another value would be unsafe, for this reason.
    Refused(&'static str),
}

/// What the server must do after a change at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Bind the listeners anew: at other addresses, at another port.
    Bind,
    Port,
    /// Bind the listeners of the Prometheus endpoint anew.
    ListenForMetrics,
    /// Check the new `maxclients` against the limit of open files.
    MaxClients,
    LogLevel,
    /// Tell the default user its new password.
    RequirePass,
    /// Change the working directory.
    Dir,
    /// Begin or end to keep an append-only file.
    AppendOnly,
    /// Tell the thread that writes it.
    AppendFsync,
    Hz,
    /// Tell the kernel the new title, or the new score.
    ProcTitle,
    OomScore,
    /// What a panic does.
    CrashLog,
    /// Start or stop the allocator's thread.
    AllocatorThread,
    /// Evict down to the new limit.
    MaxMemory,
    /// Count what clients take, or stop counting.
    MaxMemoryClients,
    /// Drop the histograms that are no longer kept.
    LatencyTracking,
    SlowlogLength,
}

impl Directive {
    const fn new(name: &'static str, kind: Kind, default: &'static str) -> Directive {
        Directive {
            name,
            alias: None,
            kind,
            default,
            mutability: Mutability::Modifiable,
            effect: Effect::Unsaid,
            apply: None,
            action: None,
            hidden: false,
            adjust: None,
        }
    }

    pub(super) const fn alias(mut self, alias: &'static str) -> Directive {
        self.alias = Some(alias);
        self
    }

    pub(super) const fn immutable(mut self) -> Directive {
        self.mutability = Mutability::Immutable;
        self
    }

    pub(super) const fn protected(mut self) -> Directive {
        self.mutability = Mutability::Protected;
        self
    }

    pub(super) const fn hidden(mut self) -> Directive {
        self.hidden = true;
        self
    }

    pub(super) const fn live(mut self, apply: fn(&mut Settings, &Value)) -> Directive {
        self.effect = Effect::Works;
        self.apply = Some(apply);
        self
    }

    pub(super) const fn no_effect(mut self, why: &'static str) -> Directive {
        self.effect = Effect::None(why);
        self
    }

    pub(super) const fn refused(mut self, why: &'static str) -> Directive {
        self.effect = Effect::Refused(why);
        self
    }

    pub(super) const fn action(mut self, action: Action) -> Directive {
        self.action = Some(action);
        self
    }

    pub(super) const fn adjust(mut self, adjust: fn(i64) -> i64) -> Directive {
        self.adjust = Some(adjust);
        self
    }

    /// Its names, the present one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        [Some(self.name), self.alias].into_iter().flatten()
    }

    /// Which of its names `name` is, in any case.
    pub fn name_as(&self, name: &[u8]) -> Option<&'static str> {
        self.names().find(|own| own.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The value of [`Directive::default`]; a test reads them all.
    pub fn default_value(&self) -> Value {
        let words: Vec<&[u8]> = match self.kind.takes_words() {
            true => self.default.split_ascii_whitespace().map(str::as_bytes).collect(),
            false => vec![self.default.as_bytes()],
        };
        self.parse(&words, &Value::None).unwrap_or_default()
    }

    /// Reads a value; what is not said of the present one (other classes of clients) stays.
    ///
    /// # Errors
    /// The reason in Redis's words.
    pub fn parse(&self, words: &[&[u8]], present: &Value) -> Result<Value, String> {
        let value = value::parse(self, words, present)?;
        if let (Effect::Refused(why), Some(default)) = (self.effect, self.only_value(present))
            && self.text(&value) != self.text(&default)
        {
            return Err(format!("{} is not supported: {why}", self.name));
        }
        Ok(match (self.adjust, value) {
            (Some(adjust), Value::Int(number)) => Value::Int(adjust(number)),
            (Some(adjust), Value::Memory(number)) => {
                Value::Memory(adjust(i64::try_from(number).unwrap_or(i64::MAX)).unsigned_abs())
            }
            (_, value) => value,
        })
    }

    /// The default that a refused directive must keep; None while that default itself is being read.
    fn only_value(&self, present: &Value) -> Option<Value> {
        (*present != Value::None).then(|| self.default_value())
    }

    /// The value as CONFIG GET shows it.
    pub fn text(&self, value: &Value) -> Vec<u8> {
        value::text(self.kind, value)
    }

    /// Copies the value to its typed field, if it has one.
    pub(super) fn apply(&self, settings: &mut Settings, value: &Value) {
        if let Some(apply) = self.apply {
            apply(settings, value);
        }
    }

    /// What is to be logged about a value that changes nothing.
    pub(super) fn note(&self, value: &Value) -> Option<String> {
        match self.effect {
            Effect::None(why) if self.text(value) != self.text(&self.default_value()) => {
                Some(format!("Directive '{}' is accepted, but has no effect: {why}", self.name))
            }
            _ => None,
        }
    }
}

pub(super) const fn boolean(name: &'static str, default: &'static str) -> Directive {
    Directive::new(name, Kind::Bool, default)
}

pub(super) const fn int(name: &'static str, min: i64, max: i64, default: &'static str) -> Directive {
    Directive::new(name, Kind::Int { min, max }, default)
}

pub(super) const fn memory(name: &'static str, min: u64, max: u64, default: &'static str) -> Directive {
    Directive::new(name, Kind::Memory { min, max }, default)
}

pub(super) const fn one_of(name: &'static str, names: &'static [&'static str], default: &'static str) -> Directive {
    Directive::new(name, Kind::Enum(names), default)
}

pub(super) const fn text(name: &'static str, default: &'static str) -> Directive {
    Directive::new(name, Kind::Text(TextRule::Any), default)
}

pub(super) const fn special(name: &'static str, kind: Kind, default: &'static str) -> Directive {
    Directive::new(name, kind, default)
}
