"""redis-py as applications use it: `redis_py.py PORT PROTOCOL`, where PROTOCOL is 2 or 3.

Nothing here knows which server it talks to: the same script passes on redis-server, and what needs a newer one asks for its version.
Waiting is blocking for what is to come, under a deadline.
"""

import asyncio
import sys
import threading
import time
import unittest

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.cache import CacheConfig
from redis.retry import Retry

PORT = PROTOCOL = None
# Seconds. Anything that takes that long has failed.
DEADLINE = 20


def connect(**options):
    settings = {"protocol": PROTOCOL, "decode_responses": True, "socket_timeout": DEADLINE} | options
    return redis.Redis(port=PORT, **settings)


def version(client):
    return tuple(map(int, client.info("server")["redis_version"].split(".")[:2]))


def pairs(reply):
    """Members and scores; with RESP3 a single pair may come flat."""
    return [tuple(pair) for pair in (reply if isinstance(reply[0], (list, tuple)) else [reply])]


def next_message(pubsub):
    """The next message of a subscription, confirmations included."""
    message = pubsub.get_message(timeout=DEADLINE)
    assert message is not None, "no message"
    return message["type"], message["channel"], message["data"]


def until_blocked(client, count=1):
    """Until so many clients wait in a blocking command."""
    for _ in range(DEADLINE * 1000):
        if client.info("clients")["blocked_clients"] >= count:
            return
        threading.Event().wait(0.001)
    raise AssertionError("nobody blocks")


class Case(unittest.TestCase):
    def setUp(self):
        self.client = connect()
        self.addCleanup(self.client.close)
        # Those of the test before may have hung up unnoticed.
        self.client.client_kill_filter(skipme=True)
        self.client.flushall()

    def other(self, **options):
        client = connect(**options)
        self.addCleanup(client.close)
        return client

    def until(self, condition):
        deadline = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), deadline)

    def needs(self, command):
        if command not in self.client.command():
            self.skipTest(f"there is no {command.upper()}")


