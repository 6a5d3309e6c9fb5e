from tickloom import MarketDataManager

# Initialize the manager
manager = MarketDataManager()
await manager.initialize()

# Start real-time streaming (optional)
await manager.start_streaming()
