import asyncio
import websockets
import json

async def market_data_client():
    uri = "ws://localhost:8765"
    
    async with websockets.connect(uri) as websocket:
        # Subscribe to symbols
        await websocket.send(json.dumps({
            "type": "subscribe",
            "symbols": ["AAPL", "GOOGL", "MSFT"]
        }))
        
        # Listen for updates
        while True:
            message = await websocket.recv()
            data = json.loads(message)
            
            if data["type"] == "market_data":
                print(f"{data['symbol']}: ${data['data']['current_price']}")

# Run the client
asyncio.run(market_data_client())
