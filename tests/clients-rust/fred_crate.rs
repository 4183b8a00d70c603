//! The `fred` crate.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use fred::interfaces::TrackingInterface;
use fred::prelude::{
    AclInterface, Builder, Client, ClientInterface, ClientLike, Config, Error, EventInterface, HashesInterface,
    KeysInterface, ListInterface, PubsubInterface, ReconnectPolicy, ServerConfig, SortedSetsInterface,
    TransactionInterface,
};
use fred::types::RespVersion;
use fred::types::client::ClientKillFilter;
use futures_util::TryStreamExt;
use futures_util::future::join_all;

use super::{Place, Protocol, everywhere_async};

fn builder(place: Place) -> Builder {
    let version = if place.protocol == Protocol::Resp3 { RespVersion::RESP3 } else { RespVersion::RESP2 };
    let config =
        Config { server: ServerConfig::new_centralized("127.0.0.1", place.port), version, ..Config::default() };
    let mut builder = Builder::from_config(config);
    builder.set_policy(ReconnectPolicy::new_constant(0, 1));
    builder
}

async fn connect(place: Place) -> Client {
    let client = builder(place).build().unwrap();
    client.init().await.unwrap();
    client
}

#[test]
fn types_and_pipelines() {
    everywhere_async(|place| async move {
        let c = connect(place).await;
        let _: () = c.set("a", 42, None, None, false).await.unwrap();
        assert_eq!(c.get::<i64, _>("a").await.unwrap(), 42);
        assert_eq!(c.get::<Option<String>, _>("none").await.unwrap(), None);
        let _: () = c.hset("h", HashMap::from([("f", 1), ("g", 2)])).await.unwrap();
        assert_eq!(c.hgetall::<HashMap<String, i64>, _>("h").await.unwrap()["g"], 2);
        let _: () = c.zadd("z", None, None, false, false, vec![(1.5, "m"), (2.0, "n")]).await.unwrap();
        let scores: Vec<(String, f64)> = c.zrange("z", 0, -1, None, false, None, true).await.unwrap();
        assert_eq!(scores, [("m".to_string(), 1.5), ("n".to_string(), 2.0)]);
        let error: Error = c.incr::<i64, _>("h").await.unwrap_err();
        assert!(error.details().starts_with("WRONGTYPE"), "{error:?}");
        let pipeline = c.pipeline();
        for n in 0..1000 {
            let _: () = pipeline.set(n.to_string(), n, None, None, false).await.unwrap();
            let _: () = pipeline.get(n.to_string()).await.unwrap();
        }
        let replies: Vec<String> = pipeline.all().await.unwrap();
        assert!(replies.iter().skip(1).step_by(2).eq((0..1000).map(|n| n.to_string()).collect::<Vec<_>>().iter()));
        let keys: HashSet<String> =
            c.scan_buffered("*", Some(100), None).map_ok(|key| key.into_string().unwrap()).try_collect().await.unwrap();
        assert_eq!(keys.len(), 1003);
        c.quit().await.unwrap();
    });
}

#[test]
fn transactions() {
    everywhere_async(|place| async move {
        let (c, other) = (connect(place).await, connect(place).await);
        let transaction = c.multi();
        let _: () = transaction.set("a", 1, None, None, false).await.unwrap();
        let _: () = transaction.incr("a").await.unwrap();
        let replies: (String, i64) = transaction.exec(true).await.unwrap();
        assert_eq!(replies, ("OK".to_string(), 2));
        c.watch("a").await.unwrap();
        let _: () = other.set("a", 10, None, None, false).await.unwrap();
        let transaction = c.multi();
        let _: () = transaction.incr("a").await.unwrap();
        let _ = transaction.exec::<Option<i64>>(true).await;
        assert_eq!(c.get::<i64, _>("a").await.unwrap(), 10, "it was changed by somebody else");
    });
}

