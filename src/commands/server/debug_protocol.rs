//! DEBUG PROTOCOL: one reply of each kind, for those who write clients.

use crate::commands::{Args, CommandError, CommandResult};
use crate::server::Engine;

const UNKNOWN: &str = "ERR Wrong protocol type name. Please use one of the following: \
                       string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false";

pub(super) fn protocol(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let kind = args.get(2).to_ascii_lowercase();
    let mut reply = engine.reply(key);
    match kind.as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        b"double" => {
            #[expect(clippy::approx_constant, reason = "what Redis answers, not pi")]
            reply.double(3.141);
        }
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.int(number);
                reply.bool(number == 1);
            }
        }
        b"attrib" => {
            if reply.is_resp3() {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.int(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" => {
            if !reply.is_resp3() {
                return Err(CommandError::new("ERR RESP2 is not supported by this command"));
            }
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
            // A push is no reply, and whoever sent the command waits for one.
            reply.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => reply.bool(true),
        b"false" => reply.bool(false),
        _ => return Err(CommandError::new(UNKNOWN)),
    }
    Ok(())
}
