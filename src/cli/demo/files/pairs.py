"""Pairs: sell what is dear against its twin."""


def spread(left, right):
    return left / right - 1
