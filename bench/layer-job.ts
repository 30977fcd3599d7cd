// One job of layer.ts: FORMAT[-LEVEL] FOLDER OUT. Says the peak of its memory in MB.
import { open } from "node:fs/promises";
import { quietCall } from "../src/base/index.ts";
import type { LayerFormat } from "../src/codec/index.ts";
import { memoryMedium, verified } from "../src/store/index.ts";
import { folderTree, writeLayer } from "../src/tree/index.ts";

const [format = "auto", folder = ".", out = "/dev/null"] = process.argv.slice(2);
const [compression = "auto", level] = format.split("-");

/** A store of one file: what a layout does for a layer, without waiting for the disk. */
const store = verified({
  ...memoryMedium("file"),
  async write(content, call) {
    const file = await open(out, "w");
    for await (const chunk of content.source.open(0, call)) await file.write(chunk);
    await file.close();
    content.seal();
  },
});
const how = { compression, ...(level ? { level: Number(level) } : {}) } as LayerFormat;
await writeLayer(store, folderTree(folder), how, quietCall());
console.log(process.resourceUsage().maxRSS / 1000);
