import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { quietCall } from "../../src/base/index.ts";
import { MediaType } from "../../src/oci/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { manifestOf, sha256 } from "../registry/exchange.ts";
import { type Browser, startBrowser } from "./browser.ts";
import { contrasts } from "./contrast.ts";

// The registry's pages as a person sees them, in a real browser.

const patience = { timeout: 120_000 };
const MARKUP = `<img src=x onerror="window.ran=1"><script>window.ran=1</script>`;

let browser: Browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser[Symbol.asyncDispose]());

/** A registry with `names`, each a repository with one image under two tags. */
async function filled(names: readonly string[]): Promise<{ url: string } & AsyncDisposable> {
  const registry = await startRegistry({ host: "127.0.0.1", port: 0 }, quietCall());
  const config = JSON.stringify({ os: "linux", architecture: MARKUP });
  for (const name of names) {
    for (const text of [config, "layer"]) {
      const target = `${registry.url}/v2/${name}/blobs/uploads/?digest=${sha256(text)}`;
      await (await fetch(target, { method: "POST", body: text })).text();
    }
    for (const tag of ["1.9", "1.10"]) {
      const response = await fetch(`${registry.url}/v2/${name}/manifests/${tag}`, {
        method: "PUT",
        headers: { "content-type": MediaType.manifest },
        body: manifestOf(config, ["layer"]),
      });
      assert.equal(response.status, 201);
    }
  }
  return registry;
}

test(
  "from the list to a repository, by mouse and by keyboard, and nothing that strangers wrote runs",
  patience,
  async () => {
    await using registry = await filled(["team/agent", "models/llama"]);
    const page = await browser.open("light");
    await page.goto(registry.url);
    await page.until("document.querySelectorAll('.repositories > li').length === 2");
    await page.click('a[href="/r/team/agent"]');
    await page.until("document.querySelector('h1.name')?.innerText === 'team/agent'");
    assert.equal(await page.value("document.querySelectorAll('.card').length"), 1);
    assert.match(
      String(await page.value("document.querySelector('.facts').innerText")),
      /<script>window\.ran=1/,
    );
    assert.equal(await page.value("window.ran"), undefined);
    assert.equal(await page.value("document.querySelectorAll('img[src=x], script:not([src])').length"), 0);
    await page.value("document.querySelector('summary').focus()");
    assert.equal(await page.value("document.querySelector('details').open"), true);
    await page.press("Enter");
    await page.until("!document.querySelector('details').open");
    assert.deepEqual(page.complaints, []);
  },
);

test("a line is copied by its button, and said to be", patience, async () => {
  await using registry = await filled(["agent"]);
  const page = await browser.open("light");
  await page.goto(`${registry.url}/r/agent`);
  await page.until("document.querySelector('.copy:not([hidden])') !== null");
  const lines = (await page.value(
    "[...document.querySelectorAll('.copy')].map((b) => b.dataset.copy)",
  )) as string[];
  const host = new URL(registry.url).host;
  assert.equal(lines.length, 4);
  assert.match(lines[0] ?? "", /^sha256:[0-9a-f]{64}$/);
  assert.ok(lines[1]?.includes(`reference: ${host}/agent:1.10@sha256:`));
  assert.equal(lines[2], `imgvol run -v ${host}/agent:1.10:/mnt/agent -- ls /mnt/agent`);
  // What the clipboard is given; to read it back takes a person's leave.
  await page.value("document.addEventListener('copy', () => { window.copied = getSelection().toString(); })");
  await page.value("navigator.clipboard.writeText = async (text) => { window.copied = text; }");
  await page.click(".lines .copy");
  await page.until("document.querySelector('#told').textContent === 'Copied'");
  assert.equal(await page.value("window.copied"), lines[1]);
  // Pages by plain HTTP of another machine have no clipboard to ask: the old way.
  await page.value("navigator.clipboard.writeText = () => Promise.reject(new Error('no'))");
  await page.click(".lines:nth-of-type(2) .copy");
  await page.until("window.copied?.startsWith('imgvol run')");
  assert.deepEqual(page.complaints, []);
});

test(
  "what a reader of screens has: one heading, a language, a name for each control, a way past the head",
  patience,
  async () => {
    await using registry = await filled(["agent", "other"]);
    const page = await browser.open("light");
    for (const path of ["/", "/r/agent", "/r/missing"]) {
      await page.goto(registry.url + path);
      await page.until("document.querySelector('h1') !== null");
      assert.equal(await page.value("document.documentElement.lang"), "en");
      assert.equal(await page.value("document.querySelectorAll('h1').length"), 1, path);
      assert.equal(await page.value("document.querySelectorAll('main').length"), 1, path);
      const nameless = await page.value(
        `[...document.querySelectorAll("a, button, input, summary, pre[tabindex]")].filter((e) =>
        !(e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent.trim())).length`,
      );
      assert.equal(nameless, 0, path);
      // Labels of controls that are alike say which is meant.
      const labels = (await page.value(
        "[...document.querySelectorAll('[aria-label^=Copy]')].map((e) => e.ariaLabel)",
      )) as string[];
      assert.equal(new Set(labels).size, labels.length, path);
      await page.press("Tab");
      assert.equal(await page.value("document.activeElement.className"), "skip", path);
    }
  },
);

test(
  "light and dark: each with text that stands out, and no page is wider than a small screen",
  patience,
  async () => {
    const long = `team/${"a-very-long-name-".repeat(8)}end`;
    await using registry = await filled(["agent", long]);
    const brightness: number[] = [];
    for (const colours of ["light", "dark"] as const) {
      const page = await browser.open(colours);
      for (const path of ["/", "/r/agent", `/r/${long}`, "/r/missing"]) {
        await page.goto(registry.url + path);
        await page.until("document.querySelector('h1') !== null && document.styleSheets.length === 2");
        const { back, faint } = (await page.value(`(${contrasts})()`)) as { back: number; faint: string[] };
        assert.deepEqual(faint, [], `${colours} ${path}`);
        if (path === "/") brightness.push(back);
        await page.width(320);
        const wide = await page.value(
          "document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        assert.equal(wide, 0, path);
        await page.width(1280);
      }
      assert.deepEqual(
        page.complaints.filter((each) => !each.includes("404")),
        [],
      );
    }
    const [light = 0, dark = 1] = brightness;
    assert.ok(light > 0.8 && dark < 0.1, `${light} ${dark}`);
  },
);
