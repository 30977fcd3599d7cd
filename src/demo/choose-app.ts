import { DemoError } from "./errors.ts";
import type { JavaTools } from "./java-tools.ts";

export type AppName = "spring" | "node";

/** Which app is shown, and why, as a sentence's end. */
export interface Choice {
  readonly app: AppName;
  readonly why: string;
}

/** Spring Boot 3 runs on Java 17 and newer; its Maven plugin needs 3.6.3. */
const JDK = 17;
const MAVEN = [3, 6, 3] as const;

/** @throws DemoError `app-unknown` */
export function parseApp(text: string): AppName {
  if (text === "spring" || text === "node") return text;
  throw new DemoError("app-unknown", `there is no demo ${JSON.stringify(text)}`, {
    hint: "the demos are spring and node",
    wrongUse: true,
  });
}

/**
 * The asked app; without one, spring where it can be built, else node.
 * @throws DemoError `java-missing` where spring was asked for and cannot be built
 */
export function chooseApp(asked: AppName | undefined, tools: JavaTools): Choice {
  if (asked === "node") return { app: "node", why: "as asked" };
  const lacking = lackingFor(tools);
  if (lacking === undefined) {
    const found = `JDK ${tools.javac} and Maven ${tools.maven?.join(".")} are here`;
    return { app: "spring", why: asked === undefined ? found : `as asked; ${found}` };
  }
  if (asked === undefined) return { app: "node", why: lacking };
  throw new DemoError("java-missing", `the Spring Boot app cannot be built: ${lacking}`, {
    hint: `install a JDK ${JDK} or newer and Maven, or run: imgvol demo node`,
  });
}

function lackingFor({ javac, maven }: JavaTools): string | undefined {
  const lacking = [
    ...(javac === undefined ? ["there is no JDK (javac)"] : []),
    ...(javac !== undefined && javac < JDK ? [`the JDK is ${javac}, and ${JDK} is needed`] : []),
    ...(maven === undefined ? ["there is no Maven (mvn)"] : []),
    ...(maven !== undefined && older(maven, MAVEN)
      ? [`Maven is ${maven.join(".")}, and ${MAVEN.join(".")} is needed`]
      : []),
  ];
  return lacking.length === 0 ? undefined : lacking.join(", ");
}

function older(version: readonly number[], than: readonly number[]): boolean {
  for (const [i, wanted] of than.entries()) {
    const have = version[i] ?? 0;
    if (have !== wanted) return have < wanted;
  }
  return false;
}
