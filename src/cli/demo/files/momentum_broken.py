"""Momentum: follow the trend, enter faster."""

from entry_filter import wanted

STOP_LOSS = 0.80


def worst_drawdown(closes, leverage):
    """The largest loss from a peak, as a share of that peak."""
    value = peak = 1.0
    worst = 0.0
    for before, after in zip(closes, closes[1:]):
        if wanted(before, after):
            value *= 1 + leverage * (after / before - 1)
        peak = max(peak, value)
        worst = max(worst, 1 - value / peak)
    return worst