class Types(Case):
    """Replies as the client library shapes them: an unexpected type or a missing field is an exception or another value."""

    def test_strings(self):
        r = self.client
        self.assertIs(r.set("a", "1", ex=100), True)
        self.assertIsNone(r.set("a", "2", nx=True))
        self.assertEqual(r.set("a", "2", xx=True, get=True), "1")
        self.assertIn(r.ttl("a"), (-1,))
        self.assertEqual(r.incrbyfloat("a", "0.5"), 2.5)
        self.assertEqual(r.getex("a", px=5000), "2.5")
        self.assertEqual(r.getdel("a"), "2.5")
        self.assertIsNone(r.get("a"))
        self.assertIs(r.mset({"k1": "x", "k2": "y"}), True)
        self.assertEqual(r.mget("k1", "none", "k2"), ["x", None, "y"])
        self.assertEqual(r.lcs("k1", "k2"), "")
        r.mset({"l1": "ohmytext", "l2": "mynewtext"})
        lcs = r.lcs("l1", "l2", idx=True, withmatchlen=True)
        flat = lcs if isinstance(lcs, dict) else dict(zip(lcs[::2], lcs[1::2]))
        self.assertEqual((flat["len"], flat["matches"]), (6, [[[4, 7], [5, 8], 4], [[2, 3], [0, 1], 2]]))
        self.assertEqual(r.bitfield("bits").set("u8", 0, 200).incrby("u8", 0, 100).execute(), [0, 44])

    def test_binary_values(self):
        r = self.other(decode_responses=False)
        value = bytes(range(256)) * 5000
        r.set(b"\x00\xff", value)
        self.assertEqual(r.get(b"\x00\xff"), value)
        self.assertEqual(r.getrange(b"\x00\xff", 1, 3), b"\x01\x02\x03")

    def test_hashes(self):
        r = self.client
        self.assertEqual(r.hset("h", mapping={"a": 1, "b": "two"}), 2)
        self.assertEqual(r.hgetall("h"), {"a": "1", "b": "two"})
        self.assertEqual(r.hgetall("none"), {})
        self.assertEqual(r.hmget("h", "a", "c"), ["1", None])
        self.assertEqual(r.hincrbyfloat("h", "a", 1.5), 2.5)
        self.assertIn(r.hrandfield("h"), ("a", "b"))
        self.assertEqual(sorted(r.hscan_iter("h")), [("a", "2.5"), ("b", "two")])

    def test_lists(self):
        r = self.client
        self.assertEqual(r.rpush("l", *range(10)), 10)
        self.assertEqual(r.lrange("l", 2, 4), ["2", "3", "4"])
        self.assertEqual(r.lpop("l", 2), ["0", "1"])
        self.assertEqual(r.lpos("l", "5", count=0), [3])
        self.assertEqual(r.lmpop(2, "none", "l", direction="RIGHT", count=2), ["l", ["9", "8"]])
        self.assertEqual(r.lmove("l", "m", "LEFT", "RIGHT"), "2")
        self.assertEqual(r.sort("l", desc=True, start=0, num=2), ["7", "6"])

    def test_sets(self):
        r = self.client
        r.sadd("s", "a", "b", "c")
        r.sadd("t", "b", "c", "d")
        self.assertEqual(set(r.smembers("s")), {"a", "b", "c"})
        self.assertEqual(set(r.sinter("s", "t")), {"b", "c"})
        self.assertEqual(r.sintercard(2, ["s", "t"], limit=1), 1)
        self.assertEqual(r.smismember("s", ["a", "x"]), [1, 0])
        self.assertEqual(set(r.sscan_iter("s")), {"a", "b", "c"})

    def test_sorted_sets(self):
        r = self.client
        self.assertEqual(r.zadd("z", {"a": 1, "b": 2.5, "c": float("inf")}), 3)
        self.assertEqual(r.zadd("z", {"a": 2}, ch=True), 1)
        self.assertEqual(r.zadd("z", {"a": 1}, incr=True), 3.0)
        self.assertEqual(r.zscore("z", "b"), 2.5)
        self.assertEqual(r.zmscore("z", ["c", "x"]), [float("inf"), None])
        self.assertEqual([tuple(p) for p in r.zrange("z", 0, -1, withscores=True)],
                         [("b", 2.5), ("a", 3.0), ("c", float("inf"))])
        self.assertEqual(pairs(r.zpopmin("z")), [("b", 2.5)])
        self.assertEqual(r.zrank("z", "c"), 1)
        if version(r) >= (7, 2):
            self.assertEqual(list(r.zrank("z", "a", withscore=True)), [0, 3.0])
        self.assertEqual(sorted(r.zscan_iter("z")), [("a", 3.0), ("c", float("inf"))])
        self.assertEqual(r.zrangebyscore("z", "(3", "+inf"), ["c"])

    def test_geo(self):
        r = self.client
        r.geoadd("g", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"))
        self.assertAlmostEqual(float(r.geodist("g", "Palermo", "Catania", unit="km")), 166.2742, places=3)
        found = r.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", sort="ASC", withdist=True)
        self.assertEqual([name for name, _ in found], ["Catania", "Palermo"])

    def test_hyperloglog(self):
        r = self.client
        self.assertEqual(r.pfadd("p", *range(100)), 1)
        self.assertIn(r.pfcount("p"), range(97, 104))

    def test_errors(self):
        r = self.client
        r.set("a", "text")
        with self.assertRaisesRegex(redis.ResponseError, "WRONGTYPE"):
            r.lpush("a", 1)
        with self.assertRaisesRegex(redis.ResponseError, "not an integer"):
            r.incr("a")
        with self.assertRaises(redis.ResponseError):
            r.execute_command("NOSUCH")


class Pipelines(Case):
    def test_pipeline(self):
        with self.client.pipeline(transaction=False) as pipe:
            for i in range(2000):
                pipe.set(f"k{i}", i)
                pipe.get(f"k{i}")
            replies = pipe.execute()
        self.assertEqual(replies[1::2], [str(i) for i in range(2000)])
        self.assertTrue(all(reply is True for reply in replies[::2]))

    def test_transaction(self):
        with self.client.pipeline() as pipe:
            replies = pipe.set("a", 1).incr("a").hset("h", "f", "v").hgetall("h").zadd("z", {"m": 1}).zscore("z", "m").execute()
        self.assertEqual(replies, [True, 2, 1, {"f": "v"}, 1, 1.0])

    def test_an_error_inside(self):
        with self.client.pipeline() as pipe:
            replies = pipe.set("a", "x").incr("a").get("a").execute(raise_on_error=False)
        self.assertIsInstance(replies[1], redis.ResponseError)
        self.assertEqual((replies[0], replies[2]), (True, "x"))
        with self.client.pipeline() as pipe, self.assertRaisesRegex(redis.ResponseError, "wrong number of arguments"):
            pipe.set("a", "y").execute_command("GET").execute()
        self.assertEqual(self.client.get("a"), "x")

    def test_watch(self):
        other = self.other()
        with self.client.pipeline() as pipe:
            pipe.watch("a")
            other.set("a", "changed")
            pipe.multi()
            pipe.set("a", "mine")
            with self.assertRaises(redis.WatchError):
                pipe.execute()
        self.assertEqual(other.get("a"), "changed")

    def test_transaction_function_retries(self):
        other = self.other()
        other.set("n", 1)
        attempts = []

        def increment(pipe):
            value = int(pipe.get("n"))
            if not attempts:
                other.set("n", 10)
            attempts.append(value)
            pipe.multi()
            pipe.set("n", value + 1)

        self.client.transaction(increment, "n")
        self.assertEqual((attempts, other.get("n")), ([1, 10], "11"))


class PubSub(Case):
    def test_channels_and_patterns(self):
        with self.client.pubsub() as p:
            p.subscribe("news", "sport")
            p.psubscribe("n?ws")
            got = [next_message(p) for _ in range(3)]
            self.assertEqual(got, [("subscribe", "news", 1), ("subscribe", "sport", 2), ("psubscribe", "n?ws", 3)])
            other = self.other()
            self.assertEqual(other.publish("news", "hello"), 2)
            self.assertEqual(next_message(p), ("message", "news", "hello"))
            self.assertEqual(next_message(p), ("pmessage", "news", "hello"))
            self.assertEqual(sorted(other.pubsub_channels()), ["news", "sport"])
            self.assertEqual(other.pubsub_numpat(), 1)
            self.assertEqual([tuple(p) for p in other.pubsub_numsub("news", "none")], [("news", 1), ("none", 0)])
            if PROTOCOL == 2:
                p.ping("here")
                self.assertEqual(next_message(p)[0::2], ("pong", "here"))
            p.unsubscribe("news")
            self.assertEqual(next_message(p), ("unsubscribe", "news", 2))
            p.punsubscribe()
            self.assertEqual(next_message(p), ("punsubscribe", "n?ws", 1))

    def test_sharded(self):
        with self.client.pubsub() as p:
            p.ssubscribe("shard")
            self.assertEqual(next_message(p), ("ssubscribe", "shard", 1))
            other = self.other()
            self.assertEqual(other.spublish("shard", "x"), 1)
            message = p.get_sharded_message(timeout=DEADLINE)
            self.assertEqual((message["type"], message["data"]), ("smessage", "x"))
            self.assertEqual(other.pubsub_shardchannels(), ["shard"])
            p.sunsubscribe("shard")
            self.assertEqual(next_message(p), ("sunsubscribe", "shard", 0))

    def test_a_thread_with_handlers(self):
        got, arrived = [], threading.Event()

        def handler(message):
            got.append(message["data"])
            if len(got) == 1000:
                arrived.set()

        p = self.client.pubsub(ignore_subscribe_messages=True)
        p.subscribe(**{"c": handler})
        thread = p.run_in_thread(sleep_time=0.01)
        try:
            other = self.other()
            while other.publish("c", "first") == 0:
                pass
            with other.pipeline(transaction=False) as pipe:
                for i in range(999):
                    pipe.publish("c", i)
                pipe.execute()
            self.assertTrue(arrived.wait(DEADLINE))
        finally:
            thread.stop()
            thread.join(DEADLINE)
        self.assertEqual(got, ["first"] + [str(i) for i in range(999)])

    def test_keyspace_events(self):
        self.client.config_set("notify-keyspace-events", "KEA")
        self.addCleanup(lambda: self.client.config_set("notify-keyspace-events", ""))
        with self.client.pubsub(ignore_subscribe_messages=True) as p:
            p.psubscribe("__keyevent@0__:*")
            self.assertIsNone(p.get_message(timeout=DEADLINE))
            self.other().set("a", 1, px=20)
            self.assertEqual([next_message(p)[1:] for _ in range(3)],
                             [("__keyevent@0__:set", "a"), ("__keyevent@0__:expire", "a"), ("__keyevent@0__:expired", "a")])


class Blocking(Case):
    def in_background(self, call):
        result = []
        thread = threading.Thread(target=lambda: result.append(call(self.other())))
        thread.start()
        until_blocked(self.client)
        return lambda: (thread.join(DEADLINE), result[0])[1]

    def test_pops(self):
        wait = self.in_background(lambda r: r.blpop(["x", "l"], timeout=DEADLINE))
        self.client.rpush("l", "v")
        self.assertEqual(tuple(wait()), ("l", "v"))
        wait = self.in_background(lambda r: r.bzpopmin("z", timeout=DEADLINE))
        self.client.zadd("z", {"m": 1.5})
        self.assertEqual(tuple(wait()), ("z", "m", 1.5))
        wait = self.in_background(lambda r: r.blmove("src", "dst", DEADLINE, "LEFT", "RIGHT"))
        self.client.rpush("src", "moved")
        self.assertEqual(wait(), "moved")
        wait = self.in_background(lambda r: r.blmpop(DEADLINE, 2, "l", "m", direction="LEFT", count=3))
        self.client.rpush("m", 1, 2, 3)
        self.assertEqual(wait(), ["m", ["1", "2", "3"]])
        wait = self.in_background(lambda r: r.bzmpop(DEADLINE, 1, ["zz"], min=True))
        self.client.zadd("zz", {"a": 1})
        key, members = wait()
        self.assertEqual((key, [[m, float(s)] for m, s in members]), ("zz", [["a", 1.0]]))

    def test_timeouts(self):
        self.assertIsNone(self.client.blpop("none", timeout=0.01))
        self.assertIsNone(self.client.bzpopmax("none", timeout=0.01))

    def test_unblock(self):
        wait = self.in_background(lambda r: r.blpop("x", timeout=DEADLINE))
        blocked = [c["id"] for c in self.client.client_list() if "b" in c["flags"]]
        self.assertEqual(len(blocked), 1)
        self.assertEqual(self.client.client_unblock(int(blocked[0])), 1)
        self.assertIsNone(wait())


class Iterators(Case):
    def test_scan(self):
        with self.client.pipeline(transaction=False) as pipe:
            for i in range(3000):
                pipe.set(f"key:{i}", i)
            pipe.rpush("list", 1).execute()
        self.assertEqual(len(set(self.client.scan_iter(count=100))), 3001)
        self.assertEqual(set(self.client.scan_iter("key:12?")), {f"key:{i}" for i in range(120, 130)})
        self.assertEqual(list(self.client.scan_iter(_type="list")), ["list"])

    def test_large_collections(self):
        r = self.client
        r.hset("h", mapping={f"f{i}": i for i in range(3000)})
        r.sadd("s", *range(100000, 103000))
        r.zadd("z", {f"m{i}": i for i in range(3000)})
        self.assertEqual(dict(r.hscan_iter("h")), {f"f{i}": str(i) for i in range(3000)})
        self.assertEqual(set(r.sscan_iter("s", match="*9")), {str(i) for i in range(100009, 103000, 10)})
        self.assertEqual(dict(r.zscan_iter("z")), {f"m{i}": float(i) for i in range(3000)})


class Connections(Case):
    def test_the_handshake(self):
        r = self.other(client_name="me", db=3)
        self.assertEqual(r.client_getname(), "me")
        me = r.client_info()
        self.assertEqual((me["name"], int(me["db"])), ("me", 3))
        if version(r) >= (7, 2):
            self.assertEqual((me["resp"], me["lib-name"]), (str(PROTOCOL), "redis-py"))

    def test_the_server_closes_and_the_client_reconnects(self):
        r = self.other(retry=Retry(NoBackoff(), 3))
        r.set("a", 1)
        self.assertEqual(self.client.client_kill_filter(_id=str(r.client_id())), 1)
        self.assertEqual(r.get("a"), "1")
        with r.pubsub() as p:
            p.subscribe("c")
            next_message(p)
            self.client.client_kill_filter(_type="pubsub")
            # It subscribes again by itself.
            self.assertEqual(next_message(p), ("subscribe", "c", 1))
            self.assertEqual(self.client.publish("c", "again"), 1)
            self.assertEqual(next_message(p), ("message", "c", "again"))

    def test_a_pool_of_threads(self):
        pool = redis.BlockingConnectionPool(port=PORT, protocol=PROTOCOL, max_connections=4, timeout=DEADLINE)
        def work():
            for _ in range(100):
                redis.Redis(connection_pool=pool).incr("n")

        threads = [threading.Thread(target=work) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join(DEADLINE) for thread in threads]
        self.assertEqual(self.client.get("n"), "800")
        pool.disconnect()

    def test_a_lock_without_waiting(self):
        # The release is a script, which Zedis does not have yet; taking and seeing it is SET NX PX.
        self.assertTrue(self.client.lock("lock", timeout=10).acquire(blocking=False))
        self.assertFalse(self.other().lock("lock", timeout=10).acquire(blocking=False))

    def test_monitor(self):
        self.needs("monitor")
        with self.client.monitor() as m:
            self.other().set("a", "b c")
            command = next(c for c in m.listen() if c["command"].startswith("SET "))
        self.assertEqual((command["db"], command["command"]), (0, "SET a b c"))


class Tracking(Case):
    def test_redirected_invalidations(self):
        with self.client.pubsub() as p:
            p.subscribe("__redis__:invalidate")
            next_message(p)
            r = self.other(single_connection_client=True)
            p.connection.send_command("CLIENT", "ID") if PROTOCOL == 3 else None
            receiver = p.connection.read_response() if PROTOCOL == 3 else \
                next(c["id"] for c in self.client.client_list() if "P" in c["flags"])
            r.client_tracking_on(clientid=int(receiver))
            self.assertEqual(int(r.client_getredir()), int(receiver))
            r.set("a", 1)
            r.get("a")
            self.client.set("a", 2)
            if PROTOCOL == 2:
                kind, channel, keys = next_message(p)
                self.assertEqual((kind, channel, keys), ("message", "__redis__:invalidate", ["a"]))

    def test_the_library_s_cache(self):
        if PROTOCOL == 2 or version(self.client) < (7, 4):
            self.skipTest("redis-py's cache wants RESP3 and 7.4")
        r = self.other(cache_config=CacheConfig())
        r.set("a", 1)
        self.assertEqual(r.get("a"), "1")
        calls = self.client.info("commandstats")["cmdstat_get"]["calls"]
        self.assertEqual([r.get("a") for _ in range(5)], ["1"] * 5)
        self.assertEqual(self.client.info("commandstats")["cmdstat_get"]["calls"], calls, "answered by the cache")
        # Who changes a key is answered before the others hear of it.
        self.client.set("a", 2)
        self.until(lambda: r.get("a") == "2")
        self.client.flushall()
        self.until(lambda: r.get("a") is None)


class Acl(Case):
    def test_users(self):
        r = self.client
        self.addCleanup(lambda: r.acl_deluser("alice"))
        self.assertTrue(r.acl_setuser("alice", enabled=True, passwords=["+secret"], keys=["app:*"], channels=["news"],
                                      categories=["+@read", "+@connection"], commands=["+set", "-get"]))
        self.assertIn("alice", r.acl_users())
        user = r.acl_getuser("alice")
        self.assertEqual((set(user["flags"]) >= {"on"}, len(user["passwords"])), (True, 1))
        self.assertIn("-get", user["commands"] if isinstance(user["commands"], list) else user["commands"].split())
        alice = self.other(username="alice", password="secret")
        self.assertTrue(alice.set("app:1", 1))
        with self.assertRaisesRegex(redis.exceptions.NoPermissionError, "key"):
            alice.set("other", 1)
        with self.assertRaises(redis.exceptions.NoPermissionError):
            alice.get("app:1")
        with self.assertRaises(redis.exceptions.AuthenticationError):
            self.other(username="alice", password="wrong", retry=Retry(NoBackoff(), 0)).ping()
        reasons = [entry["reason"] for entry in r.acl_log()]
        self.assertEqual(set(reasons), {"auth", "key", "command"})
        self.assertEqual(r.acl_dryrun("alice", "set", "app:2", "x"), "OK")
        self.assertIn("hash", r.acl_cat())
        self.assertEqual(len(r.acl_genpass()), 64)
        r.acl_log_reset()


class Introspection(Case):
    """What the library parses itself: a field it does not expect is an exception here."""

    def test_it_parses(self):
        r = self.client
        r.set("a", "1")
        info = r.info()
        self.assertEqual((info["db0"]["keys"], info["redis_mode"], info["role"]), (1, "standalone", "master"))
        self.assertEqual(r.config_get("maxmemory*")["maxmemory"], "0")
        commands = r.command()
        self.assertEqual((commands["get"]["arity"], commands["get"]["first_key_pos"]), (2, 1))
        self.assertEqual(r.command_getkeys("MSET", "x", "1", "y", "2"), ["x", "y"])
        self.assertGreater(r.command_count(), 150)
        self.assertGreater(r.memory_usage("a"), 10)
        self.assertIn("peak.allocated", r.memory_stats())
        self.assertEqual(r.object("encoding", "a"), "int")
        self.assertEqual(len(r.time()), 2)
        self.assertEqual(r.dbsize(), 1)
        payload = self.other(decode_responses=False).dump("a")
        self.other(decode_responses=False).restore("b", 0, payload)
        self.assertEqual(r.get("b"), "1")
        self.assertIsNotNone(r.lastsave())
        self.assertEqual(r.echo("x"), "x")

    def test_the_slow_log(self):
        r = self.client
        self.needs("slowlog")
        self.assertTrue(r.config_set("slowlog-log-slower-than", 0))
        r.get("a")
        r.config_set("slowlog-log-slower-than", 10000)
        entry = next(e for e in r.slowlog_get(10) if "GET" in str(e["command"]))
        self.assertIn("a", str(entry["command"]))
        self.assertIsInstance(r.slowlog_len(), int)

    def test_script_and_function_housekeeping(self):
        self.assertTrue(self.client.script_flush())
        self.assertEqual(self.client.function_list(), [])


class Asynchronous(Case):
    def run_async(self, coroutine):
        async def whole():
            r = redis.asyncio.Redis(port=PORT, protocol=PROTOCOL, decode_responses=True)
            try:
                await asyncio.wait_for(coroutine(r), DEADLINE)
            finally:
                await r.aclose()

        asyncio.run(whole())

    def test_everything_at_once(self):
        async def body(r):
            await asyncio.gather(*(r.incrby("n", i) for i in range(40)))
            self.assertEqual(await r.get("n"), str(sum(range(40))))
            async with r.pipeline(transaction=True) as pipe:
                self.assertEqual(await pipe.set("a", 1).get("a").execute(), [True, "1"])
            pop = asyncio.ensure_future(r.blpop("l", timeout=DEADLINE))
            while (await r.info("clients"))["blocked_clients"] == 0:
                await asyncio.sleep(0.001)
            await r.rpush("l", "v")
            self.assertEqual(tuple(await pop), ("l", "v"))
            async with r.pubsub(ignore_subscribe_messages=True) as p:
                await p.subscribe("c")
                while await r.publish("c", "x") == 0:
                    pass
                async for message in p.listen():
                    self.assertEqual(message["data"], "x")
                    break
            self.assertEqual({key async for key in r.scan_iter()}, {"n", "a"})

        self.run_async(body)


if __name__ == "__main__":
    PORT, PROTOCOL = int(sys.argv[1]), int(sys.argv[2])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
