import { setTimeout as sleep } from "node:timers/promises";
import type { Call } from "../base/index.ts";

/** Why a container waits, where that is for an image: a container's own, or a volume's. */
const REASONS: ReadonlySet<string> = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
]);

/** How often the kubelet may fail to pull an image: a registry that is busy for a moment is asked again after 10 s and 20 s. */
const PATIENCE = 40_000;

interface PodList {
  readonly items?: readonly {
    readonly status?: {
      readonly containerStatuses?: readonly {
        readonly image?: string;
        readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
      }[];
    };
  }[];
}

/** What a container of these pods waits for in vain at this moment: the sentence of the kubelet, with the image in it. */
function pullFailure(pods: unknown): string | undefined {
  for (const { status } of (pods as PodList).items ?? []) {
    for (const { image, state } of status?.containerStatuses ?? []) {
      const { reason = "", message } = state?.waiting ?? {};
      if (REASONS.has(reason)) return `${reason}: ${message ?? image ?? ""}`;
    }
  }
  return undefined;
}

/** Looks at pods until one of them has waited for an image for too long. @returns what the kubelet said of it */
export async function pullFailed(
  look: () => Promise<unknown>,
  call: Call,
  patience: number = PATIENCE,
): Promise<string> {
  let since: number | undefined;
  for (;;) {
    const failure = pullFailure(await look());
    const now = performance.now();
    since = failure === undefined ? undefined : (since ?? now);
    if (failure !== undefined && now - (since ?? now) >= patience) return failure;
    await sleep(1000, undefined, { signal: call.signal });
  }
}
