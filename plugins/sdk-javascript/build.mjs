// Called by `switchyard plugin build`: node build.mjs TOOL FOLDER WIT OUTPUT
// TOOL is the folder of @bytecodealliance/componentize-js. Prints nothing; its errors are the author's.

import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [tool, folder, witPath, output] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(path).href);
const { exports: entry } = JSON.parse(await readFile(join(tool, "package.json"), "utf8"));
const { componentize } = await load(join(tool, entry.import));
const lexer = await load(createRequire(join(tool, "package.json")).resolve("es-module-lexer"));
await lexer.init;

try {
  const [, exported] = lexer.parse(await readFile(join(folder, "plugin.js"), "utf8"));
  const names = exported.map((each) => each.n);
  if (!names.includes("plan")) throw new Error("plugin.js exports no `plan`");
  const form = names.includes("judge") ? "judging" : "planning";
  const { component } = await componentize({
    sourcePath: join(folder, "switchyard", `entry-${form}.js`),
    witPath,
    worldName: form,
    disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
  });
  await writeFile(output, component);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
