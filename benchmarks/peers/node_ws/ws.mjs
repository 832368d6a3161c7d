// Broadcast with `ws`: a Redis subscription in the server, and per channel the sockets that want it.
import { createClient } from "redis";
import { WebSocketServer } from "ws";

const [port, redisUrl] = process.argv.slice(2);
const members = new Map();
const redis = createClient({ url: redisUrl });
await redis.connect();
await redis.pSubscribe("s*", (message, channel) => {
  for (const socket of members.get(channel) ?? []) socket.send(message);
});

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(port), backlog: 4096 });
server.on("connection", (socket, request) => {
  const channels = (new URL(request.url, "ws://host").searchParams.get("channels") ?? "").split(",");
  for (const channel of channels) {
    if (!members.has(channel)) members.set(channel, new Set());
    members.get(channel).add(socket);
  }
  socket.on("error", () => {});
  socket.on("close", () => channels.forEach((channel) => members.get(channel).delete(socket)));
});
