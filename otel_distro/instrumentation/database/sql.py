r"""Reads SQL into tokens, by the quoting rules of the database it is for, and masks literals.

What matters here is that no literal is mistaken for a name, and that depends on the database:
`'C:\'` is a whole literal in Postgres and the beginning of one in MySQL. sqlparse has one set of
rules for all, and shows values that come after `'C:\'`; sqlglot raises for `($1,$2)`, which users
of asyncpg write, and takes half a second to import. Both are slower.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from functools import lru_cache
from typing import Final, NamedTuple

MASK: Final = "?"


class Token(Enum):
    """What a piece of SQL is."""

    WORD = auto()  # keyword or unquoted name
    NAME = auto()  # quoted name
    LITERAL = auto()
    PARAMETER = auto()
    COMMENT = auto()
    SPACE = auto()
    SYMBOL = auto()


class Syntax(NamedTuple):
    """How a database quotes.

    Attributes:
        backslash: Whether a backslash escapes in a string; None where that is not known.
        double_quotes: Whether `"x"` may be a string.
        brackets: Whether `[x]` is a name.
        dollar_quotes: Whether `$tag$…$tag$` is a string and `E'…'` has escapes.
        nested_comments: Whether a comment may hold comments.
        hash_comments: Whether `#` begins a comment.
    """

    backslash: bool | None = None
    double_quotes: bool = True
    brackets: bool = False
    dollar_quotes: bool = False
    nested_comments: bool = False
    hash_comments: bool = False


_POSTGRES: Final = Syntax(
    backslash=False, double_quotes=False, dollar_quotes=True, nested_comments=True
)
_MYSQL: Final = Syntax(backslash=True, hash_comments=True)
_UNKNOWN: Final = Syntax()
# By `db.system.name`.
_SYNTAX: Final = {
    "postgresql": _POSTGRES,
    "cockroachdb": _POSTGRES,
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "sqlite": Syntax(backslash=False, brackets=True),
    "microsoft.sql_server": Syntax(
        backslash=False, double_quotes=False, brackets=True, nested_comments=True
    ),
    "oracle.db": Syntax(backslash=False, double_quotes=False),
}


def syntax_of(system: str) -> Syntax:
    """Return how a database quotes, by its `db.system.name`."""
    return _SYNTAX.get(system, _UNKNOWN)


def tokens(text: str, syntax: Syntax) -> Iterator[tuple[Token, str]]:
    """Yield the pieces of `text`; joined, they are `text`. What is not closed is one to its end."""
    match = _pattern(syntax).match
    position, end = 0, len(text)
    while position < end:
        found = match(text, position)
        if found is None:  # no text is known to come here; what is not understood is no name
            yield Token.LITERAL, text[position:]
            return
        kind = Token[str(found.lastgroup)]
        after = found.end()
        if kind is Token.COMMENT and syntax.nested_comments and found[0].startswith("/*"):
            after = _end_of_nested(text, position)
        yield kind, text[position:after]
        position = after


def masked(pieces: list[tuple[Token, str]], syntax: Syntax) -> str:
    """Return the statement in one line, with `?` for each literal and without its comments."""
    words = [piece.upper() for kind, piece in pieces if kind is Token.WORD][:2]
    if words[:1] == ["SET"]:
        return "SET"  # its values need no quotes
    if words[:1] in (["ALTER"], ["CREATE"]) and words[1:] in (["USER"], ["ROLE"], ["LOGIN"]):
        return " ".join(words)  # neither do passwords
    parts: list[str] = []
    before = ""
    for index, (kind, piece) in enumerate(pieces):
        shown = piece
        if kind is Token.LITERAL:
            shown = MASK
        elif kind in {Token.SPACE, Token.COMMENT}:
            if parts and parts[-1] == " ":
                continue
            shown = " "
        elif kind is Token.NAME and syntax.double_quotes and piece.startswith('"'):
            after = _next_symbol(pieces, index)
            shown = piece if before in _BEFORE_NAMES or after == "." else MASK
        if shown.strip():
            before = piece.upper()
        parts.append(shown)
    return "".join(parts).strip()


def doubtful(pieces: list[tuple[Token, str]], syntax: Syntax) -> bool:
    """Whether literals could end elsewhere, if the database had other rules than we know."""
    if any(
        piece.upper() in {"Q", "NQ"} and pieces[index + 1 : index + 2][0][0] is Token.LITERAL
        for index, (kind, piece) in enumerate(pieces[:-1])
        if kind is Token.WORD
    ):
        return True  # Oracle's q'[it's]' ends where its own bracket does
    return syntax.backslash is None and any(
        "\\" in piece for kind, piece in pieces if kind in {Token.LITERAL, Token.NAME}
    )


# After these, `"x"` is a name, also where it may be a string.
_BEFORE_NAMES: Final = frozenset({"FROM", "JOIN", "INTO", "UPDATE", "TABLE", "EXISTS", "AS", "."})


def _next_symbol(pieces: list[tuple[Token, str]], index: int) -> str:
    following = (piece for kind, piece in pieces[index + 1 :] if kind is not Token.SPACE)
    return next(following, "")


def _end_of_nested(text: str, start: int) -> int:
    depth = 0
    for edge in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)


# All repetitions are possessive, and the end of the text closes everything: time is linear.
_PLAIN_STRING: Final = r"'(?:[^']|'')*+(?:'|\Z)"
_ESCAPED_STRING: Final = r"'(?:[^'\\]|''|\\(?:.|\Z))*+(?:'|\Z)"


@lru_cache(maxsize=16)
def _pattern(syntax: Syntax) -> re.Pattern[str]:
    literals = [_ESCAPED_STRING if syntax.backslash else _PLAIN_STRING]
    if syntax.dollar_quotes:
        literals.insert(0, r"[eE]" + _ESCAPED_STRING)
        literals.append(r"\$(?P<tag>(?:[^\W\d]\w*+)?)\$.*?(?:\$(?P=tag)\$|\Z)")
    # With all letters that follow: what is no number is no name either.
    literals.append(r"(?:\d\w*+(?:\.\w*+)?|\.\d\w*+)(?:(?<=[eE])[+-]\d++)?")
    names = [
        r'"(?:[^"\\]|""|\\(?:.|\Z))*+(?:"|\Z)' if syntax.backslash else r'"(?:[^"]|"")*+(?:"|\Z)',
        r"`(?:[^`]|``)*+(?:`|\Z)",
    ]
    if syntax.brackets:
        names.append(r"\[[^\]]*+(?:\]|\Z)")
    comments = [r"--[^\n]*+", r"/\*.*?(?:\*/|\Z)"]
    if syntax.hash_comments:
        comments.append(r"#[^\n]*+")
    groups = {
        Token.SPACE: [r"\s++"],
        Token.COMMENT: comments,
        Token.LITERAL: literals,
        Token.WORD: [r"[^\W\d][\w$]*+"],
        Token.NAME: names,
        Token.PARAMETER: [r"%\([^)']*+\)s", r"%s", r"\$\d++", r":[^\W\d]\w*+", r"@@?[^\W\d]\w*+"],
        Token.SYMBOL: [r"::", r"."],
    }
    return re.compile(
        "|".join(f"(?P<{kind.name}>{'|'.join(group)})" for kind, group in groups.items()),
        re.DOTALL,
    )
