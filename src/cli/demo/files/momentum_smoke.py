"""The smoke test: on the recorded prices, no loss above 10 %."""

import sqlite3

from strategy import worst_drawdown

config = dict(line.split(": ") for line in open("config.yaml").read().splitlines() if ": " in line)
market = sqlite3.connect("file:market.sqlite?mode=ro", uri=True)
closes = [close for (close,) in market.execute("SELECT close FROM prices WHERE symbol = 0 ORDER BY day")]
drawdown = worst_drawdown(closes, int(config["max_leverage"]))
assert len(closes) == 250, f"{len(closes)} days instead of 250"
assert drawdown < 0.10, f"drawdown {drawdown:.1%}, allowed is 10 %"
print(f"250 days, worst drawdown {drawdown:.1%}")
