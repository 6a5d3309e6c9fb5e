const ws = new WebSocket('ws://localhost:8765');

// Subscribe to symbols
ws.onopen = function() {
    ws.send(JSON.stringify({
        type: 'subscribe',
        symbols: ['AAPL', 'GOOGL', 'MSFT']
    }));
};

// Handle market data
ws.onmessage = function(event) {
    const message = JSON.parse(event.data);
    
    if (message.type === 'market_data') {
        console.log(`${message.symbol}: $${message.data.current_price}`);
    }
};
