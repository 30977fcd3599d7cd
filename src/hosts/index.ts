export {
  checkRegistry,
  defaultEndpoint,
  type Endpoint,
  type HostCapability,
  type HostsProvider,
  HUB,
  isHub,
  isPlain,
} from "./endpoint.ts";
export { certificateHint, httpsHint, protocolHint, type Reached } from "./hint.ts";
export { configuredHosts, hostsFolders, withoutMirrors } from "./hosts.ts";
