/** The release of Kubernetes that a native cluster is of. */
export const KUBERNETES = "1.36.3";
/** Its minor version, of which other providers take the patch that they have. */
export const MINOR: string = KUBERNETES.slice(0, KUBERNETES.lastIndexOf("."));
