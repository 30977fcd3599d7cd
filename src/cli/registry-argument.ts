import { ImgvolError } from "../base/index.ts";
import { checkRegistry } from "../hosts/index.ts";

/**
 * A registry's `host[:port]`. Of a URL, which docker takes as well, the host is named: what else may be in it is not repeated.
 * @throws ImgvolError `registry-invalid`; OciError `reference-invalid`
 */
export function parseRegistry(text: string): string {
  const url = /^https?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
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
