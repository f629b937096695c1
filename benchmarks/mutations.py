"""Ways in which a CIF can be broken: by accident, by a program, or on purpose."""

import random
import re
from collections.abc import Callable, Sequence

Mutation = Callable[[bytes, random.Random], bytes]

_NUMBER = re.compile(rb"(?<=[\s'])[-+]?\d+\.?\d*(?:\(\d+\))?(?=[\s'])")
_SITE_TAG = re.compile(rb"^_atom_site_\w+\s*$", re.MULTILINE)
_OPERATION = re.compile(rb"^'?[-+/\dxyz]+,\s*[-+/\dxyz]+,\s*[-+/\dxyz]+'?\s*$", re.MULTILINE)
_CELL = re.compile(rb"^(_cell_(?:length|angle)_\w+\s+)\S+", re.MULTILINE)
_GROUP = re.compile(rb"^(_s(?:pace_group|ymmetry)_(?:name|space_group_name|IT)\S*\s+).*$", re.M)

_STRANGE_NUMBERS = (
    b"1e308", b"-1e308", b"1e999", b"99999999999999999999999999", b"1e-320", b"-0", b"0", b"nan",
    b"NaN", b"inf", b"-inf", b"Infinity", b"?", b".", b"''", b"1.2.3", b"1(2)(3)", b"0x10", b"1,5",
    b"1e", b"+-1", b"1_000", b"(5)", b"\xd9\xa3", b"1/3", b"4.0000001", b"-3.9999",
)  # fmt: skip
_STRANGE_OPERATIONS = (
    b"x,x,x", b"2x,y,z", b"x+1/7,y,z", b"x/0,y,z", b"x,y", b"x,y,z,t", b",,", b"-x,-y,-z+1e9",
    b"999999999999999999999x,y,z", b"x*y,z,1", b"x+y+z,y,z", b"0,0,0", b"x,y,z+1/99999999999",
    b"'x,y,z", b"x,y,z;rm", b"1/2+X,Y,Z", b"x-y,x,z+1/6", b"z,x,-y+1/4", b"a,b,c", b"y,z,x+.25",
    b"x+1/1000,y,z", b"-x+y,y,-z", b"x+0.33333,y,z", b"\xe2\x88\x92x,y,z", b"x" * 5000,
)  # fmt: skip
_STRANGE_LENGTHS = (
    b"0", b"-5", b"1e-9", b"0.001", b"0.5", b"180", b"179.999", b"360", b"1e6", b"9999", b"10001",
    b"59.9", b"1e200", b"nan", b"?", b"200",
)  # fmt: skip
_STRANGE_GROUPS = (
    b"'P 1'", b"'F d -3 m'", b"'R -3 m:R'", b"'I m a'", b"0", b"231", b"-1", b"1e3", b"'P 6/m m m'",
    b"?", b".", b"'P 1 21/n 1'", b"'X 9 9 9'", b"''", b"'" + b"P" * 10_000 + b"'", b"2.5",
)  # fmt: skip
_STRANGE_TEXT = (
    "\u202e", "\ufeff", "\u0000", "é", "日本", "𝒳", "\u2028", "\x85", "\x1a", "´", "\x7f",
    "²", "\u0301" * 50,
)  # fmt: skip


def _lines(content: bytes) -> list[bytes]:
    return content.split(b"\n")


def _replace_one(
    pattern: re.Pattern[bytes], content: bytes, rng: random.Random, new: Callable[[re.Match], bytes]
) -> bytes:
    """Replaces one match at random; leaves a text without any as it is."""
    found = list(pattern.finditer(content))
    if not found:
        return content
    match = rng.choice(found)
    return content[: match.start()] + new(match) + content[match.end() :]


