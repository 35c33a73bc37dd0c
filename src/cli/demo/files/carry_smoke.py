"""The smoke test."""

from strategy import best

assert best({"AUD": 4.1, "JPY": 0.5, "CHF": 0.2}) == "AUD"
print("best carry: AUD")
