"""Damages bytes and JSON at random."""

import copy
import json

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
VALUES = (
    *(None, True, -1, 0, 1, 7, 2**31, 10**12, 10**30, 1.5, -0.0, 1e308, float("inf"), float("nan")),
    *("", "x", "..", "../x", "\0", "\u202e", "a\nb", "x" * 10_000),
    *([], {}, [[]], {"a": 1}, ["a", "a"]),
)
EDGE = 200


def damage(rng, content):
    """Change bytes: one to four changes, two of three near the beginning or the end."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        rng.choice(CHANGES)(rng, content)
    return bytes(content)


def _place(rng, content):
    size = len(content)
    near = rng.randint(0, min(size, EDGE))
    return rng.choice((rng.randint(0, size), near, size - near))


def _flip(rng, content):
    if content:
        content[_place(rng, content) % len(content)] ^= 1 << rng.randrange(8)


def _number(rng, content):
    place, size = _place(rng, content), rng.choice((1, 2, 4))
    number = rng.choice(NUMBERS) & (256**size - 1)
    content[place : place + size] = number.to_bytes(size, rng.choice(("little", "big")))


def _noise(rng, content):
    place, size = _place(rng, content), rng.randint(1, 300)
    content[place : place + size] = rng.randbytes(size)


def _insert(rng, content):
    place = _place(rng, content)
    content[place:place] = rng.randbytes(rng.randint(1, 300))


def _remove(rng, content):
    place = _place(rng, content)
    del content[place : place + rng.choice((1, 4, 100, len(content) // 3 + 1))]


def _repeat(rng, content):
    place, size = _place(rng, content), rng.choice((1, 8, 100, 5000))
    content[place:place] = content[place : place + size] * rng.randint(1, 3)


def _cut(rng, content):
    del content[_place(rng, content) :]


CHANGES = (_flip, _flip, _number, _number, _noise, _insert, _remove, _repeat, _cut)


def damage_json(rng, content):
    """Replace, remove, copy or nest one to three values anywhere in a JSON text."""
    value = json.loads(content)
    for _ in range(rng.randint(1, 3)):
        value = _damage_value(rng, value)
    return json.dumps(value).encode()


def _damage_value(rng, value):
    inner = isinstance(value, dict | list) and value and rng.random() < 0.85
    if not inner:
        return rng.choice(
            (copy.deepcopy(rng.choice(VALUES)), [value], {"a": value}, _scaled(rng, value))
        )
    key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
    kind = rng.random()
    if kind < 0.1:
        del value[key]
    elif kind < 0.2 and isinstance(value, list):
        value += [copy.deepcopy(value[key]) for _ in range(rng.choice((1, 3, 1000)))]
    elif kind < 0.2:
        value[rng.choice(("x", "", "__class__", key + " "))] = copy.deepcopy(value[key])
    else:
        value[key] = _damage_value(rng, value[key])
    return value


def _scaled(rng, value):
    if isinstance(value, int | float):
        return value * rng.choice((-1, 2, 10, 1000)) + rng.choice((0, 1))
    return value
