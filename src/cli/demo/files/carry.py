"""Carry: hold what pays the most interest."""


def best(rates):
    return max(rates, key=rates.get)
