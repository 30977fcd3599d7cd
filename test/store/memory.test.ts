import { memoryStore } from "../../src/store/index.ts";
import { storeContract } from "../contract/store.ts";

storeContract("memory", async () => ({ store: memoryStore(), async [Symbol.asyncDispose]() {} }));
