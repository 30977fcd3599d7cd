import { ImgvolError } from "../base/index.ts";

export type DemoCode =
  | "app-unknown"
  | "app-failed"
  | "build-failed"
  | "example-missing"
  | "java-missing"
  | "telemetry-missing";

/** What keeps the demo from its end. */
export class DemoError extends ImgvolError<DemoCode> {}
