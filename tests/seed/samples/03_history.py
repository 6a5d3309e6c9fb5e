from datetime import date, timedelta

# Get historical data
start_date = date.today() - timedelta(days=30)
end_date = date.today()

historical = await manager.get_historical_data(
    symbol="AAPL",
    start_date=start_date,
    end_date=end_date,
    interval="1d"
)

print(f"Retrieved {len(historical.data_points)} data points")