def _insert(content: bytes, part: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + part + content[place:]


def flip_bytes(content: bytes, rng: random.Random) -> bytes:
    """Changes a few bytes to any others."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 20)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def change_digits(content: bytes, rng: random.Random) -> bytes:
    """Changes a few digits: misprints that leave the syntax whole."""
    for _ in range(rng.randint(1, 5)):
        digit = b"%d" % rng.randrange(10)
        content = _replace_one(re.compile(rb"\d"), content, rng, lambda _, d=digit: d)
    return content


def delete_lines(content: bytes, rng: random.Random) -> bytes:
    """Leaves out some lines."""
    share = rng.choice((0.02, 0.1, 0.5))
    return b"\n".join(line for line in _lines(content) if rng.random() >= share)


def duplicate_lines(content: bytes, rng: random.Random) -> bytes:
    """Writes one line many times."""
    lines = _lines(content)
    index = rng.randrange(len(lines))
    return b"\n".join([*lines[:index], *[lines[index]] * rng.choice((2, 3, 1000)), *lines[index:]])


def shuffle_lines(content: bytes, rng: random.Random) -> bytes:
    """Brings lines out of order."""
    lines = _lines(content)
    first = rng.randrange(len(lines))
    part = lines[first : first + rng.randint(2, 30)]
    rng.shuffle(part)
    return b"\n".join([*lines[:first], *part, *lines[first + len(part) :]])


def truncate(content: bytes, rng: random.Random) -> bytes:
    """Breaks off."""
    return content[: rng.randrange(len(content))]


def swap_columns(content: bytes, rng: random.Random) -> bytes:
    """Exchanges the names of two columns of the atoms."""
    tags = list(_SITE_TAG.finditer(content))
    if len(tags) < 2:
        return content
    one, other = sorted(rng.sample(tags, 2), key=lambda match: match.start())
    between = content[one.end() : other.start()]
    return content[: one.start()] + other[0] + between + one[0] + content[other.end() :]


def drop_column(content: bytes, rng: random.Random) -> bytes:
    """Leaves out the name of a column, or gives it one that means nothing."""
    return _replace_one(_SITE_TAG, content, rng, lambda _: rng.choice((b"", b"_atom_site_other")))


def strange_numbers(content: bytes, rng: random.Random) -> bytes:
    """Writes huge numbers, no numbers, infinities."""
    for _ in range(rng.randint(1, 4)):
        content = _replace_one(_NUMBER, content, rng, lambda _: rng.choice(_STRANGE_NUMBERS))
    return content


def strange_text(content: bytes, rng: random.Random) -> bytes:
    """Puts characters of other scripts and control characters anywhere."""
    for _ in range(rng.randint(1, 10)):
        content = _insert(content, rng.choice(_STRANGE_TEXT).encode(), rng)
    return content


def not_utf8(content: bytes, rng: random.Random) -> bytes:
    """Puts bytes anywhere that are no UTF-8."""
    for _ in range(rng.randint(1, 10)):
        content = _insert(content, bytes([rng.randrange(0x80, 0x100)]), rng)
    return content


def utf16(content: bytes, rng: random.Random) -> bytes:
    """Writes everything in two bytes a character."""
    return content.decode("latin-1").encode(rng.choice(("utf-16", "utf-16-le", "utf-16-be")))


def nul_bytes(content: bytes, rng: random.Random) -> bytes:
    """Puts NUL bytes anywhere."""
    for _ in range(rng.randint(1, 10)):
        content = _insert(content, bytes(rng.choice((1, 2, 1000))), rng)
    return content


def deep_loops(content: bytes, rng: random.Random) -> bytes:
    """Opens many loops, blocks or frames."""
    part = rng.choice((b"loop_\n", b"loop_\n_a\n", b"data_\n", b"save_x\n", b"stop_\n", b"[[{"))
    return _insert(content, part * rng.choice((2, 100, 20_000)), rng)


def quotes(content: bytes, rng: random.Random) -> bytes:
    """Opens quotations and text fields that do not end, one in another."""
    for _ in range(rng.randint(1, 10)):
        part = rng.choice((b"'", b'"', b"\n;\n", b"\n;", b"'''", b'"""', b"#", b" '\" ", b"\\\n"))
        content = _insert(content, part, rng)
    return content


def strange_operations(content: bytes, rng: random.Random) -> bytes:
    """Writes operations that are none, or that make no group."""
    for _ in range(rng.randint(1, 3)):
        operation = rng.choice(_STRANGE_OPERATIONS)
        content = _replace_one(_OPERATION, content, rng, lambda _, op=operation: b"'%s'" % op)
    return content


