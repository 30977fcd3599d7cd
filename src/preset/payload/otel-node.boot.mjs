// Switches on OpenTelemetry: NODE_OPTIONS="--import <mount path>/boot.mjs". The paths inside the packages move
// between releases, so packages are named, and Node.js finds their files by what each says it exports.
import { createRequire, register } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(import.meta.url);

// For applications of ES modules: their imports go through this hook.
register(pathToFileURL(require.resolve("@opentelemetry/instrumentation/hook.mjs")));

// For CommonJS; this also starts the SDK.
require("@opentelemetry/auto-instrumentations-node/register");
