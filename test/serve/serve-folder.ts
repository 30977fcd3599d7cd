// A registry over the folder named by the first argument, for tests that end it hard. Prints its port.
import { quietCall } from "../../src/base/index.ts";
import { startRegistry } from "../../src/serve/index.ts";

const [, , dir = ""] = process.argv;
const registry = await startRegistry({ host: "127.0.0.1", port: 0, dir }, quietCall());
console.log(registry.port);
