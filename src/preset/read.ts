import { messageOf } from "../base/index.ts";
import { PresetError } from "./errors.ts";
import type { EnvRule, Layout, OtlpAbility, PayloadRecipe, Preset } from "./preset.ts";
import { Shape } from "./shape.ts";

/**
 * Reads a preset's data file, strictly: an unknown field is an error too.
 *
 * @param origin the file, for messages
 * @throws PresetError `preset-invalid`, naming the field
 */
export function parsePreset(json: string, origin: string): Preset {
  const f = new Shape(parseJson(json, origin), origin).fields(
    "name",
    "title",
    "mountPath",
    "layouts",
    "env",
    "otlp",
    "payload",
    "needs",
    "expects",
  );
  const needs = f.needs.fields("runtime", "perArchitecture", "libc");
  const expects = f.expects.fields("signals", "scopes");
  return {
    name: f.name.text(),
    title: f.title.text(),
    mountPath: f.mountPath.text(),
    layouts: f.layouts.list(layout),
    env: f.env.list(rule),
    ...(f.otlp.given ? { otlp: otlp(f.otlp) } : {}),
    ...(f.payload.given ? { payload: payload(f.payload) } : {}),
    needs: {
      runtime: needs.runtime.text(),
      perArchitecture: needs.perArchitecture.flag(),
      libc: needs.libc.oneOf("any", "glibc", "musl"),
    },
    expects: {
      signals: expects.signals.list((signal) => signal.oneOf("traces", "metrics", "logs")),
      scopes: expects.scopes.list((scope) => scope.text()),
    },
  };
}

function parseJson(json: string, origin: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new PresetError("preset-invalid", `${origin} is not JSON: ${messageOf(cause)}`, { cause });
  }
}

function layout(shape: Shape): Layout {
  const f = shape.fields("id", "file", "title", "env");
  return { id: f.id.text(), file: f.file.text(), title: f.title.text(), env: f.env.list(rule) };
}

function rule(shape: Shape): EnvRule {
  const f = shape.fields("name", "value", "rule", "join", "conflict", "why");
  return {
    name: f.name.text(),
    value: f.value.text(),
    rule: f.rule.oneOf("append", "prepend", "default", "refuse"),
    ...(f.join.given ? { join: f.join.text() } : {}),
    ...(f.conflict.given ? { conflict: f.conflict.text() } : {}),
    ...(f.why.given ? { why: f.why.text() } : {}),
  };
}

function otlp(shape: Shape): OtlpAbility {
  const f = shape.fields("protocols", "default", "properties");
  return {
    protocols: f.protocols.list((p) => p.oneOf("grpc", "http/protobuf", "http/json")),
    default: f.default.oneOf("grpc", "http/protobuf", "http/json"),
    ...(f.properties.given ? { properties: f.properties.text() } : {}),
  };
}

function payload(shape: Shape): PayloadRecipe {
  const f = shape.fields("kind", "group", "artifact", "version", "file", "sha256", "locks", "files", "drops");
  const version = f.version.text();
  if (f.kind.oneOf("maven", "npm") === "npm") {
    return {
      kind: "npm",
      version,
      locks: f.locks.texts(),
      files: f.files.texts(),
      drops: f.drops.list((d) => d.text()),
    };
  }
  const [group, artifact, file] = [f.group.text(), f.artifact.text(), f.file.text()];
  return { kind: "maven", group, artifact, version, file, sha256: f.sha256.texts() };
}
