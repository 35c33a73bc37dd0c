"""The smoke test."""

from strategy import spread

assert abs(spread(102, 100) - 0.02) < 1e-9
print("spread: 2.0 %")
