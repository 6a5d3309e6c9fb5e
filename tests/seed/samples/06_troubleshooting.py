# Check provider status
status = manager.get_provider_status()
for provider, info in status.items():
    if not info['healthy']:
        print(f"Provider {provider} is unhealthy: {info}")

# Check cache connectivity
cache_healthy = await manager.cache_manager.redis_cache.health_check()
if not cache_healthy:
    print("Redis cache is not accessible")

# Get cache statistics
cache_stats = await manager.cache_manager.get_detailed_stats()
print(f"Cache hit rate: {cache_stats['manager']['performance']['hit_rate']:.2%}")

# Check WebSocket server status
streaming_stats = manager.stream_manager.get_streaming_stats()
print(f"Active connections: {streaming_stats['websocket_stats']['connected_clients']}")
print(f"Streaming status: {streaming_stats['streaming']}")
