import { setTimeout } from "node:timers/promises";
import type { Devtools } from "./devtools.ts";

/** A page as a person has it: it is looked at, and clicked on. */
export interface Page {
  /** Everything that the browser complained of: errors, warnings, exceptions, violations of the page's policy. */
  readonly complaints: readonly string[];
  goto(url: string): Promise<void>;
  /** The value of a JavaScript expression in the page. */
  value(expression: string): Promise<unknown>;
  /** Waits until an expression is true, over reloads too; after a minute the error says what was waited for. */
  until(expression: string): Promise<void>;
  /** Clicks with the mouse on the middle of the first element of a CSS selector, once it is seen there. */
  click(selector: string): Promise<void>;
  press(key: "Enter" | "Tab"): Promise<void>;
  /** Makes the window so wide, in CSS pixels. */
  width(pixels: number): Promise<void>;
}

const PATIENCE_MS = 60_000;
/** A look that has no answer by then is lost: it was on its way while the page went on to another one. */
const LOOK_MS = 5_000;
/** Input before the first picture is thrown away by the browser: nobody clicks on what is not seen yet. */
const PAINTED = "performance.getEntriesByType('paint').length > 0";

export async function openPage(devtools: Devtools, colours: "light" | "dark"): Promise<Page> {
  const { browserContextId } = await devtools.send("Target.createBrowserContext");
  const { targetId } = await devtools.send("Target.createTarget", { url: "about:blank", browserContextId });
  const { sessionId } = await devtools.send("Target.attachToTarget", { targetId, flatten: true });
  const session = String(sessionId);
  const send: Devtools["send"] = (method, params) => devtools.send(method, params, session);
  const complaints: string[] = [];
  devtools.listen(session, (method, params) => {
    const { type, entry, issue } = params as { type?: string; entry?: { level: string }; issue?: unknown };
    const bad =
      (method === "Runtime.consoleAPICalled" && (type === "error" || type === "warning")) ||
      method === "Runtime.exceptionThrown" ||
      (method === "Log.entryAdded" && (entry?.level === "error" || entry?.level === "warning")) ||
      (method === "Audits.issueAdded" && issue !== undefined);
    if (bad) complaints.push(`${method} ${JSON.stringify(params)}`);
  });
  for (const domain of ["Page", "Runtime", "Log", "Audits"]) await send(`${domain}.enable`);
  await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: colours }] });

  const value = async (expression: string): Promise<unknown> => {
    const answer = await send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    const { result, exceptionDetails } = answer as {
      result: { value?: unknown };
      exceptionDetails?: { text: string; exception?: { description?: string } };
    };
    if (exceptionDetails === undefined) return result.value;
    throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
  };
  /** Whether it holds at the page's next frame; undefined where the page went on while one looked. */
  const look = async (expression: string): Promise<boolean | undefined> => {
    const next = `new Promise(requestAnimationFrame).then(() => Boolean(${expression}))`;
    try {
      return (await within(LOOK_MS, value(next))) === true;
    } catch (error) {
      if (!/context|navigated|collected|Cannot read properties of null/.test(String(error))) throw error;
      return undefined;
    }
  };
  const until = async (expression: string): Promise<void> => {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) if (await look(expression)) return;
    const shown = await within(
      LOOK_MS,
      value("location.href + '\\n' + document.body.innerText.slice(0, 2000)"),
    );
    throw new Error(`not within ${PATIENCE_MS / 1000} s: ${expression}\nThe page: ${shown}`);
  };
  const mouse = (type: string, at: object): Promise<unknown> =>
    send("Input.dispatchMouseEvent", { type, button: "left", clickCount: 1, ...at });
  return {
    complaints,
    value,
    async goto(url) {
      const { errorText } = await send("Page.navigate", { url });
      if (errorText !== undefined) throw new Error(`${url}: ${errorText}`);
    },
    until,
    async click(selector) {
      const name = JSON.stringify(selector);
      await until(`${PAINTED} && document.querySelector(${name}) !== null`);
      await value(`document.querySelector(${name}).scrollIntoView({ block: "center" })`);
      const middle = `(({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 }))(
        document.querySelector(${name}).getBoundingClientRect())`;
      await until(
        `(({ x, y }) => document.querySelector(${name}).contains(document.elementFromPoint(x, y)))(${middle})`,
      );
      const at = (await value(middle)) as object;
      await mouse("mousePressed", at);
      await mouse("mouseReleased", at);
    },
    async width(pixels) {
      const metrics = { width: pixels, height: 900, deviceScaleFactor: 1, mobile: false };
      await send("Emulation.setDeviceMetricsOverride", metrics);
    },
    async press(key) {
      await until(PAINTED);
      const code = key === "Enter" ? { windowsVirtualKeyCode: 13, text: "\r" } : { windowsVirtualKeyCode: 9 };
      await send("Input.dispatchKeyEvent", { type: "keyDown", key, code: key, ...code });
      await send("Input.dispatchKeyEvent", { type: "keyUp", key, code: key });
    },
  };
}

/** What `answer` gives; undefined where it has not come after `ms`. */
async function within<T>(ms: number, answer: Promise<T>): Promise<T | undefined> {
  const alarm = new AbortController();
  try {
    return await Promise.race([answer, setTimeout(ms, undefined, { signal: alarm.signal })]);
  } finally {
    alarm.abort();
  }
}
