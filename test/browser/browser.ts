import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { temporaryFolder } from "../../src/base/index.ts";
import { chromiumProgram } from "../peers/chromium.ts";
import { end } from "../peers/program.ts";
import { Devtools } from "./devtools.ts";
import { openPage, type Page } from "./page.ts";

const FLAGS = [
  "--headless=new",
  // A sandbox needs rights that a container does not give; the only pages opened are our own.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--disable-crash-reporter",
  "--no-proxy-server",
  "--remote-debugging-pipe",
  "--window-size=1280,900",
];

export interface Browser extends AsyncDisposable {
  /** Opens a page in a fresh profile: no cookies of other pages. */
  open(colours: "light" | "dark"): Promise<Page>;
}

/** Starts a Chromium that is steered through two pipes, with a profile that goes with it. */
export async function startBrowser(): Promise<Browser> {
  const { program, home, libraries } = await chromiumProgram();
  const profile = await temporaryFolder(tmpdir(), "imgvol-browser-");
  const fonts = join(profile.path, "fonts.conf");
  const cache = join(profile.path, "cache");
  await mkdir(cache);
  await writeFile(
    fonts,
    `<fontconfig><dir>${home}usr/share/fonts</dir><cachedir>${cache}</cachedir></fontconfig>\n`,
  );
  const child = spawn(program, [...FLAGS, `--user-data-dir=${profile.path}`, "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      HOME: profile.path,
      LANG: "C.UTF-8",
      LD_LIBRARY_PATH: libraries,
      FONTCONFIG_FILE: fonts,
      XDG_DATA_DIRS: `${home}usr/share`,
    },
  });
  const devtools = new Devtools(child.stdio[3], child.stdio[4]);
  once(child, "exit").then(([code, signal]) => devtools.close(`chromium ended with ${code ?? signal}`));
  return {
    open: (colours) => openPage(devtools, colours),
    async [Symbol.asyncDispose]() {
      await end(child);
      await profile[Symbol.asyncDispose]();
    },
  };
}
