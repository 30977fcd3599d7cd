import type { Resource } from "./ask.ts";
import { deleteBlob, getBlob } from "./blobs.ts";
import { listRepositories, version } from "./catalog.ts";
import { deleteManifest, getManifest, putManifest } from "./manifests.ts";
import { listReferrers } from "./referrers.ts";
import { listTags } from "./tags.ts";
import { beginUpload, cancelUpload, continueUpload, finishUpload, uploadStatus } from "./uploads.ts";

export interface Route {
  /** For measures: a word for all that the row takes, and none of what clients write. */
  readonly name: string;
  /** The path: first the repository's name, then the reference. */
  readonly path: RegExp;
  readonly methods: Readonly<Record<string, Resource>>;
}

/** distribution-spec, "Endpoints". The first row that fits is taken; HEAD is GET without the body. */
export const ROUTES: readonly Route[] = [
  { name: "base", path: /^\/v2\/?$/, methods: { GET: version } },
  { name: "catalog", path: /^\/v2\/_catalog$/, methods: { GET: listRepositories } },
  { name: "tags", path: /^\/v2\/(.+)\/tags\/list$/, methods: { GET: listTags } },
  {
    name: "manifest",
    path: /^\/v2\/(.+)\/manifests\/([^/]*)$/,
    methods: { GET: getManifest, PUT: putManifest, DELETE: deleteManifest },
  },
  { name: "uploads", path: /^\/v2\/(.+)\/blobs\/uploads\/?$/, methods: { POST: beginUpload } },
  {
    name: "upload",
    path: /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/,
    methods: { GET: uploadStatus, PATCH: continueUpload, PUT: finishUpload, DELETE: cancelUpload },
  },
  { name: "blob", path: /^\/v2\/(.+)\/blobs\/([^/]*)$/, methods: { GET: getBlob, DELETE: deleteBlob } },
  { name: "referrers", path: /^\/v2\/(.+)\/referrers\/([^/]*)$/, methods: { GET: listReferrers } },
];

/**
 * The word for a request's path; undefined where no row fits. The path is taken as it was sent: some clients encode a digest's
 * colon, and the rows look at nothing that may be encoded.
 */
export function routeName(path: string): string | undefined {
  return ROUTES.find((route) => route.path.test(path))?.name;
}
