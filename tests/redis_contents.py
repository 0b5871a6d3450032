"""What a Redis holds, for tests that look for something in it."""

import redis

# How each type of value is read whole. (DUMP would do for all, but compresses.)
_READ = {
    b"string": lambda client, key: client.get(key),
    b"hash": lambda client, key: client.hgetall(key),
    b"list": lambda client, key: client.lrange(key, 0, -1),
    b"set": lambda client, key: client.smembers(key),
    b"zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
    b"stream": lambda client, key: client.xrange(key),
}


def keys_with(url: str, marker: str) -> list[str]:
    """The keys of the Redis at `url` whose names or values hold the marker."""
    found = []
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(count=1000):
            kind = client.type(key)
            # One whose time is over between the two is no more.
            value = b"" if kind == b"none" else _READ[kind](client, key)
            if marker in repr((key, value)):
                found.append(key.decode())
    return found
