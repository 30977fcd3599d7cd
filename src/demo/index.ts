export type { ServiceTelemetry } from "./arrived.ts";
export { type AppName, parseApp } from "./choose-app.ts";
export { type ClusterDemoOptions, runClusterDemo } from "./cluster-demo.ts";
export { imgvolSources } from "./dashboard-root.ts";
export { type Demo, type DemoOptions, type DemoResult, runDemo } from "./demo.ts";
export { type DemoCode, DemoError } from "./errors.ts";
export type { DemoEvents } from "./events.ts";
export type { AgentImage } from "./image.ts";
export { renderDemo } from "./summary.ts";
