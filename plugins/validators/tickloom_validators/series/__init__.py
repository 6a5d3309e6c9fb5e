"""Checks of the bars of one symbol together, with its splits and dividends."""
