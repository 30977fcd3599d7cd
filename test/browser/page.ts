import type { Devtools } from "./devtools.ts";

/** A page as a person has it: it is looked at, and clicked on. */
export interface Page {
  /** Everything that the browser complained of: errors, warnings, exceptions, violations of the page's policy. */
  readonly complaints: readonly string[];
  goto(url: string): Promise<void>;
  /** The value of a JavaScript expression in the page. */
  value(expression: string): Promise<unknown>;
  /** Waits until an expression is true, over reloads too. The test's own timeout ends it. */
  until(expression: string): Promise<void>;
  /** Clicks with the mouse on the middle of the first element of a CSS selector. */
  click(selector: string): Promise<void>;
  press(key: "Enter" | "Tab"): Promise<void>;
  /** Makes the window so wide, in CSS pixels. */
  width(pixels: number): Promise<void>;
}

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
  const mouse = (type: string, at: object): Promise<unknown> =>
    send("Input.dispatchMouseEvent", { type, button: "left", clickCount: 1, ...at });
  return {
    complaints,
    value,
    async goto(url) {
      const { errorText } = await send("Page.navigate", { url });
      if (errorText !== undefined) throw new Error(`${url}: ${errorText}`);
    },
    async until(expression) {
      for (;;) {
        try {
          await value(`new Promise((resolve) => {
            const look = () => ((${expression}) ? resolve() : requestAnimationFrame(look));
            look();
          })`);
          return;
        } catch (error) {
          // The page went on to another one while we looked at it.
          if (!/context|navigated|Cannot read properties of null/.test(String(error))) throw error;
        }
      }
    },
    async click(selector) {
      const at = await value(`(() => {
        const element = document.querySelector(${JSON.stringify(selector)});
        element.scrollIntoView({ block: "center" });
        const { x, y, width, height } = element.getBoundingClientRect();
        return { x: x + width / 2, y: y + height / 2 };
      })()`);
      if (typeof at !== "object" || at === null) throw new Error(`no place of ${selector}`);
      await mouse("mousePressed", at);
      await mouse("mouseReleased", at);
    },
    async width(pixels) {
      const metrics = { width: pixels, height: 900, deviceScaleFactor: 1, mobile: false };
      await send("Emulation.setDeviceMetricsOverride", metrics);
    },
    async press(key) {
      const code = key === "Enter" ? { windowsVirtualKeyCode: 13, text: "\r" } : { windowsVirtualKeyCode: 9 };
      await send("Input.dispatchKeyEvent", { type: "keyDown", key, code: key, ...code });
      await send("Input.dispatchKeyEvent", { type: "keyUp", key, code: key });
    },
  };
}
