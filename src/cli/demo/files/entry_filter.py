"""Which days to trade: all of them, for now."""


def wanted(_before, _after):
    return True
