//! SORT and SORT_RO: the elements of a list, set or sorted set in the order of themselves or of other keys.
//!
//! What is sorted refers to the values; only what is stored is copied.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::base::number::parse_f64;
use crate::collections::listpack::ListpackValue;
use crate::collections::quicklist::Node;
use crate::commands::{
    Acl, Arg, ArgKind, Args, BeginSearch, Command, CommandError, CommandResult, FindKeys, Flags, Group, KeyFlags,
    KeySpec, Reply, Run,
};
use crate::keyspace::{Event, FieldText, Hash, List, Object, Side, SortedSet, Typed, ValueRef, View, Writer};

const COMPLEXITY: &str =
    "O(N+M*log(M)) where N is the number of elements and M the number of those returned; O(N) if they are not sorted.";
const KEY: KeySpec = KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS));
const PATTERNS: KeySpec = KeySpec {
    notes: "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort",
    flags: KeyFlags::RO.union(KeyFlags::ACCESS),
    begin: BeginSearch::Unknown,
    find: FindKeys::Unknown,
};
const BY: Arg = Arg::new("by-pattern", ArgKind::Pattern).token("BY").of_spec(1).optional();
const LIMIT: Arg = Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")]).token("LIMIT").optional();
const GET: Arg = Arg::new("get-pattern", ArgKind::Pattern).token("GET").of_spec(1).optional().multiple_token();
const ORDER: Arg = Arg::one_of("order", &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")]).optional();
const ALPHA: Arg = Arg::word("sorting", "ALPHA").optional();

pub(super) static SORT: Command = Command {
    name: "sort",
    arity: -2,
    run: Run::Write(sort),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::MOVABLEKEYS),
    acl: Acl::WRITE.union(Acl::SET).union(Acl::SORTEDSET).union(Acl::LIST).union(Acl::SLOW).union(Acl::DANGEROUS),
    keys: &[
        KEY,
        PATTERNS,
        KeySpec {
            notes: "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array",
            flags: KeyFlags::OW.union(KeyFlags::UPDATE),
            begin: BeginSearch::Unknown,
            find: FindKeys::Unknown,
        },
    ],
    group: Group::Generic,
    summary: "Sorts the elements of a list, set or sorted set, and returns or stores them.",
    complexity: COMPLEXITY,
    args: &[
        Arg::key("key"),
        BY,
        LIMIT,
        GET,
        ORDER,
        ALPHA,
        Arg::key("destination").token("STORE").of_spec(2).optional(),
    ],
    ..Command::BASE
};

pub(super) static SORT_RO: Command = Command {
    name: "sort_ro",
    arity: -2,
    run: Run::Read(sort_ro),
    flags: Flags::READONLY.union(Flags::MOVABLEKEYS),
    acl: Acl::READ.union(Acl::SET).union(Acl::SORTEDSET).union(Acl::LIST).union(Acl::SLOW).union(Acl::DANGEROUS),
    keys: &[KEY, PATTERNS],
    group: Group::Generic,
    summary: "Sorts the elements of a list, set or sorted set, and returns them.",
    since: "7.0.0",
    complexity: COMPLEXITY,
    args: &[Arg::key("key"), BY, LIMIT, GET, ORDER, ALPHA],
    ..Command::BASE
};

/// An element, or what stands in its place.
type Text<'a> = ListpackValue<'a>;

/// What a BY or GET looks at, for each element.
enum Pattern<'p> {
    /// `#`: the element.
    Element,
    /// Without a `*`: there is no such key.
    Nothing,
    /// The key with the element in place of the `*`, and perhaps a field of it.
    Key { before: &'p [u8], behind: &'p [u8], field: Option<&'p [u8]> },
}

impl<'p> Pattern<'p> {
    fn new(text: &'p [u8]) -> Pattern<'p> {
        if text == b"#" {
            return Pattern::Element;
        }
        let Some(star) = text.iter().position(|&byte| byte == b'*') else { return Pattern::Nothing };
        let (before, behind) = (&text[..star], &text[star + 1..]);
        let arrow = behind.windows(2).position(|pair| pair == b"->").filter(|at| at + 2 < behind.len());
        match arrow {
            Some(at) => Pattern::Key { before, behind: &behind[..at], field: Some(&behind[at + 2..]) },
            None => Pattern::Key { before, behind, field: None },
        }
    }

    fn look_up<'a>(&self, element: Text<'a>, view: &View<'a>) -> Option<Text<'a>> {
        let (before, behind, field) = match self {
            Pattern::Element => return Some(element),
            Pattern::Nothing => return None,
            Pattern::Key { before, behind, field } => (before, behind, field),
        };
        let name = [*before, element.text(&mut itoa::Buffer::new()), *behind].concat();
        match (view.find(view.key(&name))?.value(), field) {
            (ValueRef::Int(int), None) => Some(Text::Int(int)),
            (ValueRef::Embedded(bytes), None) => Some(Text::Bytes(bytes)),
            (ValueRef::Raw(bytes), None) => Some(Text::Bytes(bytes)),
            (ValueRef::Object(object), Some(field)) => {
                Hash::of(object)?.get(field, &view.context()).map(|value| match value {
                    FieldText::Int(int) => Text::Int(int),
                    FieldText::Bytes(bytes) => Text::Bytes(bytes),
                    FieldText::Shared(bytes) => Text::Bytes(bytes),
                })
            }
            _ => None,
        }
    }
}

/// The options.
struct Options<'p> {
    by: Option<Pattern<'p>>,
    gets: Vec<Pattern<'p>>,
    offset: i64,
    /// Negative: all.
    count: i64,
    descending: bool,
    alpha: bool,
    store: Option<&'p [u8]>,
}

