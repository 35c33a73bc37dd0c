"""Momentum: follow the trend, leave when the loss is too large."""

STOP_LOSS = 0.08


def worst_drawdown(closes, leverage):
    """The largest loss from a peak, as a share of that peak."""
    value = peak = 1.0
    worst = 0.0
    invested = True
    for before, after in zip(closes, closes[1:]):
        if invested:
            value *= 1 + leverage * (after / before - 1)
        peak = max(peak, value)
        worst = max(worst, 1 - value / peak)
        if 1 - value / peak > STOP_LOSS:
            invested = False
    return worst
