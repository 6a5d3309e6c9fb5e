"""What replicas tell each other about quotes."""

from tickloom.relay.cluster import Cluster
from tickloom.relay.relay import Relay

__all__ = ["Cluster", "Relay"]
