/**
 * node:http, node:https and node:tls, each loaded when first asked for. An `import` of them costs every start of the program
 * 50 ms: the namespace of an ES module reads all of a builtin's exports, and among those of node:http are fetch's.
 */
export function nodeHttp(): typeof import("node:http") {
  return process.getBuiltinModule("node:http");
}

export function nodeHttps(): typeof import("node:https") {
  return process.getBuiltinModule("node:https");
}

export function nodeTls(): typeof import("node:tls") {
  return process.getBuiltinModule("node:tls");
}
