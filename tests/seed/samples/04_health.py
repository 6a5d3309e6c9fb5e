# Check system health
health = await manager.health_check()
print(f"Overall status: {health['overall_status']}")

# Check individual components
for component, status in health['components'].items():
    print(f"{component}: {status['status']}")
