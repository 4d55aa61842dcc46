"""The table: each module has the rows of one topic."""

from parity.cases import answers, contexts, failures, headers, routes, sockets, streams

CASES = [
    case
    for topic in (answers, failures, streams, sockets, routes, headers, contexts)
    for case in topic.CASES
]
