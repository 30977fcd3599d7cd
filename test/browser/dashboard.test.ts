import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { quietCall } from "../../src/base/index.ts";
import { type Dashboard, startDashboard } from "../../src/telemetry/index.ts";
import { span, text, traceId, traces } from "../telemetry/sender.ts";
import { type Browser, startBrowser } from "./browser.ts";
import { contrasts } from "./contrast.ts";
import type { Page } from "./page.ts";

// The dashboard as a person sees it, in a real browser.

const PORTS = { otlpGrpcPort: 0, otlpHttpPort: 0, uiPort: 0 };
const DIGEST = `sha256:${"ab".repeat(32)}`;
const VOLUME = { "imgvol.volume.reference": "registry.example/agent:1", "imgvol.volume.digest": DIGEST };
const MARKUP = `<img src=x onerror="window.ran=1"><script>window.ran=1</script>`;
const patience = { timeout: 120_000 };

let browser: Browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser[Symbol.asyncDispose]());

async function send(dashboard: Dashboard, body: Uint8Array): Promise<void> {
  const headers = { "content-type": "application/x-protobuf" };
  const endpoint = `${dashboard.otlpHttp.endpoint}/v1/traces`;
  const response = await fetch(endpoint, { method: "POST", headers, body: new Uint8Array(body) });
  assert.equal(response.status, 200);
}

const textOf = (page: Page, selector: string): Promise<unknown> =>
  page.value(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((e) => e.innerText.trim())`);

test("the printed URL shows services, traces as trees, and the volume each came from", patience, async () => {
  await using dashboard = await startDashboard(PORTS, quietCall());
  await send(dashboard, traces("shop", [span(1, 1), span(1, 2, 1), span(1, 3, 2)], VOLUME));
  await send(dashboard, traces("bare", [span(2, 1)]));
  const page = await browser.open("light");
  await page.goto(dashboard.url);
  await page.until("document.querySelectorAll('#traces > li').length === 2");
  assert.equal(await page.value("location.pathname + location.search"), "/");
  assert.deepEqual(await textOf(page, ".service strong"), ["All services", "bare", "shop"]);
  const trace = `#traces > li[data-id="${traceId(1)}"]`;
  const [origin] = (await textOf(page, `${trace} .origin`)) as string[];
  assert.ok(origin?.includes(`registry.example/agent:1@${DIGEST.slice(0, 19)}`), origin);
  assert.equal(
    await page.value(`document.querySelector('${trace} .volume').title`),
    `registry.example/agent:1@${DIGEST}`,
  );

  assert.equal(await page.value("document.querySelectorAll('.tree').length"), 0);
  await page.click(`${trace} summary`);
  await page.until(`document.querySelectorAll('${trace} .span').length === 3`);
  const indents = `[...document.querySelectorAll('${trace} .span .name')].map((e) => parseInt(e.style.paddingLeft))`;
  const [root = 0, child = 0, grandchild = 0] = (await page.value(indents)) as number[];
  assert.ok(root < child && child < grandchild, "a child stands further right than its parent");
  await page.click(`${trace} .span summary`);
  await page.until(`document.querySelector('${trace} .span .detail') !== null`);
  const facts = await textOf(page, `${trace} .span .detail dd`);
  assert.ok(Array.isArray(facts) && facts.includes(DIGEST) && facts.includes("registry.example/agent:1"));

  // By keyboard alone: Enter closes what a click opened.
  await page.value(`document.querySelector('${trace} summary').focus()`);
  await page.press("Enter");
  await page.until(`!document.querySelector('${trace} details').open`);
  await page.click('.service[data-id="bare"]');
  await page.until("document.querySelectorAll('#traces > li').length === 1");
  assert.deepEqual(await textOf(page, "#heading"), ["Latest traces of bare"]);
  assert.deepEqual(page.complaints, []);
});