impl<'p> Options<'p> {
    /// `may_look_up`: whether BY and GET may look at other keys.
    fn read(args: &'p Args<'_>, may_store: bool, may_look_up: bool) -> Result<Options<'p>, CommandError> {
        let mut options =
            Options { by: None, gets: Vec::new(), offset: 0, count: -1, descending: false, alpha: false, store: None };
        let mut index = 2;
        while index < args.len() {
            let left = args.len() - index - 1;
            if args.is(index, "ASC") {
                options.descending = false;
            } else if args.is(index, "DESC") {
                options.descending = true;
            } else if args.is(index, "ALPHA") {
                options.alpha = true;
            } else if args.is(index, "LIMIT") && left >= 2 {
                (options.offset, options.count) = (args.int(index + 1)?, args.int(index + 2)?);
                index += 2;
            } else if may_store && args.is(index, "STORE") && left >= 1 {
                options.store = Some(args.get(index + 1));
                index += 1;
            } else if args.is(index, "BY") && left >= 1 {
                let pattern = args.get(index + 1);
                // Any pattern without a `*` means: do not sort. `#` is no exception here.
                let is_key = pattern.contains(&b'*');
                if is_key && !may_look_up {
                    return Err(CommandError::new("ERR BY option of SORT denied due to insufficient ACL permissions."));
                }
                options.by = Some(if is_key { Pattern::new(pattern) } else { Pattern::Nothing });
                index += 1;
            } else if args.is(index, "GET") && left >= 1 {
                if !may_look_up {
                    return Err(CommandError::new(
                        "ERR GET option of SORT denied due to insufficient ACL permissions.",
                    ));
                }
                options.gets.push(Pattern::new(args.get(index + 1)));
                index += 1;
            } else {
                return Err(CommandError::SYNTAX);
            }
            index += 1;
        }
        Ok(options)
    }

    /// Which of `len` elements are wanted.
    fn range(&self, len: usize) -> std::ops::Range<usize> {
        let start = usize::try_from(self.offset).unwrap_or(0).min(len);
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        start..start.saturating_add(count).min(len)
    }
}

/// What a call with BY or GET is answered if its user may not read every key.
///
/// # Errors
/// The first option that is refused or wrong.
pub(in crate::commands) fn refuse_patterns(args: &Args<'_>, may_store: bool) -> CommandResult {
    Options::read(args, may_store, false).map(drop)
}

/// What an element is sorted by.
enum Weight<'a> {
    Score(f64),
    /// None: there is no such key, which comes first.
    Text(Option<Cow<'a, [u8]>>),
}

