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