#[test]
fn a_pool_and_blocking() {
    everywhere_async(|place| async move {
        let pool = builder(place).build_pool(4).unwrap();
        pool.init().await.unwrap();
        join_all((0..200).map(|_| pool.incr::<i64, _>("n"))).await.into_iter().for_each(|reply| assert!(reply.is_ok()));
        assert_eq!(pool.get::<i64, _>("n").await.unwrap(), 200);
        let popper = connect(place).await;
        let pop = popper.blpop::<(String, i64), _>(vec!["x", "y"], 20.0);
        let push = async {
            while !pool.info::<String>(None).await.unwrap().contains("blocked_clients:1") {}
            pool.rpush::<i64, _, _>("y", 7).await.unwrap()
        };
        let (popped, _) = futures_util::future::join(pop, push).await;
        assert_eq!(popped.unwrap(), ("y".to_string(), 7));
    });
}

#[test]
fn subscriptions_survive_a_reconnect() {
    everywhere_async(|place| async move {
        let subscriber = builder(place).build_subscriber_client().unwrap();
        subscriber.init().await.unwrap();
        let mut messages = subscriber.message_rx();
        let _resubscribe = subscriber.manage_subscriptions();
        subscriber.subscribe("news").await.unwrap();
        subscriber.psubscribe("n?ws").await.unwrap();
        subscriber.ssubscribe("shard").await.unwrap();
        let other = connect(place).await;
        assert_eq!(other.publish::<i64, _, _>("news", "hello").await.unwrap(), 2);
        assert_eq!(other.spublish::<i64, _, _>("shard", "sharded").await.unwrap(), 1);
        let mut got = Vec::new();
        for _ in 0..3 {
            got.push(messages.recv().await.unwrap().value.into_string().unwrap());
        }
        assert_eq!(got, ["hello", "hello", "sharded"]);
        let id = *subscriber.connection_ids().values().next().expect("it is connected");
        assert_eq!(other.client_kill::<i64>(vec![ClientKillFilter::ID(id.to_string())]).await.unwrap(), 1);
        while other.spublish::<i64, _, _>("shard", "again").await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let message = messages.recv().await.unwrap();
        assert_eq!((&*message.channel, message.value.into_string().as_deref()), ("shard", Some("again")));
    });
}

#[test]
fn tracking() {
    everywhere_async(|place| async move {
        let (c, other) = (connect(place).await, connect(place).await);
        let receiver = connect(place).await;
        let mut invalidations = if place.protocol == Protocol::Resp3 {
            c.start_tracking(None, false, false, false, false).await.unwrap();
            c.invalidation_rx()
        } else {
            receiver.subscribe("__redis__:invalidate").await.unwrap();
            let id = *receiver.connection_ids().values().next().expect("it is connected");
            let _: () = c.client_tracking("on", Some(id), None, false, false, false, false).await.unwrap();
            assert_eq!(c.client_getredir::<i64>().await.unwrap(), id);
            receiver.invalidation_rx()
        };
        let _: () = other.set("a", 1, None, None, false).await.unwrap();
        let _: () = c.get("a").await.unwrap();
        let _: () = other.set("a", 2, None, None, false).await.unwrap();
        let invalidation = invalidations.recv().await.unwrap();
        assert_eq!(invalidation.keys.iter().map(|key| key.as_str_lossy()).collect::<Vec<_>>(), ["a"]);
    });
}

#[test]
fn users() {
    everywhere_async(|place| async move {
        let c = connect(place).await;
        c.acl_setuser("bob", vec!["on", ">secret", "~app:*", "+@all", "-@dangerous", "+info", "resetchannels"])
            .await
            .unwrap();
        let mut config = builder(place).get_config().unwrap().clone();
        (config.username, config.password) = (Some("bob".into()), Some("secret".into()));
        let bob = Builder::from_config(config.clone()).build().unwrap();
        bob.init().await.unwrap();
        assert_eq!(bob.acl_whoami::<String>().await.unwrap(), "bob");
        let _: () = bob.set("app:1", 1, None, None, false).await.unwrap();
        let error = bob.set::<(), _, _>("other", 1, None, None, false).await.unwrap_err();
        assert!(error.details().starts_with("NOPERM"), "{error:?}");
        config.password = Some("wrong".into());
        assert!(Builder::from_config(config).build().unwrap().init().await.is_err());
        let _: i64 = c.acl_deluser("bob").await.unwrap();
    });
}
