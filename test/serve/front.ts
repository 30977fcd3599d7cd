import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashSync } from "bcryptjs";
import { type Listening, quietCall, ResourceStack, temporaryFolder } from "../../src/base/index.ts";
import { type StartOptions, startRegistry } from "../../src/serve/index.ts";

/** A registry as a program starts it, with what it said. */
export interface Team extends AsyncDisposable {
  readonly url: string;
  readonly server: Listening;
  /** Its own; the registry's content is in `data`. */
  readonly folder: string;
  readonly data: string;
  readonly log: readonly Record<string, unknown>[];
  readonly said: readonly string[];
  /** Done when the access log has a line that fits; gives it. */
  logged(fits: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
}

interface Asked extends Omit<Partial<StartOptions>, "dir"> {
  /** Users with their passwords. */
  readonly users?: Readonly<Record<string, string>>;
  readonly memory?: boolean;
}

/** @throws what the registry throws that does not start; nothing is left of it then */
export async function team(asked: Asked = {}): Promise<Team> {
  const held = new ResourceStack();
  try {
    return await started(asked, held);
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
}

async function started({ users, memory = false, ...options }: Asked, held: ResourceStack): Promise<Team> {
  const folder = held.keep(await temporaryFolder(tmpdir(), "imgvol-team-"));
  const data = join(folder.path, "data");
  await mkdir(data);
  const log: Record<string, unknown>[] = [];
  const said: string[] = [];
  let look = (): void => {};
  if (users !== undefined) await writeUsers(folder.path, users);
  const server = held.keep(
    await startRegistry(
      {
        host: "127.0.0.1",
        port: 0,
        ...(memory ? {} : { dir: data }),
        ...(users === undefined ? {} : { htpasswd: join(folder.path, "users") }),
        accessLog: (line) => {
          log.push(JSON.parse(line));
          look();
        },
        say: (sentence) => said.push(sentence),
        ...options,
      },
      quietCall(),
    ),
  );
  return {
    url: server.url,
    server,
    folder: folder.path,
    data,
    log,
    said,
    logged: (fits) =>
      new Promise((resolve) => {
        look = () => {
          const found = log.find(fits);
          if (found !== undefined) resolve(found);
        };
        look();
      }),
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

/** Writes the file of users as `htpasswd -B` would, with the least work. */
export async function writeUsers(folder: string, users: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(users).map(([user, password]) => `${user}:${hashSync(password, 4)}\n`);
  await writeFile(join(folder, "users"), lines.join(""));
}

export function basic(user: string, password: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}
