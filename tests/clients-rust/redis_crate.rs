//! The `redis` crate, blocking and on tokio.

use std::collections::{HashMap, HashSet};
use std::thread;

use futures_util::StreamExt;
use futures_util::future::join_all;
use redis::acl::Rule;
use redis::aio::ConnectionManagerConfig;
use redis::caching::CacheConfig;
use redis::{
    AsyncCommands, AsyncConnectionConfig, Client, Commands, ErrorKind, PushKind, RedisResult, ServerErrorKind, Value,
};
use tokio::sync::mpsc;

use super::support::server::eventually;
use super::{DEADLINE, Place, Protocol, everywhere, everywhere_async};

fn client(place: Place) -> Client {
    client_as(place, "")
}

/// `user` is empty or `name:password@`.
fn client_as(place: Place, user: &str) -> Client {
    let version = if place.protocol == Protocol::Resp3 { 3 } else { 2 };
    Client::open(format!("redis://{user}127.0.0.1:{}/?protocol={version}", place.port)).expect("a valid address")
}

fn connection(place: Place) -> redis::Connection {
    let connection = client(place).get_connection().expect("it connects");
    connection.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    connection
}

#[test]
fn types() {
    everywhere(|place| {
        let mut c = connection(place);
        let _: () = c.set("a", 42).unwrap();
        assert_eq!(c.get::<_, Option<i64>>("a").unwrap(), Some(42));
        assert_eq!(c.get::<_, Option<String>>("none").unwrap(), None);
        let _: () = c.hset_multiple("h", &[("f", "1"), ("g", "2")]).unwrap();
        let hash: HashMap<String, i64> = c.hgetall("h").unwrap();
        assert_eq!(hash, HashMap::from([("f".to_string(), 1), ("g".to_string(), 2)]));
        let _: () = c.sadd("s", &["x", "y"]).unwrap();
        assert_eq!(c.smembers::<_, HashSet<String>>("s").unwrap().len(), 2);
        assert!(c.sismember::<_, _, bool>("s", "x").unwrap());
        let _: () = c.zadd_multiple("z", &[(1.5, "m"), (f64::INFINITY, "n")]).unwrap();
        let scores: Vec<(String, f64)> = c.zrange_withscores("z", 0, -1).unwrap();
        assert_eq!(scores, [("m".to_string(), 1.5), ("n".to_string(), f64::INFINITY)]);
        assert_eq!(c.zscore::<_, _, Option<f64>>("z", "none").unwrap(), None);
        assert_eq!(c.blpop::<_, Option<(String, String)>>("none", 0.01).unwrap(), None);
        let error = c.incr::<_, _, i64>("h", 1).unwrap_err();
        assert_eq!(error.code(), Some("WRONGTYPE"));
        let unknown = redis::cmd("NOSUCH").exec(&mut c).unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::Server(ServerErrorKind::ResponseError));
        let verbatim: String = redis::cmd("LOLWUT").query(&mut c).unwrap_or_default();
        assert!(verbatim.is_empty() || verbatim.contains("ver."));
        let info: redis::InfoDict = redis::cmd("INFO").query(&mut c).unwrap();
        assert_eq!(info.get::<String>("redis_mode").as_deref(), Some("standalone"));
    });
}

#[test]
fn pipelines_and_transactions() {
    everywhere(|place| {
        let mut c = connection(place);
        let mut pipe = redis::pipe();
        for n in 0..2000 {
            pipe.set(n, n).ignore().get(n);
        }
        let replies: Vec<usize> = pipe.query(&mut c).unwrap();
        assert!(replies.iter().copied().eq(0..2000));
        let (list, count): (Vec<String>, i64) =
            redis::pipe().atomic().rpush("l", &["a", "b"]).ignore().lrange("l", 0, -1).llen("l").query(&mut c).unwrap();
        assert_eq!((list.len(), count), (2, 2));
        // Somebody else changes it the first time round.
        let mut other = connection(place);
        let _: () = other.set("n", 1).unwrap();
        let mut attempts = 0;
        let (new,): (i64,) = redis::transaction(&mut c, &["n"], |c, pipe| {
            let old: i64 = c.get("n")?;
            attempts += 1;
            if attempts == 1 {
                let _: () = other.set("n", 10)?;
            }
            pipe.set("n", old + 1).ignore().get("n").query(c)
        })
        .unwrap();
        assert_eq!((attempts, new), (2, 11));
        let refused: RedisResult<()> = redis::pipe().atomic().set("n", 99).cmd("GET").query(&mut c);
        assert_eq!(refused.unwrap_err().code(), Some("EXECABORT"));
        assert_eq!(c.get::<_, i64>("n").unwrap(), 11);
    });
}

