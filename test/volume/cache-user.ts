// A process that wants a volume: node cache-user.ts NAME REFERENCE CACHE. It prints a file of it, "f", as the volume has it.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { quietCall } from "../../src/base/index.ts";
import { openStore } from "../../src/copy/index.ts";
import { parseReference } from "../../src/oci/index.ts";
import { openCache } from "../../src/volume/index.ts";

const [userAgent = "", reference = "", folder = ""] = process.argv.slice(2);
const call = quietCall();
await using store = await openStore(parseReference(reference), { remote: { userAgent } }, call);
const cache = await openCache(folder);
await using volume = await cache.volume(store, "v", {}, call);
process.stdout.write(await readFile(join(volume.root, "f"), "utf8"));
