import { Network, quietCall } from "../../src/base/index.ts";
import { openRemote } from "../../src/remote/remote.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { storeContract } from "../contract/store.ts";

storeContract("remote", async () => {
  const registry = await startRegistry({ host: "127.0.0.1", port: 0 }, quietCall());
  const network = new Network({ env: {} });
  const place = { registry: `127.0.0.1:${registry.port}`, repository: "team/volume" };
  return {
    store: openRemote(place, { network }),
    async [Symbol.asyncDispose]() {
      network[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
});
