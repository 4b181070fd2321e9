"""What a call asks of SQLite: its statements, their plans, and the steps of SQLite's virtual machine."""

import re
from contextlib import contextmanager

# "SCAN t" reads a whole table or index; "SEARCH t USING ..." goes where it wants to be.
SCAN = re.compile(r"^SCAN (?!CONSTANT ROW|json_each)(\S+)")
PLANNED = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|REPLACE)\b", re.IGNORECASE)


@contextmanager
def statements_of(store):
    """Collect the statements that a store runs, with their values."""
    found = []
    store._connection.set_trace_callback(found.append)
    try:
        yield found
    finally:
        store._connection.set_trace_callback(None)


@contextmanager
def steps_of(store):
    """Count steps of the virtual machine: a list whose only item is the number so far."""
    steps = [0]

    def step():
        steps[0] += 1

    store._connection.set_progress_handler(step, 1)
    try:
        yield steps
    finally:
        store._connection.set_progress_handler(None, 0)


def scans_of(store, statements):
    """{statement: tables that it scans}, of the statements that scan any.

    The own rows of a recursive query do not count. A scan that stops at a LIMIT before it has to sort does not either.
    """
    found = {}
    for statement in dict.fromkeys(statements):
        if not PLANNED.match(statement):
            continue
        own = re.findall(r"(?:RECURSIVE|,)\s*(\w+)\s*\(\w+\)\s*AS", statement)
        details = [row[3] for row in store._connection.execute("EXPLAIN QUERY PLAN " + statement)]
        if "LIMIT" in statement and not any("TEMP B-TREE" in detail for detail in details):
            continue
        scanned = [match[1] for match in map(SCAN.match, details) if match and match[1] not in own]
        if scanned:
            found[statement] = scanned
    return found
