"""Replicas: who lives, who owns which symbol, and what they tell each other."""

from tickloom.cluster.bus import Bus
from tickloom.cluster.members import Members
from tickloom.cluster.ownership import View
from tickloom.cluster.replicas import Replicas
from tickloom.cluster.wishes import Wishes

__all__ = ["Bus", "Members", "Replicas", "View", "Wishes"]
