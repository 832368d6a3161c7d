// Broadcast with Socket.IO: a Redis subscription in the server, and a room per channel.
import { createServer } from "node:http";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, redisUrl] = process.argv.slice(2);
const http = createServer();
const io = new Server(http, { serveClient: false });
io.on("connection", (socket) => socket.join((socket.handshake.query.channels ?? "").split(",")));

const redis = createClient({ url: redisUrl });
await redis.connect();
await redis.pSubscribe("s*", (message, channel) => io.to(channel).emit("update", JSON.parse(message)));
http.listen({ host: "127.0.0.1", port: Number(port), backlog: 4096 });
