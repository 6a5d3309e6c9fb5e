"""REST, WebSocket and Server-Sent Events. No business rules: the manager has them."""
