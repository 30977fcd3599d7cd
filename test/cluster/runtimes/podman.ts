import { Podman, podman } from "../../peers/podman.ts";
import { releaseOf } from "../../peers/release.ts";
import { lookingPod } from "./kubelet.ts";
import type { Look, Outcome, Runtime } from "./runtime.ts";

/** As podman has it: a program of the container's may end with these as well, and ours do not. */
const REFUSED = [125, 126, 127];

/** `podman run --mount type=image`. */
export async function podmanRun(registry: string): Promise<Runtime> {
  const program = await Podman.start();
  return {
    name: `podman ${await release()}: run`,
    registry,
    async run(looks) {
      await pull(program, registry, looks);
      return await Promise.all(looks.map((look) => runLook(program, registry, look)));
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** `podman kube play` of what a kubelet is given; a pod a container, for it refuses pods as a whole. */
export async function podmanPlay(registry: string): Promise<Runtime> {
  const program = await Podman.start();
  return {
    name: `podman ${await release()}: kube play`,
    registry,
    async run(looks) {
      await pull(program, registry, looks);
      return await Promise.all(looks.map((look, n) => play(program, `pod-${n}`, registry, look)));
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

async function runLook(program: Podman, registry: string, { volumes, script }: Look): Promise<Outcome> {
  const mounts = volumes.map(({ reference, at, subPath }) => {
    const sub = subPath === undefined ? "" : `,subpath=/${subPath}`;
    return `--mount=type=image,source=${reference},destination=${at}${sub}`;
  });
  const words = ["run", "--rm", "--network=host", ...mounts, `${registry}/tools:1`, "sh", "-c", script];
  const { code, stdout, stderr } = await program.run(words, [0, ...REFUSED]);
  return code === 0 ? { said: stdout } : { refused: stderr };
}

async function play(program: Podman, name: string, registry: string, look: Look): Promise<Outcome> {
  const pod = lookingPod(name, `${registry}/tools:1`, [look]);
  const text = JSON.stringify({ ...pod, spec: { ...pod.spec, hostNetwork: true } });
  const file = await program.file(`${name}.json`, text);
  const { code, stderr } = await program.run(["kube", "play", "--quiet", file], [0, ...REFUSED]);
  try {
    if (code !== 0) return { refused: stderr };
    const container = `${name}-look-0`;
    const { stdout: exit } = await program.run(["wait", container]);
    const { stdout: said } = await program.run(["logs", container]);
    if (exit.trim() !== "0") throw new Error(`the pod ${name} ended with ${exit}: ${said.slice(-4000)}`);
    return { said };
  } finally {
    await program.run(["kube", "down", "--force", file], [0, ...REFUSED]);
  }
}

/** All images, before any container: of several podmans that pull the same layer, one may find its file gone and give up. */
async function pull(program: Podman, registry: string, looks: readonly Look[]): Promise<void> {
  const volumes = looks.flatMap((look) => look.volumes.map(({ reference }) => reference));
  const references = [...new Set([`${registry}/tools:1`, ...volumes])];
  await program.run(["pull", "--quiet", "--policy=missing", ...references]);
}

/** Major and minor. */
async function release(): Promise<string> {
  return (await releaseOf(podman)).split(".").slice(0, 2).join(".");
}
