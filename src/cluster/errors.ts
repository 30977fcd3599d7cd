import { ImgvolError } from "../base/index.ts";

export type ClusterCode =
  | "name-invalid"
  | "not-supported"
  | "not-root"
  /** A version of Kubernetes that there is not, or that cannot do what is asked. */
  | "version-unsupported"
  /** A program that is needed is neither given, nor on the PATH, nor can be built. */
  | "program-missing"
  | "build-failed"
  | "cluster-up"
  /** A state that is damaged, another user's, or a copy. */
  | "cluster-unknown"
  /** A file where the node, in its namespaces, has files of its own. */
  | "path-hidden"
  /** A folder whose path the node's programs cannot take. */
  | "path-unusable"
  /** A part of the cluster ended, or did not come up. */
  | "cluster-failed"
  | "cluster-stuck"
  | "no-engine";

/** Errors of making, asking and ending a cluster. */
export class ClusterError extends ImgvolError<ClusterCode> {}
