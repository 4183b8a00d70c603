"""An RDB file as rdb-py reads it: `rdb_py.py FILE PORT` builds what is in the file on the server at PORT, by ordinary commands.

The parser knows nothing of Zedis. What comes of this is compared with the server that wrote the file.
"""

import sys

import rdb
import redis


def rebuild(path, client):
    pipeline = client.pipeline(transaction=False)
    for item in rdb.RdbDecoder(path):
        kind = item["type"]
        if kind == "select_db":
            pipeline.execute_command("SELECT", item["db"])
            continue
        if kind in ("resize_db", "aux_field", "checksum"):
            continue
        key = item["key"]
        if kind == "string":
            pipeline.execute_command("SET", key, item["value"])
        elif kind == "list":
            pipeline.execute_command("RPUSH", key, *item["values"])
        elif kind == "set":
            pipeline.execute_command("SADD", key, *item["members"])
        elif kind == "hash":
            pipeline.execute_command("HSET", key, *(part for pair in item["values"].items() for part in pair))
        elif kind == "sorted_set":
            pipeline.execute_command("ZADD", key, *(part for pair in item["values"] for part in pair))
        else:
            raise ValueError(f"what is a {kind}?")
        if item["expiry"] is not None:
            pipeline.execute_command("PEXPIREAT", key, item["expiry"])
    pipeline.execute_command("SELECT", 0)
    return len(pipeline.execute())


if __name__ == "__main__":
    # One connection, since it selects databases.
    connection = redis.Redis(port=int(sys.argv[2]), single_connection_client=True)
    print(rebuild(sys.argv[1], connection), "commands")
