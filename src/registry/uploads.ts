import type { HttpResponse } from "../base/index.ts";
import type { Digest } from "../oci/index.ts";
import { type Ask, digestIn } from "./ask.ts";
import { mounted } from "./mount.ts";
import { append, finish } from "./receive.ts";
import type { Session } from "./sessions.ts";

/**
 * POST /v2/NAME/blobs/uploads/: begins an upload, takes a whole blob (`?digest=`), or mounts one (`?mount=`)
 * (distribution-spec, "Pushing blobs").
 */
export async function beginUpload(ask: Ask): Promise<HttpResponse> {
  const { query } = ask.request;
  const mount = query.get("mount");
  if (mount !== null && (await mounted(ask, digestIn(mount), query.get("from")))) {
    return created(ask.name, digestIn(mount));
  }
  const digest = mount === null ? query.get("digest") : null;
  if (digest === null) return progress(202, await ask.sessions.begin(ask.name, ask.call));
  return await wholeUpload(ask, digestIn(digest));
}

async function wholeUpload(ask: Ask, digest: Digest): Promise<HttpResponse> {
  const { sessions, name } = ask;
  const { id } = await sessions.begin(name, ask.call);
  try {
    await sessions.use(name, id, (session) => finish(session, digest, ask, {}));
  } finally {
    // Its client was told of no place to go on.
    await sessions.drop(id);
  }
  return created(name, digest);
}

/** GET /v2/NAME/blobs/uploads/ID: how far it is. */
export async function uploadStatus({ sessions, name, reference }: Ask): Promise<HttpResponse> {
  return await sessions.use(name, reference, async (session) => progress(204, session));
}

/** PATCH /v2/NAME/blobs/uploads/ID: the next chunk, or all of it as a stream. */
export async function continueUpload(ask: Ask): Promise<HttpResponse> {
  return await ask.sessions.use(ask.name, ask.reference, async (session) => {
    await append(session, ask, standing(session));
    return progress(202, session);
  });
}

/** PUT /v2/NAME/blobs/uploads/ID?digest=: the last bytes, if any, and what the whole must be. */
export async function finishUpload(ask: Ask): Promise<HttpResponse> {
  const digest = digestIn(ask.request.query.get("digest") ?? "");
  return await ask.sessions.use(ask.name, ask.reference, async (session) => {
    await finish(session, digest, ask, standing(session));
    return created(ask.name, digest);
  });
}

/** DELETE /v2/NAME/blobs/uploads/ID: forgets what came so far. */
export async function cancelUpload({ sessions, name, reference }: Ask): Promise<HttpResponse> {
  return await sessions.use(name, reference, async (session) => {
    await sessions.drop(session.id);
    return { status: 204, headers: {} };
  });
}

function created(name: string, digest: Digest): HttpResponse {
  return {
    status: 201,
    headers: { location: `/v2/${name}/blobs/${digest}`, "docker-content-digest": digest },
  };
}

function progress(status: number, session: Session): HttpResponse {
  return { status, headers: standing(session) };
}

function standing({ id, name, spool }: Session): Readonly<Record<string, string>> {
  return {
    location: `/v2/${name}/blobs/uploads/${id}`,
    // The spec has no way to say "nothing yet" but the range of one byte.
    range: `0-${Math.max(spool.size - 1, 0)}`,
    "docker-upload-uuid": id,
  };
}
