# Get system statistics
stats = manager.get_system_stats()

print(f"Requests: {stats['requests']}")
print(f"Errors: {stats['errors']}")
print(f"Cache hit rate: {stats['cache']['hit_rate']:.2%}")
