import { isTemporary, type Response } from "../base/index.ts";
import { StoreError } from "../oci/index.ts";
import { type Credentials, withoutSecrets } from "./credentials.ts";
import { Refusal, rateHint, readRefusal } from "./refusal.ts";
import { tokenVerdict } from "./verdict.ts";

/** Reads the answer of a token server that gives no token. */
export async function tokenRefusal(
  response: Response,
  asked: { readonly what: string; readonly credentials: Credentials | undefined },
  registry: string,
): Promise<StoreError> {
  const { status } = response;
  const { credentials } = asked;
  const told = await readRefusal(response, (text) => withoutSecrets(text, credentials));
  const message = `${asked.what}: ${registry}'s token server ${response.url.host} answered ${status}${told.inBrackets}`;
  if (isTemporary(status)) {
    const hint =
      status === 429 ? rateHint(registry, told, credentials) : "it has a problem of its own; try again later";
    const code = status === 429 ? "rate-limited" : "registry-error";
    // As the registry's own answer: it may be waited for.
    return new Refusal(code, message, { hint, status, ...told, reauthorized: false });
  }
  const verdict = tokenVerdict(status, told.codes[0], credentials, registry);
  if (verdict === undefined) {
    return new StoreError("registry-error", message, { hint: "ask who runs the registry" });
  }
  return new StoreError(verdict.code, `${message}: ${verdict.why}`, { hint: verdict.hint });
}