#[test]
fn iterators() {
    everywhere(|place| {
        let mut c = connection(place);
        let pairs: Vec<(String, usize)> = (0..3000).map(|n| (format!("key:{n}"), n)).collect();
        let _: () = c.mset(&pairs).unwrap();
        let _: () = c.hset_multiple("h", &pairs).unwrap();
        let keys: HashSet<String> = c.scan_match("key:*").unwrap().collect::<RedisResult<_>>().unwrap();
        assert_eq!(keys.len(), 3000);
        let fields: HashMap<String, usize> = c.hscan("h").unwrap().collect::<RedisResult<_>>().unwrap();
        assert_eq!(fields, pairs.into_iter().collect());
    });
}

#[test]
fn publishing_and_blocking() {
    everywhere(|place| {
        let mut listener = connection(place);
        let mut listener = listener.as_pubsub();
        listener.set_read_timeout(Some(DEADLINE)).unwrap();
        listener.subscribe(&["news", "sport"]).unwrap();
        listener.psubscribe("n?ws").unwrap();
        let mut c = connection(place);
        assert_eq!(c.publish::<_, _, i64>("news", "hello").unwrap(), 2);
        let message = listener.get_message().unwrap();
        assert_eq!((message.get_channel_name(), message.get_payload::<String>().unwrap().as_str()), ("news", "hello"));
        let message = listener.get_message().unwrap();
        assert_eq!(message.get_pattern::<String>().unwrap(), "n?ws");
        listener.unsubscribe("news").unwrap();
        listener.punsubscribe("n?ws").unwrap();
        assert_eq!(c.publish::<_, _, i64>("news", "nobody").unwrap(), 0);
        drop(listener);

        let popper = thread::spawn(move || connection(place).blpop::<_, (String, i64)>(&["x", "y"], 20.0).unwrap());
        let blocked = |c: &mut redis::Connection| {
            let info: redis::InfoDict = redis::cmd("INFO").arg("clients").query(c).unwrap();
            info.get::<i64>("blocked_clients").unwrap()
        };
        eventually("it blocks", || blocked(&mut c) == 1);
        let _: () = c.rpush("y", 7).unwrap();
        assert_eq!(popper.join().unwrap(), ("y".to_string(), 7));
    });
}

#[test]
fn a_pool_of_blocking_connections() {
    everywhere(|place| {
        let pool = r2d2::Pool::builder().max_size(4).connection_timeout(DEADLINE).build(client(place)).unwrap();
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let pool = pool.clone();
                thread::spawn(move || (0..50).for_each(|_| pool.get().unwrap().incr("n", 1).unwrap()))
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert_eq!(connection(place).get::<_, i64>("n").unwrap(), 400);
    });
}

#[test]
fn users() {
    everywhere(|place| {
        let mut c = connection(place);
        let rules = [
            Rule::On,
            Rule::AddPass("secret".into()),
            Rule::Pattern("app:*".into()),
            Rule::AddCategory("read".into()),
            Rule::AddCategory("connection".into()),
            Rule::AddCommand("set".into()),
        ];
        let _: () = c.acl_setuser_rules("alice", &rules).unwrap();
        let info: Option<redis::acl::AclInfo> = c.acl_getuser("alice").unwrap();
        assert!(format!("{:?}", info.expect("she exists")).contains("app:*"));
        let mut alice = client_as(place, "alice:secret@").get_connection().unwrap();
        let _: () = alice.set("app:1", 1).unwrap();
        assert_eq!(alice.set::<_, _, ()>("other", 1).unwrap_err().code(), Some("NOPERM"));
        assert_eq!(alice.del::<_, ()>("app:1").unwrap_err().code(), Some("NOPERM"));
        let refused = client_as(place, "alice:wrong@").get_connection().err().expect("refused").to_string();
        assert!(refused.contains("WRONGPASS") || refused.contains("uthentication"), "{refused}");
        let _: () = c.acl_deluser(&["alice"]).unwrap();
    });
}

