"""Rows of goals.py about large files: a rollback beside the peers by hand, and a restore over the last version."""
import compare_data
import lab


def rollback(bench):
    """A rollback of large files."""


def over(bench):
    """A restore over the last version."""
