import { join } from "node:path";
import type { DemoApp } from "./app.ts";
import { copyExample } from "./example.ts";
import { javaProgram } from "./java-tools.ts";
import { mavenPackage } from "./maven.ts";

/** A Spring Boot 3 service, built by Maven as its own pom.xml says. */
export const spring: DemoApp = {
  name: "spring",
  preset: "otel-java",
  async prepare(home, { env, on }, call) {
    await copyExample("spring", home, on, call);
    await mavenPackage(join(home, "pom.xml"), env, on, call);
    const target = join(home, "target");
    return [
      {
        name: "hello-spring",
        // Tomcat leaves its working folder behind: in ours, it goes with the rest.
        argv: [javaProgram("java", env), `-Djava.io.tmpdir=${target}`, "-jar", join(target, "hello.jar")],
        listening: /Tomcat started on port (\d+)/,
        span: "GET /hello/{name}",
      },
    ];
  },
};
