import { ImgvolError, withoutUserinfo } from "../base/index.ts";
import { checkRegistry } from "../hosts/index.ts";

/**
 * A registry's `host[:port]`. Of a URL, which docker takes as well, the host is named: what else may be in it is not repeated.
 * @throws ImgvolError `registry-invalid`; OciError `reference-invalid`
 */
export function parseRegistry(text: string): string {
  // Before it is parsed: of a password with a slash in it a part would be the host's port.
  const bare = withoutUserinfo(text).replace("***@", "");
  const url = /^https?:\/\//i.test(text) && URL.canParse(bare) ? new URL(bare) : undefined;
  if (url === undefined) {
    checkRegistry(text);
    return text;
  }
  throw new ImgvolError(
    "registry-invalid",
    `a registry is named by its host alone, without ${url.protocol}//`,
    {
      hint: `write ${url.host}`,
      wrongUse: true,
    },
  );
}
