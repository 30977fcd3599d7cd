// What `npm run build` asks first. Plain JavaScript: before `npm ci` this runs on whatever Node.js the machine has, which may
// read no TypeScript; after it on the one that the repository brings.
"use strict";
try {
  require.resolve("typescript/package.json");
} catch {
  console.error(
    `error: what builds imgvol is not installed: ${process.cwd()} has no node_modules/typescript`,
  );
  console.error("hint: run `npm ci --include=dev` there first");
  process.exit(1);
}
try {
  const { accessSync, constants } = require("node:fs");
  accessSync(process.cwd(), constants.W_OK);
} catch {
  console.error(`error: ${process.cwd()} is not yours to write to, and what is built goes to its dist/`);
  console.error("hint: build it as its owner, or in a clone of your own");
  process.exit(1);
}
