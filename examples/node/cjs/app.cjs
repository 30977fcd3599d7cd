"use strict";

const express = require("express");

const app = express();

app.get("/hello/:name", (request, response) => {
  console.log(`saying hello to ${request.params.name}`);
  response.type("text/plain").send(`Hello, ${request.params.name}!\n`);
});

const server = app.listen(Number(process.env.PORT ?? 8080), process.env.HOST ?? "127.0.0.1", (error) => {
  if (error) throw error;
  const { address, port } = server.address();
  console.log(`listening on http://${address}:${port}`);
});

process.on("SIGTERM", () => server.close());
