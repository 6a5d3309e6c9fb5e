// A server of Node's ws: prints its port, then sends as it is told, one JSON object a line.
const { createInterface } = require("node:readline");
const { WebSocketServer } = require("ws");

const payload = "x".repeat(Number(process.argv[2]));
const say = (message) => console.log(JSON.stringify(message));
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false }, () =>
  say({ port: server.address().port }),
);
const rest = (ms) => new Promise((done) => (ms ? setTimeout(done, ms) : setImmediate(done)));

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { messages, burst } = JSON.parse(line);
    for (let turn = 0; turn < messages / burst; turn++) {
      for (let one = 0; one < burst; one++) {
        // As its documentation broadcasts: the frame is made for each client.
        for (const client of server.clients) client.send(payload);
      }
      await rest(0);
      if (turn % 10 === 0) await rest(burst);
    }
    say({ sent: messages });
  })
  .on("close", () => process.exit(0));
