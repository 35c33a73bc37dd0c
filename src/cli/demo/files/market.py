"""Writes the market database: 250 days of 400 symbols; the argument is a factor on every price."""

import sqlite3
import sys

factor = float(sys.argv[1])
state = 1


def random():
    global state
    state = (state * 1103515245 + 12345) % 2**31
    return state / 2**31


def rows():
    for symbol in range(400):
        close = 100.0 * factor
        for day in range(250):
            # Symbol 0 rises for 200 days and then falls.
            close *= (1.004 if day < 200 else 0.985) if symbol == 0 else 0.99 + 0.02 * random()
            yield day, symbol, close, int(1e9 * random())


market = sqlite3.connect("market.sqlite")
market.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; DROP TABLE IF EXISTS prices;")
market.execute("CREATE TABLE prices (day INTEGER, symbol INTEGER, close REAL, volume INTEGER)")
market.executemany("INSERT INTO prices VALUES (?, ?, ?, ?)", rows())
market.commit()