test("what arrives while one looks appears by itself", patience, async () => {
  await using dashboard = await startDashboard(PORTS, quietCall());
  const page = await browser.open("light");
  await page.goto(dashboard.url);
  await page.until("document.querySelectorAll('.way pre').length === 2");
  const ways = ((await textOf(page, ".way pre")) as string[]).join("\n");
  assert.ok(ways.includes(dashboard.otlpHttp.endpoint) && ways.includes(dashboard.otlpGrpc.endpoint));
  await page.until("document.querySelector('#live').dataset.state === 'live'");
  await page.value("window.same = true");
  await send(dashboard, traces("late", [span(7, 1)]));
  await page.until("document.querySelectorAll('#traces > li').length === 1");
  assert.deepEqual(await textOf(page, ".service strong"), ["All services", "late"]);
  assert.equal(await page.value("window.same"), true);
  assert.deepEqual(page.complaints, []);
});

test("markup that senders wrote is shown as text, and nothing of it runs", patience, async () => {
  await using dashboard = await startDashboard(PORTS, quietCall());
  const volume = { "imgvol.volume.reference": `registry.example/${MARKUP}`, "imgvol.volume.digest": MARKUP };
  const spans = [span(1, 1, undefined, { name: MARKUP, attributes: text({ [MARKUP]: MARKUP }) })];
  await send(dashboard, traces(MARKUP, spans, { ...volume, [MARKUP]: MARKUP }));
  const page = await browser.open("dark");
  await page.goto(dashboard.url);
  await page.until("document.querySelectorAll('#traces > li').length === 1");
  await page.click("#traces summary");
  await page.until("document.querySelector('.span') !== null");
  await page.click(".span summary");
  await page.until("document.querySelector('.detail') !== null");
  for (const [where, least] of [
    [".service strong", 1],
    [".title", 1],
    [".span .name", 1],
    [".detail dt", 2],
    [".detail dd", 2],
  ] as const) {
    const shown = ((await textOf(page, where)) as string[]).filter((words) => words.includes(MARKUP));
    assert.ok(shown.length >= least, where);
  }
  assert.equal(await page.value("document.querySelectorAll('img[src=x], script:not([src])').length"), 0);
  assert.equal(await page.value("window.ran"), undefined);
  assert.deepEqual(page.complaints, []);
});

test("a script that got in all the same would be stopped by the page's policy", patience, async () => {
  await using dashboard = await startDashboard(PORTS, quietCall());
  const page = await browser.open("light");
  await page.goto(dashboard.url);
  await page.until("document.querySelectorAll('.way').length === 2");
  const plant = `document.body.append(Object.assign(document.createElement("script"), { textContent: "window.ran = 1" }))`;
  await page.value(plant);
  assert.equal(await page.value("window.ran"), undefined);
  assert.match(page.complaints.join("\n"), /script-src 'self'/);
});

test("without the token, or with a wrong one, there is nothing to see", patience, async () => {
  await using dashboard = await startDashboard(PORTS, quietCall());
  await send(dashboard, traces("secret", [span(1, 1)], VOLUME));
  for (const path of ["/", "/login?t=wrong", "/login"]) {
    const page = await browser.open("light");
    await page.goto(dashboard.origin + path);
    await page.until("document.querySelector('h1') !== null");
    assert.deepEqual(await textOf(page, "h1"), ["This dashboard has a key"]);
    assert.equal(await page.value("fetch('/api/services').then((r) => r.status)"), 401);
    assert.doesNotMatch(String(await page.value("document.documentElement.outerHTML")), /secret|agent:1/);
  }
});

test("light and dark: each with text that stands out from what is behind it", patience, async () => {
  await using dashboard = await startDashboard(PORTS, quietCall());
  await send(dashboard, traces("shop", [span(1, 1), span(1, 2, 1, { status: { code: 2 } })], VOLUME));
  const brightness: number[] = [];
  for (const colours of ["light", "dark"] as const) {
    const page = await browser.open(colours);
    await page.goto(dashboard.url);
    await page.until("document.querySelectorAll('#traces > li').length === 1");
    await page.click("#traces summary");
    await page.until("document.querySelector('.span') !== null");
    const seen = await page.value(`(${contrasts})()`);
    const { back, faint } = seen as { back: number; faint: string[] };
    brightness.push(back);
    // WCAG 2.2, 1.4.3: 4.5 to 1.
    assert.deepEqual(faint, [], colours);
  }
  const [light = 0, dark = 1] = brightness;
  assert.ok(light > 0.8 && dark < 0.1, `${light} ${dark}`);
});
