import { join } from "node:path";
import type { PackOptions } from "../../../src/pack/index.ts";
import { publish, publishTools } from "../images.ts";
import { ABSOLUTE_LINK, NEWEST, PRIVATE_FILE, SCRIPT, SUB_PATHS } from "./awkward-volume.ts";
import { type Listing, PARTS, readListing, readParts } from "./listing.ts";
import type { Outcome, Runtime } from "./runtime.ts";

/** An owner who is neither the one who packs nor the one who looks. */
const OWNER = { uid: 1234, gid: 5678 } as const;
/** That owner as a listing has it. */
export const OTHER: string = `${OWNER.uid}:${OWNER.gid}`;

const KEEP: PackOptions = { keepModes: true, sourceDateEpoch: NEWEST };

/** The form whose files are another's; anybody may read them, as in every volume that keeps no modes. */
export const OWNED = "owned";

/** The forms that the same tree is packed in. */
const FORMS: Readonly<Record<string, PackOptions>> = {
  auto: KEEP,
  gzip: { ...KEEP, format: { compression: "gzip" } },
  zstd: { ...KEEP, format: { compression: "zstd" } },
  none: { ...KEEP, format: { compression: "none" } },
  "single-gzip": { ...KEEP, platforms: "none", format: { compression: "gzip" } },
  "single-zstd": { ...KEEP, platforms: "none", format: { compression: "zstd" } },
  "single-none": { ...KEEP, platforms: "none", format: { compression: "none" } },
  split: { ...KEEP, split: 2 ** 20 },
  [OWNED]: { ...KEEP, keepModes: false, owner: OWNER },
};

/** Beside them: what is not for others to read stays so, and is another's. */
const PRIVATE: PackOptions = { ...KEEP, owner: OWNER };

/** Packs the tree in every form, and what looks at it. */
export async function publishForms(registry: string, root: string, folder: string): Promise<void> {
  await publishTools(`${registry}/tools:1`, join(folder, "tools"));
  for (const [form, options] of Object.entries({ ...FORMS, private: PRIVATE })) {
    await publish(`${registry}/volume:${form}`, root, options);
  }
}

/** What a command sees of the volumes that a runtime mounts. */
export interface Observed {
  /** The whole tree, by the form that it was packed in. */
  readonly trees: ReadonlyMap<string, Listing>;
  /** What stands under a subPath, by its name in {@link SUB_PATHS}; undefined where the runtime refuses it. */
  readonly subPaths: ReadonlyMap<string, Listing | undefined>;
  /** What trying to write says. */
  readonly written: string;
  /** What a program of the volume says. */
  readonly ran: string;
  /** Whether an absolute link leads to a file of the container's. */
  readonly linkIsContainers: boolean;
  /** Whether root reads what only another may. */
  readonly rootReadsAll: boolean;
  /** Of the mount and of its file system. */
  readonly mountOptions: ReadonlySet<string>;
}

const ALL = "/volumes";
const ONE = `${ALL}/auto`;

const PRIVATE_AT = "/private";
const PART_AT = "/part";

const LOOK = `${PARTS}
for form in ${Object.keys(FORMS).join(" ")}; do list ${ALL}/$form; done
part written sh -c ': > ${ONE}/new'
part ran ${ONE}/${SCRIPT}
part link sh -c '[ ${ONE}/${ABSOLUTE_LINK} -ef /etc/passwd ] && echo the same'
part private sh -c 'cat ${PRIVATE_AT}/${PRIVATE_FILE} >/dev/null && echo read'
part mounts cat /proc/self/mountinfo
`;

/** @throws where the runtime does not mount whole volumes */
export async function observe(runtime: Runtime): Promise<Observed> {
  const reference = (form: string): string => `${runtime.registry}/volume:${form}`;
  const forms = Object.keys(FORMS).map((form) => ({ reference: reference(form), at: `${ALL}/${form}` }));
  const others = { reference: reference("private"), at: PRIVATE_AT };
  const [whole = { refused: "" }, ...parted] = await runtime.run([
    { volumes: [...forms, others], script: LOOK },
    ...Object.values(SUB_PATHS).map((subPath) => ({
      volumes: [{ reference: reference("auto"), at: PART_AT, subPath }],
      script: `${PARTS}\nlist ${PART_AT}`,
    })),
  ]);
  if ("refused" in whole) throw new Error(`${runtime.name} mounts nothing: ${whole.refused}`);
  const parts = readParts(whole.said);
  const text = (name: string): string => parts.get(name)?.toString("utf8").trim() ?? "";
  return {
    trees: new Map(Object.keys(FORMS).map((form) => [form, readListing(parts, `${ALL}/${form}`)])),
    subPaths: new Map(Object.keys(SUB_PATHS).map((name, n) => [name, partOf(parted[n])])),
    written: text("written"),
    ran: text("ran"),
    linkIsContainers: text("link") === "the same",
    rootReadsAll: text("private") === "read",
    mountOptions: optionsOf(text("mounts"), ONE),
  };
}

function partOf(outcome: Outcome | undefined): Listing | undefined {
  if (outcome === undefined) throw new Error("a container of which nothing is known");
  if ("said" in outcome) return readListing(readParts(outcome.said), PART_AT);
  if (!OF_SUB_PATH.test(outcome.refused)) throw new Error(`refused for another reason: ${outcome.refused}`);
  return undefined;
}

/** What containerd and imgvol say of a subPath; podman, where it looks for it, and where crun mounts a file for it. */
const OF_SUB_PATH = /subpath|securejoin\.OpenInRoot|crun: mount .* to `part`/i;

/** proc_pid_mountinfo(5): the fifth field is where, the sixth how; what comes last is how of the file system. */
function optionsOf(mounts: string, at: string): ReadonlySet<string> {
  const fields = mounts
    .split("\n")
    .map((line) => line.split(" "))
    .find((line) => line[4] === at);
  if (fields === undefined) throw new Error(`nothing is mounted at ${at}: ${mounts}`);
  return new Set([...(fields[5] ?? "").split(","), ...(fields.at(-1) ?? "").split(",")]);
}
