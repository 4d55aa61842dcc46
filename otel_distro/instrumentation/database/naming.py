"""What a statement does and to which table: the few words that name its spans and measurements."""

from collections.abc import Iterable
from typing import Final

from otel_distro.instrumentation.database.sql import Token

NO_TABLE: Final = "<none>"
OTHER: Final = "<other>"

# A first word that is none of these is no operation: a typing error must not make a time series.
_WITH_TABLES: Final = frozenset(
    {
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "MERGE",
        "REPLACE",
        "UPSERT",
        "WITH",
        "EXPLAIN",
        "DECLARE",
        "CREATE",
        "DROP",
        "ALTER",
        "TRUNCATE",
        "COPY",
        "LOCK",
        "ANALYZE",
        "VACUUM",
    }
)
_WITHOUT_TABLES: Final = frozenset(
    {
        "ABORT",
        "ATTACH",
        "BEGIN",
        "CALL",
        "CHECKPOINT",
        "CLOSE",
        "CLUSTER",
        "COMMENT",
        "COMMIT",
        "DEALLOCATE",
        "DESC",
        "DESCRIBE",
        "DETACH",
        "DISCARD",
        "DO",
        "END",
        "EXEC",
        "EXECUTE",
        "FETCH",
        "FLUSH",
        "GRANT",
        "KILL",
        "LISTEN",
        "LOAD",
        "MOVE",
        "NOTIFY",
        "OPTIMIZE",
        "PRAGMA",
        "PREPARE",
        "REFRESH",
        "REINDEX",
        "RELEASE",
        "RENAME",
        "RESET",
        "REVOKE",
        "ROLLBACK",
        "SAVEPOINT",
        "SET",
        "SHOW",
        "START",
        "TABLE",
        "UNLISTEN",
        "USE",
        "VALUES",
    }
)
_MAIN: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"})
_NAMED_NEXT: Final = frozenset({"TRUNCATE", "COPY", "LOCK", "ANALYZE", "VACUUM"})
# UPDATE is no verb after these: FOR UPDATE, ON UPDATE CASCADE, DO UPDATE SET, …
_NO_VERB_AFTER: Final = frozenset({"FOR", "ON", "DO", "KEY", "THEN", "OF"})
_BETWEEN: Final = frozenset(
    {
        "ONLY",
        "IF",
        "NOT",
        "EXISTS",
        "LATERAL",
        "TABLE",
        "OR",
        "REPLACE",
        "IGNORE",
        "ROLLBACK",
        "ABORT",
        "FAIL",
        "LOW_PRIORITY",
        "HIGH_PRIORITY",
        "DELAYED",
        "QUICK",
        "FULL",
        "FREEZE",
        "VERBOSE",
        "CONCURRENTLY",
        "TABLES",
    }
)
_NO_NAMES: Final = frozenset({"ON", "OF", "SET", "SELECT", "VALUES", "WHERE"})


def name_of(pieces: Iterable[tuple[Token, str]]) -> tuple[str, str]:
    """Return a statement's operation, in capitals, and its first table as it is written.

    Common table expressions are looked through. `<none>` where there is no table, `<other>` for
    what begins with no word of SQL.
    """
    reader = _Reader([piece for piece in pieces if piece[0] not in {Token.SPACE, Token.COMMENT}])
    return reader.operation(), reader.table()


class _Reader:
    def __init__(self, pieces: list[tuple[Token, str]]) -> None:
        self._pieces = pieces
        self._words = [
            text.upper() if kind in {Token.WORD, Token.SYMBOL} else "" for kind, text in pieces
        ]
        self._start = next((at for at, word in enumerate(self._words) if word not in "(;"), 0)
        self._first = self._words[self._start] if self._words else ""
        self._expressions: set[str] = set()
        self._main = self._start if self._first != "WITH" else self._skip_expressions()

    def operation(self) -> str:
        first = self._words[self._main] if self._main < len(self._words) else self._first
        return first if first in _WITH_TABLES or first in _WITHOUT_TABLES else OTHER

    def table(self) -> str:
        operation = self.operation()
        if operation not in _WITH_TABLES:
            return NO_TABLE
        found = self._table_between(self._main, len(self._words), operation)
        if found is None and self._main > self._start:
            found = self._table_between(self._start, self._main, operation)
        return found or NO_TABLE

    def _skip_expressions(self) -> int:
        """Return where the statement after WITH begins; remember the names it defines."""
        depth, name_next = 0, True
        for at in range(self._start + 1, len(self._words)):
            word = self._words[at]
            depth += (word == "(") - (word == ")")
            if depth or word in {")", "RECURSIVE"}:
                continue
            if word in _MAIN:
                return at
            if name_next:
                self._expressions.add(_unquoted(self._pieces[at]).lower())
            name_next = word == ","
        return len(self._words)

    def _table_between(self, start: int, end: int, operation: str) -> str | None:
        # For each open parenthesis, whether a query is in it: EXTRACT(YEAR FROM x) has none.
        queries = [True]
        for at in range(start, end):
            word = self._words[at]
            if word == "(":
                queries.append(False)
            elif word == ")" and len(queries) > 1:
                queries.pop()
            elif word in {"SELECT", "DELETE"}:
                queries[-1] = True
            elif word == ";":
                return None
            elif self._introduces_table(at, word, operation, in_query=queries[-1]):
                name = self._name_after(at, may_be_function=word in {"FROM", "JOIN"})
                if name is not None and name.lower() not in self._expressions:
                    return name
        return None

    def _introduces_table(self, at: int, word: str, operation: str, *, in_query: bool) -> bool:
        before = self._words[at - 1] if at else ""
        match word:
            case "FROM":
                return in_query and before != "DISTINCT"
            case "JOIN" | "INTO":
                return True
            case "UPDATE":
                return before not in _NO_VERB_AFTER
            case "TABLE":
                return operation in {"CREATE", "DROP", "ALTER", "LOCK", "TRUNCATE"}
            case "ON":
                return operation == "CREATE" and "INDEX" in self._words[self._main : at]
        return word in _NAMED_NEXT and word == operation and at == self._main

    def _name_after(self, at: int, *, may_be_function: bool) -> str | None:
        at += 1
        while at < len(self._words) and self._words[at] in _BETWEEN:
            at += 1
        parts: list[str] = []
        while at < len(self._pieces) and self._pieces[at][0] in {Token.WORD, Token.NAME}:
            parts.append(_unquoted(self._pieces[at]))
            at += 1
            if at >= len(self._pieces) or self._pieces[at][1] != ".":
                break
            at += 1
        if (
            not parts
            or parts[0].upper() in _NO_NAMES
            or (may_be_function and self._words[at : at + 1] == ["("])
        ):
            return None
        return ".".join(parts)


def _unquoted(piece: tuple[Token, str]) -> str:
    kind, text = piece
    if kind is not Token.NAME:
        return text
    quote = text[-1]
    return text[1:-1].replace(quote * 2, quote)
