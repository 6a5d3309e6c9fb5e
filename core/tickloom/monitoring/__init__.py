"""How the server is: health, statistics, logs."""
