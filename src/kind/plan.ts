import { shellWord } from "../base/index.ts";
import { registryHosting } from "../cluster/index.ts";
import { hostsFolder, hostsToml, json, type KindSpec, kindConfig } from "./files.ts";

/** A program to run; a step that has been done before can be done again. */
export interface Step {
  readonly what: string;
  readonly run: readonly string[];
  /** For its stdin. */
  readonly input?: string;
  /** A program whose exit code 0 says that there is nothing to do. */
  readonly unless?: readonly string[];
  /** A program whose exit code 0 says that there is something to do. */
  readonly when?: readonly string[];
}

/** All that is done with a cluster of kind's: nothing else touches the machine, but the cluster's own folder. */
export interface KindPlan {
  readonly env: Readonly<Record<string, string>>;
  readonly up: readonly Step[];
  readonly down: readonly Step[];
  /** What must not be there before: it would be somebody else's. */
  readonly containers: readonly string[];
}

/** The distribution project's own; imgvol has no image of its registry. */
export const REGISTRY_IMAGE = "docker.io/library/registry:3";

export function nodeName({ name }: Pick<KindSpec, "name">): string {
  return `${name}-control-plane`;
}

function registryName({ name }: Pick<KindSpec, "name">): string {
  return `${name}-registry`;
}

/** @param kubeconfig the file that is written for whoever uses the cluster */
export function kindPlan(spec: KindSpec, kubeconfig: string): KindPlan {
  const { engine, name } = spec;
  const node = nodeName(spec);
  const registry = registryName(spec);
  const isThere = (container: string): readonly string[] => [engine, "container", "inspect", container];
  const cluster = ["--name", name, "--kubeconfig", kubeconfig];
  const hosts = hostsFolder(spec.registryPort);
  const put = 'mkdir -p "$1" && cat >"$1/hosts.toml"';
  return {
    env: { KIND_EXPERIMENTAL_PROVIDER: engine },
    containers: [node, registry],
    up: [
      {
        what: `create the node of Kubernetes ${spec.version}`,
        unless: isThere(node),
        run: ["kind", "create", "cluster", ...cluster, "--config", "-"],
        input: kindConfig(spec),
      },
      {
        what: "start the registry",
        unless: isThere(registry),
        run: [engine, "run", "--detach", ...registryFlags(spec), REGISTRY_IMAGE],
      },
      // After a restart of the machine they are there, but may be stopped.
      { what: "start what is stopped", run: [engine, "start", node, registry] },
      {
        what: "tell containerd where the registry is",
        run: [engine, "exec", "--interactive", node, "sh", "-c", put, "sh", hosts],
        input: hostsToml(`http://${registry}:5000`),
      },
      { what: "wait for the node", run: [engine, "exec", node, "timeout", "180", "sh", "-c", UNTIL_READY] },
      {
        what: "tell the cluster where the registry is",
        run: kubectlIn(spec, "apply", "-f", "-"),
        input: json(registryHosting(spec.registryPort)),
      },
    ],
    down: [
      { what: "delete the node", run: ["kind", "delete", "cluster", ...cluster] },
      {
        what: "delete the registry, with what it keeps",
        when: isThere(registry),
        run: [engine, "rm", "--force", "--volumes", registry],
      },
    ],
  };
}

/** kubectl of the node, which is there whatever this machine has. */
export function kubectlIn(spec: KindSpec, ...words: readonly string[]): readonly string[] {
  return [spec.engine, "exec", "--interactive", nodeName(spec), ...KUBECTL, ...words];
}

const KUBECTL = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"];

/** For the shell of the node. */
export const UNTIL_READY: string = `until ${KUBECTL.join(" ")} wait --for=condition=Ready node --all --timeout=170s; do sleep 1; done`;

function registryFlags(spec: KindSpec): readonly string[] {
  const auth = ["REGISTRY_AUTH=htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM=imgvol"];
  return [
    ...["--name", registryName(spec), "--label", `imgvol.cluster=${spec.name}`],
    ...["--restart", "unless-stopped", "--network", "kind"],
    ...["--publish", `127.0.0.1:${spec.registryPort}:5000`],
    ...["--env", "REGISTRY_STORAGE_DELETE_ENABLED=true"],
    ...(spec.htpasswd === undefined
      ? []
      : [
          ...["--volume", `${spec.htpasswd}:/auth/htpasswd:ro`],
          ...[...auth, "REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd"].flatMap((env) => ["--env", env]),
        ]),
  ];
}

/** The same as a script: what is printed is what is done. */
export function kindScript(plan: KindPlan, steps: readonly Step[]): string {
  const exports = Object.entries(plan.env).map(([name, value]) => `export ${name}=${shellWord(value)}\n`);
  return `#!/bin/sh\nset -eu\n${exports.join("")}${steps.map(scriptOf).join("")}`;
}

function scriptOf({ what, run, input, unless, when }: Step): string {
  const check = unless ?? when;
  const first =
    check === undefined ? "" : `${when === undefined ? "" : "! "}${line(check)} >/dev/null 2>&1 ||\n  `;
  const stdin = input === undefined ? "" : ` <<'EOF'\n${input}EOF`;
  return `\n# ${what}\n${first}${line(run)}${stdin}\n`;
}

function line(words: readonly string[]): string {
  return words.map(shellWord).join(" ");
}
