from tickloom.config import DataProvider, config

# Set primary provider
config.primary_provider = DataProvider.YAHOO_FINANCE

# Set fallback providers
config.fallback_providers = [DataProvider.IEX_CLOUD, DataProvider.ALPHA_VANTAGE]

# Configure rate limits
config.yahoo_finance_rate_limit = 2000  # requests per minute
config.alpha_vantage_rate_limit = 5     # requests per minute
config.iex_cloud_rate_limit = 100       # requests per minute

# Cache TTL settings (seconds)
config.quote_cache_ttl = 60          # 1 minute for quotes
config.historical_cache_ttl = 3600   # 1 hour for historical data
config.company_info_cache_ttl = 86400 # 24 hours for company info

# WebSocket server settings
config.websocket_host = "localhost"
config.websocket_port = 8765

# Update intervals
config.real_time_update_interval = 1  # seconds
config.batch_update_interval = 30     # seconds