#[test]
fn one_connection_for_many() {
    everywhere_async(|place| async move {
        let connection = client(place).get_multiplexed_async_connection().await.unwrap();
        let replies = join_all((0..200).map(|n| {
            let mut c = connection.clone();
            async move {
                let _: () = c.set(n, n).await.unwrap();
                c.get::<_, i64>(n).await.unwrap()
            }
        }))
        .await;
        assert!(replies.into_iter().eq(0..200));
        let mut c = connection.clone();
        let mut keys: HashSet<String> = HashSet::new();
        let mut iterator = c.scan::<String>().await.unwrap();
        while let Some(key) = iterator.next_item().await {
            keys.insert(key.unwrap());
        }
        assert_eq!(keys.len(), 200);
        drop(iterator);
        let (a, b): (i64, i64) = redis::pipe().atomic().incr("n", 1).incr("n", 1).query_async(&mut c).await.unwrap();
        assert_eq!((a, b), (1, 2));
        let mut listener = client(place).get_async_pubsub().await.unwrap();
        listener.subscribe("c").await.unwrap();
        listener.psubscribe("?").await.unwrap();
        assert_eq!(c.publish::<_, _, i64>("c", "x").await.unwrap(), 2);
        let got: Vec<String> = listener.on_message().take(2).map(|m| m.get_payload().unwrap()).collect().await;
        assert_eq!(got, ["x", "x"]);
    });
}

/// The server closes the connection: the manager opens another, and subscribes again.
#[test]
fn reconnecting() {
    everywhere_async(|place| async move {
        let (pushes, mut received) = mpsc::unbounded_channel();
        let mut config = ConnectionManagerConfig::new();
        if place.protocol == Protocol::Resp3 {
            config = config.set_push_sender(pushes).set_automatic_resubscription();
        }
        let mut manager = client(place).get_connection_manager_with_config(config).await.unwrap();
        let mut other = client(place).get_multiplexed_async_connection().await.unwrap();
        if place.protocol == Protocol::Resp3 {
            manager.subscribe("c").await.unwrap();
        }
        let id: i64 = redis::cmd("CLIENT").arg("ID").query_async(&mut manager).await.unwrap();
        let killed: i64 = redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query_async(&mut other).await.unwrap();
        assert_eq!(killed, 1);
        // The request that meets the closed connection fails; those after it do not.
        while manager.set::<_, _, ()>("a", 1).await.is_err() {}
        assert_eq!(manager.get::<_, i64>("a").await.unwrap(), 1);
        if place.protocol == Protocol::Resp3 {
            while other.publish::<_, _, i64>("c", "again").await.unwrap() == 0 {}
            loop {
                let push = received.recv().await.expect("the message comes");
                if push.kind == PushKind::Message {
                    assert_eq!(push.data[1], Value::BulkString(b"again".to_vec()));
                    break;
                }
            }
        }
    });
}

/// The library's own cache, which the server keeps true.
#[test]
fn client_side_caching() {
    everywhere_async(|place| async move {
        if place.protocol == Protocol::Resp2 {
            return;
        }
        let config = AsyncConnectionConfig::new().set_cache_config(CacheConfig::default());
        let mut c = client(place).get_multiplexed_async_connection_with_config(&config).await.unwrap();
        let mut other = client(place).get_multiplexed_async_connection().await.unwrap();
        let _: () = other.set("a", 1).await.unwrap();
        for _ in 0..10 {
            assert_eq!(c.get::<_, i64>("a").await.unwrap(), 1);
        }
        let statistics = c.get_cache_statistics().expect("it caches");
        assert_eq!((statistics.hit, statistics.miss), (9, 1));
        let _: () = other.set("a", 2).await.unwrap();
        while c.get_cache_statistics().expect("it caches").invalidate == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(c.get::<_, i64>("a").await.unwrap(), 2);
        let _: () = redis::cmd("FLUSHALL").query_async(&mut other).await.unwrap();
        while c.get::<_, Option<i64>>("a").await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    });
}