def many_operations(content: bytes, rng: random.Random) -> bytes:
    """Writes thousands of operations."""
    step = rng.choice((2, 24, 97, 4096))
    rows = (b"'x+%d/%d,y+%d/%d,z'" % (n % step, step, n // step, step) for n in range(3000))
    return _replace_one(_OPERATION, content, rng, lambda m: m[0] + b"\n" + b"\n".join(rows))


def many_sites(content: bytes, rng: random.Random) -> bytes:
    """Repeats the last atom thousands of times, where it is or elsewhere."""
    lines = content.rstrip().split(b"\n")
    count = rng.choice((10, 500, 5_001, 40_000))
    places = [b"%.5f" % rng.random() for _ in range(997)]
    elsewhere = rng.random() < 0.5
    words = lines[-1].split()
    numbers = [i for i, word in enumerate(words) if re.fullmatch(rb"-?\d*\.\d+", word)]
    for n in range(count):
        if elsewhere:
            for shift, index in enumerate(numbers[:3]):
                words[index] = places[(n * (shift + 1)) % 997]
        lines.append(b" ".join(words))
    return b"\n".join(lines)


def wrong_cell(content: bytes, rng: random.Random) -> bytes:
    """Gives axes and angles that make no cell, or one without the symmetry."""
    for _ in range(rng.randint(1, 3)):
        value = rng.choice(_STRANGE_LENGTHS)
        content = _replace_one(_CELL, content, rng, lambda match, v=value: match[1] + v)
    return content


def wrong_group(content: bytes, rng: random.Random) -> bytes:
    """Names another space group and leaves out the operations."""
    content = _OPERATION.sub(b"?", content) if rng.random() < 0.7 else content
    group = rng.choice(_STRANGE_GROUPS)
    return _replace_one(_GROUP, content, rng, lambda match: match[1] + group)


def enormous_token(content: bytes, rng: random.Random) -> bytes:
    """Puts one very long word somewhere."""
    part = rng.choice((b"x", b"9", b"_", b"(", b"'", b"-", b"1e")) * rng.choice((5_000, 1_000_000))
    return _replace_one(re.compile(rb"\S+"), content, rng, lambda _: part)


def many_blocks(content: bytes, rng: random.Random) -> bytes:
    """Writes the file several times in one, with the same name or without one."""
    return (content + b"\n") * rng.choice((2, 50)) + rng.choice((b"", b"data_\n_cell_length_a 3\n"))


def line_ends(content: bytes, rng: random.Random) -> bytes:
    """Ends lines in another way, or nowhere."""
    return content.replace(b"\n", rng.choice((b"\r\n", b"\r", b" ", b"\n\n\n", b"\t\n", b"\x0c")))


def noise(content: bytes, rng: random.Random) -> bytes:
    """Is no CIF at all."""
    kinds = (b"", b"\n", b"data_", b"\x1f\x8b\x08", b"<html>", rng.randbytes(len(content)))
    return rng.choice(kinds)


MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        flip_bytes, change_digits, delete_lines, duplicate_lines, shuffle_lines, truncate,
        swap_columns, drop_column, strange_numbers, strange_text, not_utf8, utf16, nul_bytes,
        deep_loops, quotes, strange_operations, many_operations, many_sites, wrong_cell,
        wrong_group, enormous_token, many_blocks, line_ends, noise,
    )
}  # fmt: skip
"""All mutations by name."""


def mutation_of(index: int) -> str:
    """Returns the name of the mutation of the mutant with that number; all have their turn."""
    names = list(MUTATIONS)
    return names[index % len(names)]


def mutant(originals: Sequence[bytes], index: int, seed: int) -> bytes:
    """Makes one broken CIF, always the same for the same index and seed.

    Args:
        originals: Real CIFs.
        index: Number of the mutant.
        seed: Of everything that its number does not decide.

    Returns:
        The file; a quarter of all are broken in a second way too.
    """
    rng = random.Random(f"{seed} {index}")
    content = MUTATIONS[mutation_of(index)](rng.choice(originals), rng)
    if content and rng.random() < 0.25:
        content = MUTATIONS[rng.choice(list(MUTATIONS))](content, rng)
    return content