fn text_of(text: Text<'_>) -> Cow<'_, [u8]> {
    match text {
        Text::Bytes(bytes) => Cow::Borrowed(bytes),
        Text::Int(_) => Cow::Owned(text.to_vec()),
    }
}

/// A number as C's `strtod` reads it, if it reads all of it: all that C sees, for which a NUL is the end.
fn score_of(text: Text<'_>) -> Option<f64> {
    match text {
        Text::Int(int) => Some(int as f64),
        Text::Bytes(bytes) => {
            let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
            if bytes.is_empty() {
                return Some(0.0);
            }
            let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
            parse_f64(&bytes[bytes.iter().take_while(|byte| is_space(byte)).count()..])
        }
    }
}

fn compare(a: &(Text<'_>, Weight<'_>), b: &(Text<'_>, Weight<'_>)) -> Ordering {
    match (&a.1, &b.1) {
        (Weight::Score(x), Weight::Score(y)) => x.partial_cmp(y).unwrap_or(Ordering::Equal).then_with(|| {
            // Equal scores must not leave the order to chance.
            a.0.text(&mut itoa::Buffer::new()).cmp(b.0.text(&mut itoa::Buffer::new()))
        }),
        (Weight::Text(x), Weight::Text(y)) => x.cmp(y),
        _ => Ordering::Equal,
    }
}

/// The elements that are wanted, in order. `opened`: where those of a list lie that had to be decompressed.
fn sorted<'a>(
    args: &Args<'_>,
    options: &Options<'_>,
    view: &View<'a>,
    opened: &'a mut Vec<Node>,
) -> Result<Vec<Text<'a>>, CommandError> {
    let object = match view.find(args.key(1)).map(|entry| entry.value()) {
        None => return Ok(Vec::new()),
        Some(ValueRef::Object(object)) => object,
        Some(_) => return Err(CommandError::WRONG_TYPE),
    };
    if matches!(options.by, Some(Pattern::Nothing))
        && let Object::List(_) | Object::SortedSet(_) = object
    {
        return Ok(unsorted(object, options, opened));
    }
    let mut elements: Vec<Text<'a>> = match object {
        Object::List(list) => list.collect(0, list.len(), opened),
        Object::Set(set) => set.iter().collect(),
        Object::SortedSet(SortedSet::Pack(pack)) => pack.pairs().map(|(member, _)| member).collect(),
        Object::SortedSet(SortedSet::Tree(tree)) => tree.iter().map(|(member, _)| Text::Bytes(member)).collect(),
        Object::Hash(_) => return Err(CommandError::WRONG_TYPE),
    };
    let range = options.range(elements.len());
    let mut by = options.by.as_ref();
    let mut alpha = options.alpha;
    if matches!(by, Some(Pattern::Nothing)) {
        if options.store.is_none() {
            elements.truncate(range.end);
            elements.drain(..range.start);
            return Ok(elements);
        }
        // What is stored does not depend on the order in which a set happens to be kept.
        (by, alpha) = (None, true);
    }
    let mut rows = Vec::with_capacity(elements.len());
    for element in elements {
        let value = match by {
            Some(pattern) => pattern.look_up(element, view),
            None => Some(element),
        };
        let weight = if alpha {
            Weight::Text(value.map(text_of))
        } else {
            const NO_NUMBER: CommandError = CommandError::new("ERR One or more scores can't be converted into double");
            Weight::Score(value.map_or(Some(0.0), score_of).ok_or(NO_NUMBER)?)
        };
        rows.push((element, weight));
    }
    let order = |a: &(Text<'_>, Weight<'_>), b: &(Text<'_>, Weight<'_>)| {
        if options.descending { compare(b, a) } else { compare(a, b) }
    };
    if range.end < rows.len() && range.end > 0 {
        rows.select_nth_unstable_by(range.end - 1, order);
    }
    rows.truncate(range.end);
    rows.sort_by(order);
    Ok(rows.into_iter().skip(range.start).map(|(element, _)| element).collect())
}

/// Those of a list or sorted set that are wanted as they are, from either end.
fn unsorted<'a>(object: &'a Object, options: &Options<'_>, opened: &'a mut Vec<Node>) -> Vec<Text<'a>> {
    let within = |len: usize| {
        let range = options.range(len);
        if options.descending { len - range.end..len - range.start } else { range }
    };
    let mut elements: Vec<Text<'a>> = match object {
        Object::List(list) => {
            let range = within(list.len());
            list.collect(range.start, range.len(), opened)
        }
        Object::SortedSet(set) => set.range(within(set.len())).map(|(member, _)| member).collect(),
        Object::Set(_) | Object::Hash(_) => Vec::new(),
    };
    if options.descending {
        elements.reverse();
    }
    elements
}

fn reply_sorted(found: Vec<Text<'_>>, options: &Options<'_>, view: &View<'_>, reply: &mut Reply<'_>) {
    let mut put = |value: Option<Text<'_>>| match value {
        Some(Text::Int(int)) => reply.bulk_int(int),
        Some(Text::Bytes(bytes)) => reply.bulk(bytes),
        None => reply.null(),
    };
    for element in found {
        if options.gets.is_empty() {
            put(Some(element));
        }
        options.gets.iter().for_each(|pattern| put(pattern.look_up(element, view)));
    }
}

fn sort_ro(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::read(args, false, true)?;
    let mut opened = Vec::new();
    let found = sorted(args, &options, view, &mut opened)?;
    reply.array(found.len() * options.gets.len().max(1));
    reply_sorted(found, &options, view, reply);
    Ok(())
}

fn sort(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::read(args, true, true)?;
    let mut list = List::new();
    let Some(store) = options.store else {
        let view = db.view();
        let mut opened = Vec::new();
        let found = sorted(args, &options, &view, &mut opened)?;
        reply.array(found.len() * options.gets.len().max(1));
        reply_sorted(found, &options, &view, reply);
        return Ok(());
    };
    {
        let view = db.view();
        let context = view.context();
        let mut push = |value: Option<Text<'_>>| {
            let mut digits = itoa::Buffer::new();
            let text = value.map_or(b"".as_slice(), |value| value.text(&mut digits));
            list.make_room(text.len(), 1, &context);
            list.push(Side::Right, text);
        };
        let mut opened = Vec::new();
        for element in sorted(args, &options, &view, &mut opened)? {
            if options.gets.is_empty() {
                push(Some(element));
            }
            options.gets.iter().for_each(|pattern| push(pattern.look_up(element, &view)));
        }
    }
    let len = list.len();
    reply.len(len);
    db.put(db.key(store), list, Event::list("sortstore"));
    // As Redis counts: each element is a change.
    db.count_more(len.saturating_sub(1));
    Ok(())
}
