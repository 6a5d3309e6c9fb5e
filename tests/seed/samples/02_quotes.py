# Get a single quote
quote = await manager.get_quote("AAPL")
print(f"AAPL: ${quote.current_price}")

# Get multiple quotes
quotes = await manager.get_multiple_quotes(["AAPL", "GOOGL", "MSFT"])
for quote in quotes:
    print(f"{quote.symbol}: ${quote.current_price}")
