"""Judges every quote before anybody sees it, and series of bars before they are served.

What goes no further is kept in quarantine until somebody decides; what is told becomes events; how
providers do becomes scores.
"""

from tickloom.quality.books import Books
from tickloom.quality.comparing import Comparer
from tickloom.quality.comparison import Comparison
from tickloom.quality.desk import QualityDesk
from tickloom.quality.gate import SeriesGate
from tickloom.quality.inspector import RELEASED, Inspector
from tickloom.quality.judging import Judge
from tickloom.quality.keeper import Keeper
from tickloom.quality.quarantine import EventPage, HeldPage, Quarantine, page_of, refuse_nul
from tickloom.quality.scores import Scores
from tickloom.quality.series import SeriesInspector

__all__ = [
    "RELEASED",
    "Books",
    "Comparer",
    "Comparison",
    "EventPage",
    "HeldPage",
    "Inspector",
    "Judge",
    "Keeper",
    "QualityDesk",
    "Quarantine",
    "Scores",
    "SeriesGate",
    "SeriesInspector",
    "page_of",
    "refuse_nul",
]
